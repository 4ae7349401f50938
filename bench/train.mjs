// LeNet with two towers of 32 on the embedded engine, beside a TensorFlow session on the same model, in turns.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureTensorFlow } from '../scripts/setup-tensorflow.mjs';
import { median, printTable } from './table.mjs';

const [TOWERS, BATCH, STEPS, ROUNDS] = [2, 32, 60, 3];
const root = join(import.meta.dirname, '..');

const program = `
  const { batches, compile, findEngine, lenet, mnist, modelInput, train } = await import('placewright');
  const [towers, batch, steps] = process.argv.slice(1).map(Number);
  const data = mnist();
  const { module } = compile(lenet(modelInput(data)), { strategy: 'replicated', reduction: 'mean', numGpus: towers });
  const session = await findEngine('embedded').load(module);
  function* feeds() {
    for (const { images, labels } of batches(data.train, { batchSize: towers * batch })) yield new Map([['images', images], ['labels', labels]]);
  }
  const at = [];
  await train(session, { module, steps: steps + 5, feeds: feeds(), onStep: ({ elapsedMs }) => at.push(elapsedMs) });
  await session.close();
  const seconds = (at.at(-1) - at[4]) / 1000;
  console.log(JSON.stringify({ stepsPerSecond: steps / seconds, memoryMB: process.resourceUsage().maxRSS / 1024 }));
`;

const lastJson = (text) => JSON.parse(text.trim().split('\n').at(-1));
const ours = () =>
  lastJson(
    execFileSync(
      process.execPath,
      ['--input-type=module', '-e', program, String(TOWERS), String(BATCH), String(STEPS)],
      {
        cwd: root,
        encoding: 'utf8',
      },
    ),
  );
const theirs = (python) =>
  lastJson(
    execFileSync(
      python,
      [join(root, 'bench/lenet_session.py'), String(TOWERS), String(BATCH), String(STEPS)],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    ),
  );

export async function trainBench() {
  const python = await ensureTensorFlow();
  const mine = [];
  const session = [];
  for (let round = 0; round < ROUNDS; round++) {
    mine.push(ours());
    if (python !== undefined) session.push(theirs(python));
  }
  const speed = (runs) => median(runs.map(({ stepsPerSecond }) => stepsPerSecond));
  const rows = [
    [
      'embedded engine',
      speed(mine).toFixed(1),
      '1.00',
      Math.max(...mine.map(({ memoryMB }) => memoryMB)).toFixed(0),
    ],
  ];
  if (session.length > 0) {
    const version = session[0].tensorflow;
    rows.push([
      `TensorFlow ${version} session`,
      speed(session).toFixed(1),
      (speed(session) / speed(mine)).toFixed(2),
      '',
    ]);
    rows.push(['embedded / TensorFlow', '', (speed(mine) / speed(session)).toFixed(2), '']);
  } else console.log('no TensorFlow here: only our own figures');
  printTable(
    `LeNet, ${TOWERS} towers of ${BATCH}, replicated (median of ${ROUNDS} rounds of ${STEPS} steps, in turns)`,
    ['engine', 'steps/s', 'ratio', 'peak MB'],
    rows,
  );
}
