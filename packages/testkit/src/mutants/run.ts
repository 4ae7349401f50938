import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlacewrightError } from '@placewright/ir';
import type { CheckReport } from '../check.js';
import type { Fault } from './fault.js';
import { passesHome, plant } from './plant.js';

/** Whether a fault was caught for what it is: that nothing compiles any more is a fault of the fault. */
export function isCaught({ ok, law }: CheckReport): boolean {
  return !ok && law !== 'compiles';
}

/** What became of one fault. */
export interface FaultResult {
  readonly fault: Fault;
  readonly report: CheckReport;
}

export interface RunFaultsOptions {
  readonly seed: number;
  /** Cases tried for one fault. */
  readonly numRuns: number;
  /** Milliseconds for one fault. */
  readonly timeLimit: number;
  readonly onResult?: (result: FaultResult) => void;
}

// The built child: node cannot run the source.
const CHILD = fileURLToPath(new URL('../../dist/mutants/child.js', import.meta.url));

/** Checks laws or rules with each fault planted, a few at a time, in processes of their own. Throws PW_FAULT_TEXT, PW_FAULT_CHILD. */
export async function runFaults(faults: readonly Fault[], options: RunFaultsOptions): Promise<FaultResult[]> {
  const entries = faults.map((fault) => ({ fault, entry: plant(fault) }));
  const results: FaultResult[] = [];
  const worker = async (): Promise<void> => {
    for (let next = entries.shift(); next !== undefined; next = entries.shift()) {
      const result = { fault: next.fault, report: await runChild(next.entry, next.fault, options) };
      results.push(result);
      options.onResult?.(result);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(4, availableParallelism())) }, worker));
  return results;
}

/** The same laws and rules with the passes as they are: what is broken first. */
export async function runUnharmed(options: RunFaultsOptions): Promise<CheckReport> {
  const entry = join(passesHome(), 'index.js');
  const laws = await runChild(entry, {}, options);
  return laws.ok ? runChild(entry, { shownBy: 'rules' }, options) : laws;
}

function runChild(
  entry: string,
  { shownBy = 'laws' }: Pick<Fault, 'shownBy'>,
  { seed, numRuns, timeLimit }: RunFaultsOptions,
): Promise<CheckReport> {
  const args = [CHILD, entry, String(numRuns), String(seed), String(timeLimit), shownBy];
  return new Promise((resolve, reject) => {
    // A fault may loop for ever; that is then nobody's law, and no catch.
    const limits = { timeout: timeLimit + 60_000, maxBuffer: 16 * 1024 * 1024 };
    execFile(process.execPath, args, limits, (error, stdout, stderr) => {
      const line = stdout.trim().split('\n').at(-1) ?? '';
      if (error === null && line.startsWith('{')) {
        resolve(JSON.parse(line) as CheckReport);
        return;
      }
      const text = stderr.trim().split('\n').slice(0, 12).join('\n');
      reject(
        new PlacewrightError(
          'PW_FAULT_CHILD',
          `the laws could not be run with ${entry}: ${text || error?.message}`,
          {
            kind: 'internal',
            hint: 'build first (`npm run build`); the fault must leave a module that loads',
          },
        ),
      );
    });
  });
}
