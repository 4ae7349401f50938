import type { ResourceId, TensorValue } from '@placewright/ir';
import { PlacewrightError, putsIntoBuffer, takesFromBuffer, tuplesTaken } from '@placewright/ir';
import { arrive, memberArrived, shareReduced } from './all-reduce.js';
import { runtimeKernel } from './kernels/table.js';
import type { KernelTask, ReceiveTask, RegionTask, Task } from './plan.js';
import { nowUs, type PeerMessage, recordError, type WaitReason } from './protocol.js';
import {
  arriveAt,
  begin,
  cellAt,
  complete,
  flush,
  handOver,
  type Installed,
  makeReady,
  type Run,
  type RunSpec,
  record,
  type Surroundings,
  type Yard,
} from './run-state.js';
import { isIdle, reasonsOf } from './status.js';
import { areaOf, cellOf } from './store.js';

/** One run of one device. */
export interface Execution {
  start(): void;
  receive(message: PeerMessage): void;
  /** Ends it; nothing is sent any more. Resolves when no call is under way. */
  abort(): Promise<void>;
  /** Whether nothing of it can go on until a message comes. */
  isIdle(): boolean;
  reasons(): WaitReason[];
}

export function createExecution(installed: Installed, around: Surroundings, spec: RunSpec): Execution {
  const { plan } = installed;
  const run: Run = {
    installed,
    around,
    spec,
    tasks: plan.tasks,
    waits: Int32Array.from(plan.tasks, ({ waits }) => waits),
    slots: new Array(plan.uses.length),
    uses: Int32Array.from(plan.uses),
    arrivedValues: new Map(),
    feeds: new Map(spec.feeds.map(({ task, value }) => [task, value])),
    kernels: [],
    regions: [],
    collectives: new Map(),
    outboxes: new Map(),
    events: [],
    left: plan.tasks.length,
    over: false,
    calling: undefined,
    idleSince: nowUs(),
  };
  return {
    start: () => guarded(run, '', () => start(run)),
    receive: (message) => guarded(run, '', () => receive(run, message)),
    abort: async () => {
      end(run);
      await run.calling;
    },
    isIdle: () => isIdle(run),
    reasons: () => reasonsOf(run),
  };
}

function start(run: Run): void {
  // A constant has one holder more than its takers, so that nobody changes it.
  for (const { slot, value } of run.installed.plan.constants) run.slots[slot] = { value, refs: 2 };
  run.tasks.forEach((_, i) => {
    if (run.waits[i] === 0) makeReady(run, i);
  });
  pump(run);
}

/** Reports what `body` throws as the end of the run. */
function guarded(run: Run, node: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    fail(run, error, node);
  }
}

/** Nothing of the run goes on. */
function end(run: Run): void {
  run.over = true;
  const { parked, woken } = run.around.yard;
  woken.delete(run);
  for (const [area, waiters] of parked)
    parked.set(
      area,
      waiters.filter((waiter) => waiter.run !== run),
    );
}

function fail(run: Run, error: unknown, node: string): void {
  if (run.over) return;
  end(run);
  const placed = error instanceof PlacewrightError && node !== '' ? error.at({ node }) : error;
  run.around.failed(recordError(placed));
}

/** Runs what is ready, then what that has let go on in other runs. */
function pump(run: Run): void {
  try {
    pumpOne(run);
  } finally {
    wakeRuns(run.around.yard);
  }
}

/** Runs what waited for a buffer of this device in other runs, which may wake others again. */
function wakeRuns(yard: Yard): void {
  for (const run of yard.woken) {
    yard.woken.delete(run);
    guarded(run, '', () => pumpOne(run));
  }
}

/**
 * Runs what is ready until a call of ONNX Runtime is under way or messages are needed. Kernels go first: others wait for
 * them. What they have for another device goes in one message: to wake a thread takes longer than most kernels.
 */
function pumpOne(run: Run): void {
  while (!run.over) {
    const task = run.kernels.shift();
    if (task !== undefined) {
      runKernel(run, task);
      continue;
    }
    flush(run);
    if (run.left === 0) finish(run);
    else if (run.calling === undefined) startRegion(run);
    return;
  }
}

function startRegion(run: Run): void {
  const index = run.regions.shift();
  if (index === undefined) return;
  const task = run.tasks[index] as RegionTask;
  run.calling = callRegion(run, task, index).then(
    () => {
      run.calling = undefined;
      guarded(run, '', () => pump(run));
    },
    (error: unknown) => {
      run.calling = undefined;
      fail(run, error, '');
    },
  );
}

async function callRegion(run: Run, task: RegionTask, index: number): Promise<void> {
  const model = run.installed.models.get(task.model);
  const inputs = task.inputs.map((slot) => cellAt(run, slot).value);
  checkLabels(task, inputs, 0);
  const startUs = begin(run);
  const outputs =
    (await model?.run(inputs).catch((error: unknown) => {
      throw regionError(run, task, error);
    })) ?? [];
  record(run, task.name, 'region', startUs, task.nodes);
  checkLabels(task, outputs, inputs.length);
  if (run.over) return;
  complete(run, index, outputs.map(cellOf));
}

