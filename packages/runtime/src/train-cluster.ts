import {
  type LinkedModule,
  type Module,
  resourceName,
  type TaskName,
  type TensorValue,
} from '@placewright/ir';
import type { ClusterSession, Session } from './engine.js';
import { variableNorms } from './evaluate.js';
import { createRendezvous, type Rendezvous } from './rendezvous.js';
import { taskViews } from './task-view.js';
import {
  type Feeds,
  initialValues,
  peekable,
  reportOf,
  type StepReport,
  type StopReason,
  scalarOf,
  warmUp,
} from './training.js';

export interface ClusterTrainOptions {
  /** The module that the cluster was loaded from. */
  readonly linked: LinkedModule;
  /** Steps of each worker. */
  readonly steps: number;
  /** Batches of a worker, by its index in `linked.tasks`, one for each step; the first also fills its staging areas. */
  readonly feedsOf: (task: number) => Iterator<Feeds>;
  /** Initial values by logical name (`conv0/biases`), the same everywhere, in place of the module's own. */
  readonly initial?: ReadonlyMap<string, TensorValue>;
  readonly onStep?: (task: number, report: StepReport) => void;
  /**
   * Takes up an earlier run, once everything is initialised and before anything else runs: puts back what was saved, and
   * says what each worker had done. `feedsOf` then begin with the batch of its next step.
   */
  readonly resume?: () => Promise<ResumedCluster>;
  /** Steps after which workers wait for each other, so that `save` finds none of them in the middle of a step. */
  readonly saveEvery?: number;
  /** Given all reports so far of each worker. Not called any more once a loss is not finite. */
  readonly save?: (reports: ReadonlyMap<number, readonly StepReport[]>) => Promise<void>;
  /** Ends training after the steps that are running. */
  readonly signal?: AbortSignal;
}

/** An earlier run that is taken up. */
export interface ResumedCluster {
  /** By task. */
  readonly reports: ReadonlyMap<number, readonly StepReport[]>;
  /** Whether staging areas hold what they held, so that they need not be filled. */
  readonly warm: boolean;
}

/** What became of one worker. */
export interface WorkerResult {
  readonly task: TaskName;
  readonly reports: readonly StepReport[];
  readonly reason: StopReason;
  /** The count of all workers' steps, at the end; null where the model has none. */
  readonly globalStep: number | null;
  /** L2 norms of the variables that all workers share, at the end, by shown name. */
  readonly norms: ReadonlyMap<string, number>;
}

export interface ClusterTrainResult {
  /** In the order of `linked.tasks`. */
  readonly workers: readonly WorkerResult[];
  /** Milliseconds of the steps alone, from the first that began to the last that ended. */
  readonly elapsedMs: number;
}

interface Worker {
  readonly index: number;
  readonly task: TaskName;
  /** The linked module with the worker's own entries and resources. */
  readonly module: Module;
  readonly session: Session;
}

/**
 * Trains a cluster as its workers would: the first one, the chief, initialises what all share, then each its own; then
 * all copy, warm up and take their steps, each at its own pace. Those of synchronous training wait for each other by
 * the barriers in their graphs; of asynchronous training only before the first and after the last step, by the entry
 * `barrier`. A loss that is not finite ends it for all. When a worker fails, its session is closed, the others stop,
 * and what it failed with is thrown: PW_TENSORS_VARIABLE, PW_FEED_*, and what the engine throws.
 */
export async function trainCluster(
  cluster: ClusterSession,
  options: ClusterTrainOptions,
): Promise<ClusterTrainResult> {
  const { linked, initial = new Map() } = options;
  const workers = taskViews(linked).map(
    ({ task, module }): Worker => ({
      index: task,
      task: linked.tasks[task]?.task ?? { job: '', index: task },
      module,
      session: cluster.session(task),
    }),
  );
  const pace = createPace(workers);
  const together = createTogether(workers, pace);
  await initialiseCluster(workers, together, initial);
  const earlier = (await options.resume?.()) ?? { reports: new Map(), warm: false };
  const batches = workers.map(({ index }) => peekable(options.feedsOf(index)));
  if (!earlier.warm)
    await together(({ session, module, index }) => warmUp(session, module, batches[index] as Batches));
  await together((worker) => runIfThere(worker, 'barrier'));
  // The clock goes on from where the earlier run was.
  const passed = [...earlier.reports.values()].map((reports) => reports.at(-1)?.elapsedMs ?? 0);
  const started = performance.now() - Math.max(0, ...passed);
  const saving = createRendezvous<readonly StepReport[]>(
    workers.map(({ index }) => index),
    async (reports) => (pace.diverged ? undefined : options.save?.(reports)),
  );
  const training: Training = { options, pace, started, batches, earlier: earlier.reports, saving };
  const done = await together((worker) => trainWorker(worker, training));
  const elapsedMs = performance.now() - started;
  await together((worker) => runIfThere(worker, 'barrier'));
  const ends = await together(endOf);
  return { workers: ends.map((end, i) => ({ ...end, ...(done[i] as Done) })), elapsedMs };
}

type Batches = ReturnType<typeof peekable>;
/** Runs `body` for all workers at once. Rejects with what the first failed with, when all have ended. */
type Together = <T>(body: (worker: Worker) => Promise<T>) => Promise<T[]>;

function createTogether(workers: readonly Worker[], pace: Pace): Together {
  return async (body) => {
    const failures: unknown[] = [];
    const results = await Promise.allSettled(
      workers.map(async (worker) => {
        try {
          return await body(worker);
        } catch (error) {
          failures.push(error);
          pace.stop('stopped');
          // Who waits for it is then told so, and need not wait for long.
          await worker.session.close();
          throw error;
        }
      }),
    );
    if (failures.length > 0) throw failures[0];
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  };
}

