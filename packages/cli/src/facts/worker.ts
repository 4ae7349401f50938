// A thread that answers questions: one message each, in order.
import { parentPort } from 'node:worker_threads';
import { createAnswerer, type Question } from './answer.js';

const answer = createAnswerer();
parentPort?.on('message', (question: Question) => parentPort?.postMessage(answer(question)));
