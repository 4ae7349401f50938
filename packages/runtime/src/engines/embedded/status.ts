import { takesFromBuffer, tuplesTaken } from '@placewright/ir';
import { collectiveAt } from './all-reduce.js';
import type { KernelTask } from './plan.js';
import type { WaitReason } from './protocol.js';
import type { Run } from './run-state.js';
import { areaOf } from './store.js';

const SHOWN = 8;

/** Whether nothing of a run can go on until a message comes. */
export function isIdle(run: Run): boolean {
  return run.calling === undefined && run.kernels.length === 0 && run.regions.length === 0;
}

/** What a run waits for. */
export function reasonsOf(run: Run): WaitReason[] {
  const calling = run.calling === undefined ? [] : [{ node: '', text: 'a region is running' }];
  return [...calling, ...stagedReasons(run), ...reducedReasons(run), ...receivedReasons(run)].slice(0, SHOWN);
}

function stagedReasons(run: Run): WaitReason[] {
  const { parked, store } = run.around.yard;
  const own = [...parked.values()].flat().filter((waiter) => waiter.run === run);
  return own.map(({ index }) => {
    const task = run.tasks[index] as KernelTask;
    const { info, tuples } = areaOf(store, task.resources[0]);
    const wanted = tuplesTaken(task);
    const values = wanted === 1 ? 'a value' : `${wanted} values`;
    const what = `${takesFromBuffer(task.op) ? `${values} in` : 'room in'} ${JSON.stringify(info.name)}`;
    const state = `holds ${tuples.length}, room for ${info.capacity}`;
    return { node: task.name, text: `${task.name} waits for ${what} (${state})` };
  });
}

function reducedReasons(run: Run): WaitReason[] {
  return [...run.collectives].flatMap(([index, { waiting, arrived }]) => {
    const [first] = waiting;
    if (first === undefined) return [];
    const { name, members } = collectiveAt(run, index);
    const count = `${arrived} of ${members.length} are there`;
    return [
      {
        node: run.tasks[first]?.name ?? '',
        text: `${JSON.stringify(name)} waits for its members (${count})`,
      },
    ];
  });
}

function receivedReasons(run: Run): WaitReason[] {
  return run.tasks.flatMap((task, i) =>
    task.kind === 'receive' && (run.waits[i] ?? 0) > 0 && !run.arrivedValues.has(i)
      ? [{ node: '', text: `${task.name} waits for ${task.source}` }]
      : [],
  );
}
