import { collectiveAt } from './all-reduce.js';
import type { KernelTask } from './plan.js';
import type { DeviceStatus } from './protocol.js';
import type { Run } from './run-state.js';
import { areaOf } from './store.js';

const SHOWN = 8;

export function statusOf(run: Run): DeviceStatus {
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