/** The chief's `init` first, then the others', the given values, and all copies that follow at once. */
async function initialiseCluster(
  workers: readonly Worker[],
  together: Together,
  initial: ReadonlyMap<string, TensorValue>,
): Promise<void> {
  const isChief = ({ index }: Worker): boolean => index === workers[0]?.index;
  await together(async (worker) => (isChief(worker) ? await runIfThere(worker, 'init') : undefined));
  await together(async (worker) => (isChief(worker) ? undefined : await runIfThere(worker, 'init')));
  await together(async (worker) => {
    const shared = sharedNames(worker.module);
    const values = [...initialValues(worker.module, initial)];
    const own = new Map(isChief(worker) ? values : values.filter(([name]) => !shared.has(name)));
    if (own.size > 0) await worker.session.writeVariables(own);
  });
  await together((worker) => runIfThere(worker, 'postInit'));
}

async function runIfThere(
  { session, module }: Worker,
  entry: 'init' | 'postInit' | 'barrier',
): Promise<void> {
  if (module.entries[entry] !== undefined) await session.run(entry);
}

/** Shown names of the variables that belong to the cluster and not to the task. */
function sharedNames({ resources }: Module): ReadonlySet<string> {
  const names = new Set<string>();
  for (const resource of resources.values()) {
    if (resource.kind === 'variable' && resource.collection === 'global') names.add(resourceName(resource));
  }
  return names;
}

// Steps.

/**
 * How far the workers go. Where they wait for each other in their steps, one that stops leaves the others in a step that
 * it has not begun: so all go on to the last step that any of them has begun.
 */
interface Pace {
  begin(step: number): void;
  /** Whether a worker that has done so many steps is to take another. */
  goesOn(done: number, steps: number): boolean;
  stop(why: 'stopped' | 'data'): void;
  /** Stops as well, since nothing that follows is of use. */
  diverge(): void;
  readonly diverged: boolean;
  /** Why those stop that have no reason of their own. */
  readonly why: 'stopped' | 'data';
}

function createPace(workers: readonly Worker[]): Pace {
  const apart = workers.some(({ module }) => module.entries.barrier !== undefined);
  let begun = 0;
  let stopped = false;
  let diverged = false;
  let why: Pace['why'] = 'stopped';
  return {
    begin: (step) => {
      begun = Math.max(begun, step);
    },
    goesOn: (done, steps) => done < (stopped ? (apart ? 0 : begun) : steps),
    stop: (reason) => {
      if (!stopped) why = reason;
      stopped = true;
    },
    diverge: () => {
      stopped = true;
      diverged = true;
    },
    get diverged() {
      return diverged;
    },
    get why() {
      return why;
    },
  };
}

interface Training {
  readonly options: ClusterTrainOptions;
  readonly pace: Pace;
  readonly started: number;
  readonly batches: readonly Batches[];
  readonly earlier: ReadonlyMap<number, readonly StepReport[]>;
  readonly saving: Rendezvous<readonly StepReport[]>;
}

type Done = Pick<WorkerResult, 'reports' | 'reason'>;

async function trainWorker(worker: Worker, training: Training): Promise<Done> {
  const reports: StepReport[] = [...(training.earlier.get(worker.index) ?? [])];
  try {
    return { reports, reason: await takeSteps(worker, training, reports) };
  } finally {
    training.saving.leave(worker.index, reports);
  }
}

/** Adds a report for each step; gives why it ended. */
async function takeSteps(
  { index, session }: Worker,
  training: Training,
  reports: StepReport[],
): Promise<StopReason> {
  const { options, pace, started, batches, saving } = training;
  const { steps, onStep, signal, save, saveEvery = 1 } = options;
  let reason: StopReason | undefined;
  while (pace.goesOn(reports.length, steps)) {
    if (signal?.aborted) pace.stop('stopped');
    if (!pace.goesOn(reports.length, steps)) break;
    const batch = batches[index]?.next();
    if (batch === undefined) {
      pace.stop('data');
      break;
    }
    pace.begin(reports.length + 1);
    const fetched = await session.run('step', batch);
    const report = reportOf(fetched, batch, reports.length + 1, performance.now() - started);
    reports.push(report);
    onStep?.(index, report);
    if (!Number.isFinite(report.loss)) {
      reason = 'diverged';
      pace.diverge();
    } else if (save !== undefined && reports.length % saveEvery === 0)
      await saving.arrive(index, [...reports]);
    // An engine that computes on this thread would otherwise let no signal and no timer through.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return reason ?? (reports.length >= steps ? 'done' : pace.why);
}

async function endOf({ task, session, module }: Worker): Promise<Omit<WorkerResult, 'reports' | 'reason'>> {
  const shared = sharedNames(module);
  const values = await session.readVariables();
  const counter = counterName(module);
  return {
    task,
    globalStep: counter === null ? null : scalarOf(values, counter),
    norms: variableNorms(new Map([...values].filter(([name]) => shared.has(name)))),
  };
}

function counterName({ roles, graph, resources }: Module): string | null {
  for (const role of roles) {
    const node = role.kind === 'globalStep' ? graph.nodes.get(role.node) : undefined;
    const [id] = node?.resources ?? [];
    const resource = id === undefined ? undefined : resources.get(id);
    if (resource !== undefined) return resourceName(resource);
  }
  return null;
}
