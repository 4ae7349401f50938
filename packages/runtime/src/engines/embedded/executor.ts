import type { DeviceName, ResourceId, TensorValue } from '@placewright/ir';
import { PlacewrightError } from '@placewright/ir';
import type { TraceEvent, TraceKind } from '../../trace.js';
import { countOf, putRow, SHARED_SUM, sumHere, sumShare, takeSum } from './collective.js';
import { runtimeKernel } from './kernels/table.js';
import type { OrtModel } from './ort.js';
import type { AllReduceTask, DevicePlan, KernelTask, ReceiveTask, RegionTask, Slot, Task } from './plan.js';
import {
  type DeviceStatus,
  type ErrorRecord,
  nowUs,
  type PeerMessage,
  recordError,
  type SharedCollective,
} from './protocol.js';
import { areaOf, type Cell, cellOf, copyOf, type Store } from './store.js';

/** A plan on its device, with its models ready. */
export interface Installed {
  readonly plan: DevicePlan;
  readonly collectives: readonly SharedCollective[];
  readonly models: ReadonlyMap<string, OrtModel>;
}

/** How a run talks to what is around it. */
export interface Surroundings {
  readonly store: Store;
  readonly trace: boolean;
  send(to: DeviceName, message: PeerMessage, moved: readonly ArrayBuffer[]): void;
  done(
    fetched: readonly { name: string; value: TensorValue }[],
    trace: readonly TraceEvent[],
    moved: readonly ArrayBuffer[],
  ): void;
  failed(error: ErrorRecord): void;
}

export interface RunSpec {
  readonly run: number;
  readonly step: number;
  readonly entry: TraceEvent['entry'];
  readonly feeds: readonly { readonly task: number; readonly value: TensorValue }[];
}

/** One run of one device. */
export interface Execution {
  start(): void;
  receive(message: PeerMessage): void;
  /** Ends it; nothing is sent any more. Resolves when no call is under way. */
  abort(): Promise<void>;
  status(): DeviceStatus;
}

/** What goes to another device next. */
interface Outbox {
  readonly values: { task: number; value: TensorValue }[];
  readonly signals: number[];
  readonly arrived: number[];
  readonly reduced: number[];
  readonly moved: ArrayBuffer[];
}

interface CollectiveState {
  arrived: number;
  reduced: number;
  /** Tasks of this device that wait for the sum. */
  readonly waiting: number[];
}

