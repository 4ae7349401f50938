// Trains with checkpoints, and kills the process (SIGKILL) at random moments: it must go on from the last whole checkpoint
// and end with the result of a run that nothing disturbed. Runs the built command.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { root } from './run.mjs';

const COMMAND = join(root, 'packages/cli/bin/placewright.js');
const COMMON = ['train', '--model', 'tinybn', '--num-gpus', '2', '--batch-size', '4', '--json', '--quiet'];

/** Strategies, each on an engine, that are killed. */
// biome-ignore format: one line a case
export const KILL_CASES = [
  { name: 'staged on the embedded engine', args: ['--staged-vars', '--local-parameter-device', 'cpu', '--steps', '60'] },
  { name: 'replicated on the reference engine', args: ['--strategy', 'replicated', '--engine', 'reference', '--steps', '120'] },
  { name: 'staged on the GPUs, reference engine', args: ['--staged-vars', '--engine', 'reference', '--optimizer', 'rmsprop', '--steps', '120'] },
  { name: 'a cluster on the reference engine', args: ['--strategy', 'distributed_replicated', '--num-ps', '1', '--num-workers', '2', '--engine', 'reference', '--steps', '60'] },
  { name: 'independent on the embedded engine', args: ['--strategy', 'independent', '--steps', '80'] },
  { name: 'replicated on the embedded engine', args: ['--strategy', 'replicated', '--optimizer', 'sgd', '--steps', '80'] },
];

/** Numbers from 0 to 1, the same for the same seed. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Runs the command; kills it after `killMs`, or once the folder has changed `killChanges` times and some more. */
function train(args, { killMs, folder, killChanges = 0 } = {}) {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, ...args], { cwd: root });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const timers = [];
    const kill = () => child.kill('SIGKILL');
    if (killMs !== undefined && killChanges === 0) timers.push(setTimeout(kill, killMs));
    if (killChanges > 0) timers.push(watch(folder, killChanges, () => timers.push(setTimeout(kill, killMs))));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const timer of timers) clearTimeout(timer);
      resolve({ code, killed: signal === 'SIGKILL', out, err, ms: performance.now() - started });
    });
  });
}

/** Calls back once the names in a folder have changed so often: as files are begun and renamed. */
function watch(folder, changes, then) {
  let [last, seen] = ['', -1];
  const timer = setInterval(() => {
    const names = namesIn(folder).join();
    if (names === last) return;
    [last, seen] = [names, seen + 1];
    if (seen < changes) return;
    clearInterval(timer);
    then();
  }, 1);
  return timer;
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What of a result is the same however often the run was killed. */
function essence({ out, err, code }) {
  if (code !== 0) throw new Error(`the command ended with ${code}: ${err}`);
  const { losses, accuracies, finalNorms, test, steps, workers } = JSON.parse(out);
  return { losses, accuracies, finalNorms, test, steps, workers };
}

/** Every name stands for a whole checkpoint. Gives the step of the last, 0 without one. */
async function checkFolder(folder, loadCheckpoint) {
  let last = 0;
  for (const name of namesIn(folder).filter(
    (each) => each.endsWith('.safetensors') && !each.startsWith('.'),
  )) {
    last = Math.max(last, (await loadCheckpoint(join(folder, name))).step);
  }
  return last;
}

/**
 * Kills a run so many times, begun anew when it comes to its end, and lets it end. Throws where a checkpoint is not
 * whole, where one is lost, or where the result differs.
 * @param {{ name: string, args: string[] }} kind
 * @param {{ kills: number, seed: number, log?: (text: string) => void }} options
 * @returns {Promise<{ kills: number, midway: number, ends: number }>} `midway`: kills after which there was something
 *   to go on from, and something left to do; `ends`: runs that came to their end
 */
export async function killAndResume({ name, args }, { kills, seed, log = () => {} }) {
  const { loadCheckpoint } = await import('placewright');
  const random = randomFrom(seed);
  const alone = await train([...COMMON, ...args]);
  const wanted = essence(alone);
  const folder = mkdtempSync(join(tmpdir(), 'placewright-kills-'));
  const saving = [
    ...COMMON,
    ...args,
    '--checkpoint-dir',
    folder,
    '--save-every',
    '1',
    '--keep',
    '3',
    '--resume',
  ];
  const counts = { kills: 0, midway: 0, ends: 0 };
  let last = 0;
  const end = (run) => {
    if (!isDeepStrictEqual(essence(run), wanted)) {
      throw new Error(`${name}, seed ${seed}: after ${counts.kills} kills the result is another: ${run.out}`);
    }
    counts.ends += 1;
    for (const each of readdirSync(folder)) rmSync(join(folder, each));
    last = 0;
  };
  try {
    while (counts.kills < kills) {
      // Some at any moment since the start, some while files are written.
      const moment =
        random() < 0.4
          ? { killMs: random() * alone.ms * 1.2 }
          : { folder, killChanges: 1 + Math.floor(random() * 24), killMs: random() * 8 };
      const run = await train(saving, moment);
      if (!run.killed) {
        end(run);
        continue;
      }
      counts.kills += 1;
      const step = await checkFolder(folder, loadCheckpoint);
      if (step < last) throw new Error(`${name}, seed ${seed}: step ${last} was saved, and ${step} is left`);
      if (step > 0 && step < wanted.steps) counts.midway += 1;
      last = step;
      log(`${name}: kill ${counts.kills} of ${kills}, at step ${step}`);
    }
    end(await train(saving));
    return counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
