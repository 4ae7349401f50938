import type { LinkedModule, TensorValue, VariableResource } from '@placewright/ir';
import { resourceName } from '@placewright/ir';
import type { CompileOptions } from '@placewright/passes';
import type { TrainingCase } from '../arbitraries/case.js';
import { clusterCase, clusterFeeds } from '../cluster-case.js';
import { runCluster, type WorkerTrace, workerModule } from '../cluster-run.js';
import { mustBeNear, mustBeSame, RUN_TOLERANCE } from '../compare.js';
import { type Law, must } from './law.js';

const STEPS = 2;
/** Beyond this a run blows up, and float32 says nothing. */
const LARGEST = 1e3;

/**
 * Trains several workers under an order of nodes that no cluster would be likely to show, beside the first topological
 * one. None hangs, and every step is counted once. Where workers go step by step together, the first fetches are the same
 * bits; towers with variables of their own have equal ones on all workers; and with SGD, whose updates add, what is trained
 * is the same but for rounding, in whatever order the updates came. Momentum and RMSProp take one step of theirs for each
 * worker in the order of arrival. `more` are further options of the compiler. Throws PW_LAW, PW_DEADLOCK.
 */
export function checkCluster(plan: TrainingCase, more?: Partial<CompileOptions>): void {
  if (plan.cluster.servers === 0) return;
  const { linked, contract } = clusterCase(plan, more);
  const feeds = clusterFeeds(plan, STEPS);
  const want = runCluster(linked, feeds);
  const got = runCluster(linked, feeds, { seed: plan.seed });
  const together = contract.permittedSkew === 'none';
  for (const traces of [want, got]) checkTraces(linked, traces, together);
  if (!together) return;
  checkFirst(got, want);
  if (plan.training.optimizer.kind === 'sgd') checkSame(plan, linked, got, want);
}

export const clusterLaw: Law = {
  name: 'cluster',
  summary: 'several workers train alike under every order of what they run',
  check: ({ case: plan }) => checkCluster(plan),
};

function checkTraces(linked: LinkedModule, traces: readonly WorkerTrace[], together: boolean): void {
  const total = BigInt(STEPS * traces.length);
  traces.forEach(({ steps, variables }, worker) => {
    must(steps.length === STEPS, () => `worker ${worker} took ${steps.length} steps of ${STEPS}`);
    const count = variables.get('global_step')?.data[0];
    must(count === total, () => `global_step is ${count}, and ${total} steps were taken`);
  });
  if (!together) return;
  const [first] = traces;
  for (const name of ownNames(linked)) {
    const value = first?.variables.get(name);
    if (value === undefined) continue;
    for (const [worker, { variables }] of traces.entries())
      mustBeSame(`${JSON.stringify(name)} of worker ${worker}`, variables.get(name), value);
  }
}

const trainable = (linked: LinkedModule): VariableResource[] =>
  linked.tasks
    .slice(0, 1)
    .flatMap((task) =>
      [...workerModule(linked, task).resources.values()].filter(
        (resource): resource is VariableResource => resource.kind === 'variable' && resource.trainable,
      ),
    );

/** What each worker trains for itself, by the names that are the same on all. */
function ownNames(linked: LinkedModule): string[] {
  return trainable(linked)
    .filter(({ collection }) => collection === 'local')
    .map(resourceName);
}

/** No update of another worker comes before what a worker reads first. */
function checkFirst(got: readonly WorkerTrace[], want: readonly WorkerTrace[]): void {
  want.forEach(({ steps: [first] }, worker) => {
    for (const [name, value] of first ?? [])
      mustBeSame(
        `the first ${JSON.stringify(name)} of worker ${worker}`,
        got[worker]?.steps[0]?.get(name),
        value,
      );
  });
}

function checkSame(
  plan: TrainingCase,
  linked: LinkedModule,
  got: readonly WorkerTrace[],
  want: readonly WorkerTrace[],
): void {
  const names = trainable(linked).map(resourceName);
  const all = want.flatMap(({ steps, variables }) => [
    ...steps.flatMap((fetches) => fetches.get('loss') ?? []),
    ...names.flatMap((name) => variables.get(name) ?? []),
  ]);
  if (!all.every(isTame)) return;
  const near = (what: string, a: TensorValue | undefined, b: TensorValue): void =>
    mustBeNear(`${what} under seed ${plan.seed}`, a, b, RUN_TOLERANCE);
  want.forEach(({ steps, variables }, worker) => {
    steps.forEach((fetches, k) => {
      const loss = fetches.get('loss');
      if (loss !== undefined) near(`loss ${k} of worker ${worker}`, got[worker]?.steps[k]?.get('loss'), loss);
    });
    for (const name of names) {
      const value = variables.get(name);
      if (value !== undefined)
        near(`${JSON.stringify(name)} of worker ${worker}`, got[worker]?.variables.get(name), value);
    }
  });
}

function isTame({ data }: TensorValue): boolean {
  return data.every((x: number | bigint) => Math.abs(Number(x)) < LARGEST);
}
