// How long compiling takes: the first time in a fresh process (after start-up) and when warm, with the verifier's share.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { median, printTable } from './table.mjs';

const RUNS = 5;
const CASES = [
  ['lenet', 2, 'replicated'],
  ['lenet', 8, 'independent'],
  ['lenet', 8, 'parameter_server'],
  ['lenet', 8, 'replicated'],
];

const program = `
  const { compile, lenet } = await import('placewright');
  const [numGpus, strategy] = process.argv.slice(1);
  const once = (verify) => {
    const started = performance.now();
    const { module } = compile(lenet(), { strategy, numGpus: Number(numGpus), verify });
    return { ms: performance.now() - started, nodes: module.graph.nodes.size };
  };
  const { ms: first, nodes } = once(true);
  for (let i = 0; i < 10; i++) once(true);
  console.log(JSON.stringify({ first, warm: once(true).ms, unverified: once(false).ms, nodes }));
`;

export async function compileBench() {
  const rows = CASES.map(([model, towers, strategy]) => {
    const runs = Array.from({ length: RUNS }, () =>
      JSON.parse(
        execFileSync(process.execPath, ['--input-type=module', '-e', program, String(towers), strategy], {
          cwd: join(import.meta.dirname, '..'),
        }),
      ),
    );
    const of = (key) => median(runs.map((run) => run[key]));
    const ms = (key) => of(key).toFixed(0);
    return [
      `${model}, ${towers} towers, ${strategy}`,
      of('nodes'),
      ms('first'),
      ms('warm'),
      ms('unverified'),
    ];
  });
  printTable(
    `Compiling (median of ${RUNS} processes, ms)`,
    ['what', 'nodes', 'first', 'warm', 'warm, unverified'],
    rows,
  );
}
