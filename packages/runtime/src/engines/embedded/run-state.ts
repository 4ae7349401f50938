import type { DeviceName, ResourceId, TensorValue } from '@placewright/ir';
import { PlacewrightError } from '@placewright/ir';
import type { TraceEvent, TraceKind } from '../../trace.js';
import type { OrtModel } from './ort.js';
import type { DevicePlan, Slot, Task } from './plan.js';
import { type ErrorRecord, nowUs, type PeerMessage, type SharedCollective } from './protocol.js';
import { type Cell, copyOf, type Store } from './store.js';

/** A plan on its device, with its models ready. */
export interface Installed {
  readonly plan: DevicePlan;
  readonly collectives: readonly SharedCollective[];
  readonly models: ReadonlyMap<string, OrtModel>;
}

/** What all runs of a device have in common. */
export interface Yard {
  readonly store: Store;
  readonly trace: boolean;
  /** Ops on a buffer that wait for it to change, first come first. */
  readonly parked: Map<ResourceId, { readonly run: Run; readonly index: number }[]>;
  /** Runs that another run has woken. */
  readonly woken: Set<Run>;
  /** Messages that have gone to other devices. */
  sent: number;
}

export function createYard(store: Store, trace: boolean): Yard {
  return { store, trace, parked: new Map(), woken: new Set(), sent: 0 };
}

/** How a run talks to what is around it. */
export interface Surroundings {
  readonly yard: Yard;
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

/** What goes to another device next. */
interface Outbox {
  readonly values: { task: number; value: TensorValue }[];
  readonly signals: number[];
  readonly arrived: number[];
  readonly reduced: number[];
  readonly moved: ArrayBuffer[];
}

export interface CollectiveState {
  arrived: number;
  reduced: number;
  /** Tasks of this device that wait for the sum. */
  readonly waiting: number[];
}

/** The state of a run, and everything that the functions below share. */
export interface Run {
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
  readonly collectives: Map<number, CollectiveState>;
  readonly outboxes: Map<DeviceName, Outbox>;
  readonly events: TraceEvent[];
  left: number;
  over: boolean;
  /** The call of ONNX Runtime that is under way. */
  calling: Promise<void> | undefined;
  idleSince: number;
}

export function cellAt(run: Run, slot: Slot): Cell {
  const cell = run.slots[slot];
  if (cell !== undefined) return cell;
  throw new PlacewrightError('PW_INTERNAL_SLOT', `slot ${slot} is empty`, { kind: 'internal' });
}

/** Keeps a task's outputs, frees its inputs, puts out what others wait for, and lets its successors go on. */
export function complete(run: Run, index: number, outputs: readonly Cell[]): void {
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
  run.left -= 1;
  for (const next of task.next) arriveAt(run, next);
}

export function release(run: Run, slot: Slot): void {
  const left = (run.uses[slot] ?? 0) - 1;
  run.uses[slot] = left;
  if (left > 0) return;
  const cell = run.slots[slot];
  if (cell !== undefined) cell.refs -= 1;
  run.slots[slot] = undefined;
}

export function arriveAt(run: Run, index: number): void {
  const left = (run.waits[index] ?? 0) - 1;
  run.waits[index] = left;
  if (left === 0) makeReady(run, index);
}

export function makeReady(run: Run, index: number): void {
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
export function handOver(run: Run, slot: Slot, moved: ArrayBuffer[]): TensorValue {
  const cell = cellAt(run, slot);
  const last = cell.refs === 1 && run.uses[slot] === 1;
  release(run, slot);
  const { data } = cell.value;
  const whole = data.byteLength === data.buffer.byteLength && data.buffer instanceof ArrayBuffer;
  const value = last && whole ? cell.value : copyOf(cell.value);
  moved.push(value.data.buffer as ArrayBuffer);
  return value;
}

export function outbox(run: Run, device: DeviceName): Outbox {
  let box = run.outboxes.get(device);
  if (box === undefined) {
    box = { values: [], signals: [], arrived: [], reduced: [], moved: [] };
    run.outboxes.set(device, box);
  }
  return box;
}

export function flush(run: Run): void {
  for (const [device, { moved, ...message }] of run.outboxes) {
    run.around.yard.sent += 1;
    run.around.send(device, { run: run.spec.run, sentUs: nowUs(), ...message }, moved);
  }
  run.outboxes.clear();
}

/** Notes the end of a wait, if there was one, and gives the time. */
export function begin(run: Run): number {
  if (!run.around.yard.trace) return 0;
  const now = nowUs();
  if (now - run.idleSince > SHORT_US) push(run, 'wait', 'wait', run.idleSince, now);
  return now;
}

/** Waits shorter than this many microseconds are not worth a line in a trace. */
const SHORT_US = 20;

export function record(run: Run, name: string, kind: TraceKind, startUs: number, nodes?: number): void {
  if (!run.around.yard.trace) return;
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
