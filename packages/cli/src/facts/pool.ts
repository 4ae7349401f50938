import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Answer, createAnswerer, type Question } from './answer.js';

/** So many questions are worth the start of another thread. */
const QUESTIONS_A_THREAD = 8;

/**
 * Answers in the order of the questions, each handed on as soon as it and those before it are there. Many questions go
 * to a thread for each processor, which runs only from the built package: sources have no file that a thread can load.
 */
export async function answerAll(
  questions: readonly Question[],
  onAnswer: (answer: Answer) => void,
  threads = threadsFor(questions.length),
): Promise<void> {
  if (threads < 2) {
    const answer = createAnswerer();
    for (const question of questions) onAnswer(answer(question));
    return;
  }
  const answers = new Map<number, Answer>();
  let printed = 0;
  await spread(questions, threads, (index, answer) => {
    answers.set(index, answer);
    for (let next = answers.get(printed); next !== undefined; next = answers.get(printed)) {
      answers.delete(printed);
      printed += 1;
      onAnswer(next);
    }
  });
}

function threadsFor(questions: number): number {
  if (!import.meta.url.endsWith('.js')) return 1;
  return Math.min(availableParallelism(), Math.ceil(questions / QUESTIONS_A_THREAD));
}

/** Each thread takes the next question when it is done with one. */
async function spread(
  questions: readonly Question[],
  threads: number,
  onAnswer: (index: number, answer: Answer) => void,
): Promise<void> {
  let next = 0;
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./worker.js', import.meta.url));
      const ask = (): void => {
        const index = next;
        const question = questions[index];
        if (question === undefined) return void worker.terminate();
        next += 1;
        worker.once('message', (answer: Answer) => {
          onAnswer(index, answer);
          ask();
        });
        worker.postMessage(question);
      };
      worker.once('error', reject);
      worker.once('exit', () => resolve());
      ask();
    });
  await Promise.all(Array.from({ length: threads }, run));
}
