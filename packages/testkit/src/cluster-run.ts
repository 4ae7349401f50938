import { type ClusterStepper, createClusterStepper, type InterpreterOptions } from '@placewright/interp';
import {
  type EntryName,
  type LinkedModule,
  type LinkedTask,
  type Module,
  resourceName,
  type TensorValue,
} from '@placewright/ir';
import { type Feeds, feedsFor, type RunFeeds } from './lowered.js';
import { randomSource } from './random.js';

/** What a worker of a cluster showed: the fetches of its steps, and its variables at the end, shared ones among them. */
export interface WorkerTrace {
  readonly steps: readonly ReadonlyMap<string, TensorValue>[];
  /** By the shown names of the worker's own graph. */
  readonly variables: ReadonlyMap<string, TensorValue>;
}

export interface RunClusterOptions extends InterpreterOptions {
  /** Picks among all nodes of all workers that may run; without one the first is taken. */
  readonly seed?: number;
}

/** The entries of one worker over the resources that it knows. */
export function workerModule({ module }: LinkedModule, { entries, resources }: LinkedTask): Module {
  const own = new Set(resources.values());
  return { ...module, entries, resources: new Map([...module.resources].filter(([id]) => own.has(id))) };
}

/**
 * Trains a linked cluster on the interpreter as its workers would: the chief initialises, then the others; all copy, warm
 * up and wait for each other; then each takes its steps at its own pace, its next one as soon as its last is done.
 * `feeds` has the batches of each worker. Throws PW_DEADLOCK, and what a node fails with.
 */
export function runCluster(
  linked: LinkedModule,
  feeds: readonly RunFeeds[],
  { seed, ...options }: RunClusterOptions = {},
): WorkerTrace[] {
  const stepper = createClusterStepper(linked, options);
  const random = seed === undefined ? undefined : randomSource(seed);
  const play: Play = { linked, stepper, random };
  const [chief, ...others] = linked.tasks.keys();
  phase(play, chief === undefined ? [] : [chief], 'init', feeds);
  phase(play, others, 'init', feeds);
  for (const entry of ['postInit', 'warmUp', 'barrier'] as const)
    phase(play, [...linked.tasks.keys()], entry, feeds);
  const steps = takeSteps(play, feeds);
  phase(play, [...linked.tasks.keys()], 'barrier', feeds);
  const { variables } = stepper.readState();
  return linked.tasks.map((task, i) => ({
    steps: steps[i] ?? [],
    variables: new Map(
      [...workerModule(linked, task).resources.values()].flatMap((resource) => {
        const value = variables.get(resource.id);
        return value === undefined ? [] : [[resourceName(resource), value] as const];
      }),
    ),
  }));
}

interface Play {
  readonly linked: LinkedModule;
  readonly stepper: ClusterStepper;
  readonly random: (() => number) | undefined;
}

/** Runs an entry of the tasks that have it, all at once, to the end. */
function phase(play: Play, tasks: readonly number[], entry: EntryName, feeds: readonly RunFeeds[]): void {
  for (const task of tasks) begin(play, task, entry, feeds[task]?.warmUp ?? new Map());
  while (!play.stepper.finished) fireOne(play);
}

/** The number of the run; undefined where the task has no such entry. */
function begin({ linked, stepper }: Play, task: number, entry: EntryName, batch: Feeds): number | undefined {
  const { entries } = linked.tasks[task] as LinkedTask;
  if (entries[entry] === undefined) return undefined;
  return stepper.start(task, entry, feedsFor({ ...linked.module, entries }, entry, batch));
}

function takeSteps(play: Play, feeds: readonly RunFeeds[]): ReadonlyMap<string, TensorValue>[][] {
  const done: ReadonlyMap<string, TensorValue>[][] = play.linked.tasks.map(() => []);
  const running = new Map<number, number>();
  const next = (task: number): void => {
    const batch = feeds[task]?.steps[done[task]?.length ?? 0];
    const run = batch === undefined ? undefined : begin(play, task, 'step', batch);
    if (run === undefined) running.delete(task);
    else running.set(task, run);
  };
  for (const task of play.linked.tasks.keys()) next(task);
  while (running.size > 0) {
    for (const [task, run] of [...running]) {
      const outcome = play.stepper.outcome(run);
      if (outcome.kind !== 'done') continue;
      done[task]?.push(outcome.fetches);
      next(task);
    }
    if (!play.stepper.finished) fireOne(play);
  }
  return done;
}

function fireOne({ stepper, random }: Play): void {
  const ready = stepper.ready();
  if (ready.length === 0) throw stepper.deadlock();
  const choice = random === undefined ? 0 : Math.floor(random() * ready.length);
  const chosen = ready[choice];
  stepper.fire(choice);
  const outcome = chosen === undefined ? undefined : stepper.outcome(chosen.run);
  if (outcome?.kind === 'failed') throw outcome.error;
}
