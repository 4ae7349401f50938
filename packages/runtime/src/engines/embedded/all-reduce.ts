import { allocate, type DeviceName, PlacewrightError, type TensorData } from '@placewright/ir';
import { countOf, isShared, putRow, sumHere, sumShare, takeSum } from './collective.js';
import type { AllReduceTask } from './plan.js';
import type { SharedCollective } from './protocol.js';
import { begin, type CollectiveState, cellAt, complete, outbox, type Run, record } from './run-state.js';
import { cellOf } from './store.js';

// Members put their tensors into shared memory and tell the others' devices; messages order the memory.

function collectiveState(run: Run, index: number): CollectiveState {
  let state = run.collectives.get(index);
  if (state === undefined) {
    state = { arrived: 0, reduced: 0, waiting: [] };
    run.collectives.set(index, state);
  }
  return state;
}

export function collectiveAt(run: Run, index: number): SharedCollective {
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
}

/** What a member of this device put in, whose row has it now, where nothing else holds it. New memory takes long to get. */
function spareMemory(run: Run, index: number): TensorData | undefined {
  const [task] = collectiveState(run, index).waiting;
  const [slot] = run.tasks[task ?? -1]?.inputs ?? [];
  const cell = slot === undefined || run.uses[slot] !== 1 ? undefined : run.slots[slot];
  return cell?.refs === 1 ? cell.value.data : undefined;
}

export function arrive(run: Run, task: AllReduceTask, index: number): void {
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

export function memberArrived(run: Run, index: number): void {
  const collective = collectiveAt(run, index);
  const state = collectiveState(run, index);
  state.arrived += 1;
  if (state.arrived < collective.members.length) return;
  const devices = devicesOf(collective);
  const startUs = begin(run);
  if (!isShared(collective, devices.length)) {
    finishCollective(run, index, sumHere, startUs);
    return;
  }
  sumShare(collective, devices.indexOf(run.installed.plan.device), devices.length);
  record(run, collective.name, 'all-reduce', startUs);
  tellOthers(run, index, 'reduced');
  shareReduced(run, index);
}

export function shareReduced(run: Run, index: number): void {
  const collective = collectiveAt(run, index);
  const state = collectiveState(run, index);
  state.reduced += 1;
  if (state.reduced < devicesOf(collective).length) return;
  const startUs = begin(run);
  finishCollective(run, index, takeSum, startUs);
}

function finishCollective(
  run: Run,
  index: number,
  fill: (collective: SharedCollective, into: TensorData) => void,
  startUs: number,
): void {
  const collective = collectiveAt(run, index);
  const data = spareMemory(run, index) ?? allocate(collective.dtype, countOf(collective));
  fill(collective, data);
  record(run, collective.name, 'all-reduce', startUs);
  const cell = cellOf({ dtype: collective.dtype, shape: collective.shape, data });
  // Held until all members have it, so that none of them gives it away.
  cell.refs += 1;
  for (const task of collectiveState(run, index).waiting) complete(run, task, [cell]);
  cell.refs -= 1;
}