/** Throws PW_KERNEL_INPUT for a class label that is out of range. */
function checkLabels(task: RegionTask, values: readonly TensorValue[], offset: number): void {
  for (const { at, limit, node } of task.guards) {
    const labels = values[at - offset];
    if (labels === undefined) continue;
    const row = labels.data.findIndex((label: number | bigint) => label < 0 || label >= limit);
    if (row < 0) continue;
    throw new PlacewrightError(
      'PW_KERNEL_INPUT',
      `SparseSoftmaxCrossEntropyWithLogits: label ${labels.data[row]} of example ${row} is outside of [0, ${limit})`,
      { where: { node }, hint: 'check the labels that are fed' },
    );
  }
}

function runKernel(run: Run, index: number): void {
  const task = run.tasks[index] as Task;
  if (task.kind === 'kernel' && mustWait(run, task)) {
    park(run, task, index);
    return;
  }
  guarded(run, task.name, () => {
    if (task.kind === 'receive') receiveValue(run, task, index);
    else if (task.kind === 'all-reduce') arrive(run, task, index);
    else if (task.kind === 'kernel') computeKernel(run, task, index);
  });
}

function computeKernel(run: Run, task: KernelTask, index: number): void {
  const inputs = task.inputs.map((slot) => cellAt(run, slot));
  const { store } = run.around.yard;
  const call = { task, store, inputs, fed: run.feeds.get(index) };
  const startUs = begin(run);
  const outputs = runtimeKernel(call)(call);
  record(run, task.name, 'kernel', startUs);
  complete(run, index, outputs);
  if (putsIntoBuffer(task.op) || takesFromBuffer(task.op)) unpark(run.around.yard, task.resources[0], run);
}

function receiveValue(run: Run, task: ReceiveTask, index: number): void {
  const value = run.arrivedValues.get(index);
  run.arrivedValues.delete(index);
  if (value === undefined) {
    throw new PlacewrightError('PW_INTERNAL_RECEIVE', `nothing came from ${task.source}`, {
      kind: 'internal',
    });
  }
  complete(run, index, [cellOf(value)]);
}

/** Whether an op on a buffer must wait: to get for enough tuples, to put for room. */
function mustWait(run: Run, task: KernelTask): boolean {
  if (!putsIntoBuffer(task.op) && !takesFromBuffer(task.op)) return false;
  const { info, tuples } = areaOf(run.around.yard.store, task.resources[0]);
  if (takesFromBuffer(task.op)) return tuples.length < tuplesTaken(task);
  return info.capacity > 0 && tuples.length >= info.capacity;
}

function park(run: Run, task: KernelTask, index: number): void {
  const [area] = task.resources;
  if (area === undefined) return;
  const { parked } = run.around.yard;
  parked.set(area, [...(parked.get(area) ?? []), { run, index }]);
}

/** Lets those that wait for a buffer look at it again; `by` is the run that has changed it, which goes on anyway. */
function unpark({ parked, woken }: Yard, area: ResourceId | undefined, by?: Run): void {
  if (area === undefined) return;
  for (const { run, index } of parked.get(area) ?? []) {
    run.kernels.push(index);
    if (run !== by) woken.add(run);
  }
  parked.delete(area);
}

/** A buffer was changed from outside. */
export function bufferChanged(yard: Yard, area: ResourceId): void {
  unpark(yard, area);
  wakeRuns(yard);
}

function regionError(run: Run, task: RegionTask, error: unknown): PlacewrightError {
  const text = error instanceof Error ? error.message : String(error);
  return new PlacewrightError(
    'PW_ENGINE_REGION',
    `a region of ${run.installed.plan.device} failed: ${text.slice(0, 500)}`,
    {
      where: { node: task.holds },
      hint: 'run the same module on the reference engine to see which node it is',
      cause: error,
    },
  );
}

function receive(run: Run, message: PeerMessage): void {
  if (run.over) return;
  for (const { task, value } of message.values) {
    const name = run.tasks[task]?.name ?? '';
    if (run.around.yard.trace) record(run, name, 'transfer', message.sentUs);
    run.arrivedValues.set(task, value);
    arriveAt(run, task);
  }
  for (const task of message.signals) arriveAt(run, task);
  for (const index of message.arrived) memberArrived(run, index);
  for (const index of message.reduced) shareReduced(run, index);
  pump(run);
}

function finish(run: Run): void {
  end(run);
  const moved: ArrayBuffer[] = [];
  const fetched = run.installed.plan.fetches.map(({ name, slot }) => ({
    name,
    value: handOver(run, slot, moved),
  }));
  run.around.done(fetched, run.events, moved);
}