/** The state of a run, and everything that the functions below share. */
interface Run {
  readonly installed: Installed;
  readonly around: Surroundings;
  readonly spec: RunSpec;
  readonly tasks: readonly Task[];
  /** Predecessors and messages that each task still waits for. */
  readonly waits: Int32Array;
  readonly slots: (Cell | undefined)[];
  /** Takers of each slot that have not taken it yet. */
  readonly uses: Int32Array;
  readonly arrivedValues: Map<number, TensorValue>;
  readonly feeds: ReadonlyMap<number, TensorValue>;
  readonly kernels: number[];
  readonly regions: number[];
  readonly parked: Map<ResourceId, number[]>;
  readonly collectives: Map<number, CollectiveState>;
  readonly outboxes: Map<DeviceName, Outbox>;
  readonly events: TraceEvent[];
  left: number;
  sent: number;
  received: number;
  over: boolean;
  /** The call of ONNX Runtime that is under way. */
  calling: Promise<void> | undefined;
  idleSince: number;
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
    parked: new Map(),
    collectives: new Map(),
    outboxes: new Map(),
    events: [],
    left: plan.tasks.length,
    sent: 0,
    received: 0,
    over: false,
    calling: undefined,
    idleSince: nowUs(),
  };
  return {
    start: () => guarded(run, '', () => start(run)),
    receive: (message) => guarded(run, '', () => receive(run, message)),
    abort: async () => {
      run.over = true;
      await run.calling;
    },
    status: () => statusOf(run),
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

function fail(run: Run, error: unknown, node: string): void {
  if (run.over) return;
  run.over = true;
  const placed = error instanceof PlacewrightError && node !== '' ? error.at({ node }) : error;
  run.around.failed(recordError(placed));
}

/** Runs what is ready until a call of ONNX Runtime is under way or messages are needed. Kernels go first: others wait for them. */
function pump(run: Run): void {
  while (!run.over) {
    const task = run.kernels.shift();
    if (task !== undefined) {
      runKernel(run, task);
      continue;
    }
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
  const call = { task, store: run.around.store, inputs, fed: run.feeds.get(index) };
  const startUs = begin(run);
  const outputs = runtimeKernel(call)(call);
  record(run, task.name, 'kernel', startUs);
  complete(run, index, outputs);
  if (task.op === 'Stage' || task.op === 'Unstage') unpark(run, task.resources[0]);
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

/** Whether a staging op must wait: `Unstage` for a tuple, `Stage` for room. */
function mustWait(run: Run, task: KernelTask): boolean {
  if (task.op !== 'Unstage' && task.op !== 'Stage') return false;
  const { info, tuples } = areaOf(run.around.store, task.resources[0]);
  return task.op === 'Unstage' ? tuples.length === 0 : info.capacity > 0 && tuples.length >= info.capacity;
}

function park(run: Run, task: KernelTask, index: number): void {
  const [area] = task.resources;
  if (area !== undefined) run.parked.set(area, [...(run.parked.get(area) ?? []), index]);
}

function unpark(run: Run, area: ResourceId | undefined): void {
  if (area === undefined) return;
  run.kernels.push(...(run.parked.get(area) ?? []));
  run.parked.delete(area);
}

function cellAt(run: Run, slot: Slot): Cell {
  const cell = run.slots[slot];
  if (cell !== undefined) return cell;
  throw new PlacewrightError('PW_INTERNAL_SLOT', `slot ${slot} is empty`, { kind: 'internal' });
}

/** Keeps a task's outputs, frees its inputs, sends what others wait for, and lets its successors go on. */
function complete(run: Run, index: number, outputs: readonly Cell[]): void {
  const task = run.tasks[index] as Task;
  task.outputs.forEach((slot, port) => {
    const cell = outputs[port];
    if (slot < 0 || cell === undefined) return;
    cell.refs += 1;
    run.slots[slot] = cell;
  });
  for (const slot of task.inputs) release(run, slot);
  for (const slot of task.outputs) if (slot >= 0) sendValue(run, slot);
  for (const { device, task: target } of task.signals) outbox(run, device).signals.push(target);
  flush(run);
  run.left -= 1;
  for (const next of task.next) arriveAt(run, next);
}

function release(run: Run, slot: Slot): void {
  const left = (run.uses[slot] ?? 0) - 1;
  run.uses[slot] = left;
  if (left > 0) return;
  const cell = run.slots[slot];
  if (cell !== undefined) cell.refs -= 1;
  run.slots[slot] = undefined;
}

function arriveAt(run: Run, index: number): void {
  const left = (run.waits[index] ?? 0) - 1;
  run.waits[index] = left;
  if (left === 0) makeReady(run, index);
}

function makeReady(run: Run, index: number): void {
  const queue = run.tasks[index]?.kind === 'region' ? run.regions : run.kernels;
  queue.push(index);
}

function sendValue(run: Run, slot: Slot): void {
  for (const { device, task } of run.installed.plan.sends.get(slot) ?? []) {
    const box = outbox(run, device);
    const startUs = begin(run);
    box.values.push({ task, value: handOver(run, slot, box.moved) });
    record(run, `send to ${device}`, 'transfer', startUs);
  }
}

/**
 * The value of a slot to be given to another thread, taken once: the memory itself where nobody else holds it, else a
 * copy. What is given must be listed in `moved`, as the memory is no longer this thread's.
 */
function handOver(run: Run, slot: Slot, moved: ArrayBuffer[]): TensorValue {
  const cell = cellAt(run, slot);
  const last = cell.refs === 1 && run.uses[slot] === 1;
  release(run, slot);
  const { data } = cell.value;
  const whole = data.byteLength === data.buffer.byteLength && data.buffer instanceof ArrayBuffer;
  const value = last && whole ? cell.value : copyOf(cell.value);
  moved.push(value.data.buffer as ArrayBuffer);
  return value;
}

function outbox(run: Run, device: DeviceName): Outbox {
  let box = run.outboxes.get(device);
  if (box === undefined) {
    box = { values: [], signals: [], arrived: [], reduced: [], moved: [] };
    run.outboxes.set(device, box);
  }
  return box;
}

function flush(run: Run): void {
  for (const [device, { moved, ...message }] of run.outboxes) {
    run.sent += 1;
    run.around.send(device, { run: run.spec.run, sentUs: nowUs(), ...message }, moved);
  }
  run.outboxes.clear();
}

function receive(run: Run, message: PeerMessage): void {
  run.received += 1;
  if (run.over) return;
  for (const { task, value } of message.values) {
    const name = run.tasks[task]?.name ?? '';
    if (run.around.trace) record(run, name, 'transfer', message.sentUs);
    run.arrivedValues.set(task, value);
    arriveAt(run, task);
  }
  for (const task of message.signals) arriveAt(run, task);
  for (const index of message.arrived) memberArrived(run, index);
  for (const index of message.reduced) shareReduced(run, index);
  pump(run);
}

// All-reduce: members put their tensors into shared memory and tell the others' devices; messages order the memory.

function collectiveState(run: Run, index: number): CollectiveState {
  let state = run.collectives.get(index);
  if (state === undefined) {
    state = { arrived: 0, reduced: 0, waiting: [] };
    run.collectives.set(index, state);
  }
  return state;
}

function collectiveAt(run: Run, index: number): SharedCollective {
  return run.installed.collectives[index] as SharedCollective;
}

/** Devices of a collective's members, each once, in their order. */
function devicesOf({ members }: SharedCollective): DeviceName[] {
  return [...new Set(members.map(({ device }) => device))];
}

function tellOthers(run: Run, index: number, what: 'arrived' | 'reduced'): void {
  for (const device of devicesOf(collectiveAt(run, index))) {
    if (device !== run.installed.plan.device) outbox(run, device)[what].push(index);
  }
  flush(run);
}

function arrive(run: Run, task: AllReduceTask, index: number): void {
  const collective = collectiveAt(run, task.collective);
  const [slot] = task.inputs;
  const { value } = cellAt(run, slot ?? -1);
  if (value.data.length !== countOf(collective)) {
    throw new PlacewrightError(
      'PW_KERNEL_INPUT',
      `NcclAllReduce: a tensor of [${value.shape.join(', ')}] is not [${collective.shape.join(', ')}]`,
    );
  }
  const startUs = begin(run);
  putRow(collective, task.member, value);
  record(run, task.name, 'all-reduce', startUs);
  collectiveState(run, task.collective).waiting.push(index);
  tellOthers(run, task.collective, 'arrived');
  memberArrived(run, task.collective);
}

function memberArrived(run: Run, index: number): void {
  const collective = collectiveAt(run, index);
  const state = collectiveState(run, index);
  state.arrived += 1;
  if (state.arrived < collective.members.length) return;
  const devices = devicesOf(collective);
  const startUs = begin(run);
  if (devices.length === 1 || countOf(collective) < SHARED_SUM) {
    finishCollective(run, index, sumHere(collective), startUs);
    return;
  }
  sumShare(collective, devices.indexOf(run.installed.plan.device), devices.length);
  record(run, collective.name, 'all-reduce', startUs);
  tellOthers(run, index, 'reduced');
  shareReduced(run, index);
}

function shareReduced(run: Run, index: number): void {
  const collective = collectiveAt(run, index);
  const state = collectiveState(run, index);
  state.reduced += 1;
  if (state.reduced < devicesOf(collective).length) return;
  const startUs = begin(run);
  finishCollective(run, index, takeSum(collective), startUs);
}

function finishCollective(run: Run, index: number, sum: TensorValue, startUs: number): void {
  record(run, collectiveAt(run, index).name, 'all-reduce', startUs);
  const cell = cellOf(sum);
  // Held until all members have it, so that none of them gives it away.
  cell.refs += 1;
  for (const task of collectiveState(run, index).waiting) complete(run, task, [cell]);
  cell.refs -= 1;
}

function finish(run: Run): void {
  run.over = true;
  const moved: ArrayBuffer[] = [];
  const fetched = run.installed.plan.fetches.map(({ name, slot }) => ({
    name,
    value: handOver(run, slot, moved),
  }));
  run.around.done(fetched, run.events, moved);
}

/** Notes the end of a wait, if there was one, and gives the time. */
function begin(run: Run): number {
  if (!run.around.trace) return 0;
  const now = nowUs();
  if (now - run.idleSince > SHORT_US) push(run, 'wait', 'wait', run.idleSince, now);
  return now;
}

/** Waits shorter than this many microseconds are not worth a line in a trace. */
const SHORT_US = 20;

function record(run: Run, name: string, kind: TraceKind, startUs: number, nodes?: number): void {
  if (!run.around.trace) return;
  const endUs = nowUs();
  if (kind === 'kernel' && endUs - startUs < SHORT_US) {
    run.idleSince = endUs;
    return;
  }
  push(run, name, kind, startUs, endUs, nodes);
  if (kind !== 'transfer') run.idleSince = endUs;
}

function push(run: Run, name: string, kind: TraceKind, startUs: number, endUs: number, nodes?: number): void {
  const { step, entry } = run.spec;
  const { device } = run.installed.plan;
  run.events.push({
    name,
    device,
    kind,
    startUs,
    endUs,
    run: step,
    entry,
    ...(nodes === undefined ? {} : { nodes }),
  });
}

const SHOWN = 8;

function statusOf(run: Run): DeviceStatus {
  const idle = run.calling === undefined && run.kernels.length === 0 && run.regions.length === 0;
  return {
    idle,
    sent: run.sent,
    received: run.received,
    reasons: reasonsOf(run).slice(0, SHOWN),
  };
}

function reasonsOf(run: Run): string[] {
  const staged = [...run.parked.values()].flat().map((index) => {
    const task = run.tasks[index] as KernelTask;
    const { info, tuples } = areaOf(run.around.store, task.resources[0]);
    const what = task.op === 'Unstage' ? 'a value in' : 'room in';
    return `${task.name} waits for ${what} ${JSON.stringify(info.name)} (holds ${tuples.length}, room for ${info.capacity})`;
  });
  const received = run.tasks.flatMap((task, i) =>
    task.kind === 'receive' && (run.waits[i] ?? 0) > 0 && !run.arrivedValues.has(i)
      ? [`${task.name} waits for ${task.source}`]
      : [],
  );
  const reduced = [...run.collectives].flatMap(([index, { waiting, arrived }]) => {
    const { name, members } = collectiveAt(run, index);
    return waiting.length === 0
      ? []
      : [`${JSON.stringify(name)} waits for its members (${arrived} of ${members.length} are there)`];
  });
  const calling = run.calling === undefined ? [] : ['a region is running'];
  return [...calling, ...staged, ...reduced, ...received];
}
