import { type TensorValue, toNumbers } from '@placewright/ir';
import { must } from '../laws/law.js';
import { type LoadCluster, withCluster } from './cluster-session.js';
import { trace } from './models.js';
import type { EngineCheck } from './property.js';
import {
  compileRecorded,
  compileRecordedCluster,
  type RecordedCluster,
  type RecordedRun,
} from './recorded.js';
import { type Load, withSession } from './session.js';
import { traceCluster } from './trace-cluster.js';

/** One check for each recorded run: the loss of every step and the norm of every variable at the end. */
export function recordedChecks(
  load: Load,
  runs: readonly RecordedRun[],
  tolerance: number,
): readonly EngineCheck[] {
  return runs.map((recorded) => ({
    name: `trains as recorded: ${recorded.name}`,
    run: () => compareRecorded(load, recorded, tolerance),
  }));
}

async function compareRecorded(load: Load, recorded: RecordedRun, tolerance: number): Promise<void> {
  const { compilation, feeds } = compileRecorded(recorded);
  const { module } = compilation;
  const { steps } = await withSession(load, module, (session) => trace(session, module, feeds));
  recorded.losses.forEach((loss, k) => {
    const got = Number(steps[k]?.fetches.get('loss')?.data[0]);
    mustBeWithin(`the loss of step ${k}`, got, loss, tolerance);
  });
  const variables = steps.at(-1)?.variables;
  for (const [name, norm] of recorded.finalNorms)
    mustBeWithin(`the norm of ${name}`, normOf(variables?.get(name)), norm, tolerance);
}

/** One check for each recorded cluster: the losses of every worker, the count of steps, the norms of what is shared. */
export function recordedClusterChecks(
  load: LoadCluster,
  runs: readonly RecordedCluster[],
  tolerance: number,
): readonly EngineCheck[] {
  return runs.map((recorded) => ({
    name: `trains as recorded: ${recorded.name}`,
    run: () => compareCluster(load, recorded, tolerance),
  }));
}

async function compareCluster(
  load: LoadCluster,
  recorded: RecordedCluster,
  tolerance: number,
): Promise<void> {
  const { linked, feeds } = compileRecordedCluster(recorded);
  const traces = await withCluster(load, linked, (sessions) => traceCluster(linked, sessions, feeds));
  recorded.workers.forEach(({ losses, globalStep, finalNorms }, worker) => {
    const trace = traces[worker];
    losses.forEach((loss, k) => {
      const got = Number(trace?.steps[k]?.get('loss')?.data[0]);
      mustBeWithin(`the loss of step ${k} of worker ${worker}`, got, loss, tolerance);
    });
    const steps = Number(trace?.variables.get('global_step')?.data[0]);
    must(steps === globalStep, () => `the global step is ${steps}, and was ${globalStep}`);
    for (const [name, norm] of finalNorms)
      mustBeWithin(`the norm of ${name}`, normOf(trace?.variables.get(name)), norm, tolerance);
  });
}

function mustBeWithin(what: string, got: number, want: number, tolerance: number): void {
  const apart = Math.abs(got - want);
  must(
    apart <= tolerance * Math.abs(want),
    () => `${what} is ${got}, and was ${want} (${(apart / Math.abs(want)).toExponential(1)} apart)`,
  );
}

function normOf(value: TensorValue | undefined): number {
  if (value === undefined) return Number.NaN;
  return Math.sqrt(toNumbers(value).reduce((sum, x) => sum + x * x, 0));
}
