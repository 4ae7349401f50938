import { describe, expect, it } from 'vitest';
import type { LinkedModule } from '../../src/link.js';
import { builtinRegistry } from '../../src/registry.js';
import type { Violation } from '../../src/verify/invariant.js';
import { verify, verifyLinked } from '../../src/verify/registry.js';
import { alone, cluster, type Worker, workerModule } from '../support/cluster.js';
import { chain } from '../support/modules.js';

const hangs = (linked: LinkedModule): Violation[] =>
  verifyLinked(linked, builtinRegistry, { only: ['no-hang'] });

const invariants = (linked: LinkedModule): string[] => hangs(linked).map(({ invariant }) => invariant);

function onlyHang(linked: LinkedModule): Violation {
  const [first, ...more] = hangs(linked);
  expect(more).toEqual([]);
  if (first === undefined) throw new Error('nothing was found');
  expect(first.hint).not.toBe('');
  return first;
}

describe('barriers', () => {
  const two = (swapped: boolean) => (worker: Worker) => {
    const [a, b] = [worker.barrier('a', 2), worker.barrier('b', 2)];
    const [first, second] = swapped && worker.task === 1 ? [b, a] : [a, b];
    worker.runs('step', [worker.meet(second, [worker.meet(first, [], 'first')], 'second')]);
  };

  it('go on when all come to them in one order', () => {
    expect(hangs(cluster(2, two(false)))).toEqual([]);
  });

  it('hang when two tasks come in different orders', () => {
    const found = onlyHang(cluster(2, two(true)));
    expect(found.message).toBe(
      'nothing can go on: worker 0: "worker_0/first" waits at the barrier "a", where 1 of 2 are; ' +
        'worker 1: "worker_1/first" waits at the barrier "b", where 1 of 2 are',
    );
    expect(found.counterexample).toEqual({ steps: 1, order: [], next: [] });
  });

  it('hang when a party does not come, and are refused when too many do', () => {
    const coming = (parties: number, who: (task: number) => boolean) =>
      cluster(3, (worker) => {
        if (who(worker.task)) worker.runs('step', [worker.meet(worker.barrier('all', parties))]);
        else worker.runs('step', [worker.node('NoOp', 'nothing')]);
      });
    expect(hangs(coming(3, () => true))).toEqual([]);
    expect(hangs(coming(2, (task) => task < 2))).toEqual([]);
    expect(onlyHang(coming(3, (task) => task < 2)).message).toContain('where 2 of 3 are');
    expect(invariants(coming(2, () => true))).toEqual(['no-choice']);
    expect(onlyHang(coming(2, () => true)).message).toMatch(
      /come to the barrier "all" of 2 parties: the schedule decides/,
    );
    expect(hangs(coming(1, () => true))).toEqual([]);
  });

  it('of queues go on whichever task is first, with room for a token of each worker', () => {
    for (const workers of [2, 3, 4]) {
      const linked = cluster(workers, (worker) => {
        const gate = worker.wait('gate', []);
        worker.runs('step', [worker.wait('end', [gate])]);
      });
      expect(hangs(linked)).toEqual([]);
    }
  });

  it('of queues that a task passes before it has let others pass hang', () => {
    const found = onlyHang(
      cluster(2, (worker) => {
        const [own, other] = [worker.queue(`q${worker.task}`, 2), worker.queue(`q${1 - worker.task}`, 2)];
        const get = worker.get(own);
        worker.runs('step', [worker.put(other, [get])]);
      }),
    );
    expect(found.message).toBe(
      'nothing can go on: worker 0: "worker_0/get" waits for a value in "q0", which holds 0 of 2; ' +
        'worker 1: "worker_1/get" waits for a value in "q1", which holds 0 of 2',
    );
    expect(found.hint).toMatch(/let "worker_1\/put" not wait for it/);
    expect(found.counterexample?.order).toEqual(['worker_0/const', 'worker_1/const']);
  });
});

describe('queues', () => {
  it('that a step puts more into than it takes fill up', () => {
    const found = onlyHang(
      cluster(2, (worker) => {
        const queue = worker.queue('queue', 3);
        worker.runs('step', [worker.task === 0 ? worker.put(queue) : worker.node('NoOp', 'nothing')]);
      }),
    );
    expect(found.message).toBe('a step of all tasks puts 1 into "queue" and takes 0: it fills up');
    expect(found.counterexample?.steps).toBe(4);
    expect(found.counterexample?.order.filter((name) => name === 'worker_0/put')).toHaveLength(3);
  });

  it('that a step takes more from than it puts run empty', () => {
    const found = onlyHang(
      cluster(2, (worker) => {
        const queue = worker.queue('queue', 3);
        worker.runs('step', [worker.task === 0 ? worker.put(queue) : worker.get(queue, [], 2)]);
      }),
    );
    expect(found.message).toMatch(/puts 1 into "queue" and takes 2: it runs empty/);
  });

  it('that two take from are refused', () => {
    const linked = cluster(3, (worker) => {
      const queue = worker.queue('queue', 3);
      worker.runs('step', [
        worker.task === 0 ? worker.put(queue, [worker.put(queue, [], 'first')]) : worker.get(queue),
      ]);
    });
    expect(onlyHang(linked).message).toMatch(
      /"worker_1\/get", "worker_2\/get" take from "queue" in no order/,
    );
  });

  it('hold what is put before the first step', () => {
    const pingPong = (early: boolean) =>
      cluster(2, (worker) => {
        const [there, back] = [worker.queue('there', 1), worker.queue('back', 1)];
        if (worker.task === 0) {
          if (early) worker.runs('init', [worker.put(back, [], 'early')]);
          worker.runs('step', [worker.put(there, [worker.get(back)])]);
        } else worker.runs('step', [worker.put(back, [worker.get(there)])]);
      });
    expect(hangs(pingPong(true))).toEqual([]);
    expect(onlyHang(pingPong(false)).message).toContain('waits for a value in "back", which holds 0 of 1');
  });
});

describe('room that tasks fight for', () => {
  it('may keep out the one that the taker waits for', () => {
    // Worker 1 takes only after its own put, which finds no room when worker 0 has put twice.
    const linked = cluster(2, (worker) => {
      const queue = worker.queue('queue', 2);
      const put = worker.put(queue);
      worker.runs('step', worker.task === 0 ? [put] : [put, worker.get(queue, [put], 2)]);
    });
    const found = onlyHang(linked);
    expect(found.message).toBe(
      'some schedules hang: "worker_0/put", "worker_1/put" fight for room in "queue", which has 2',
    );
    const { order = [], steps = 0 } = found.counterexample ?? {};
    const counts = [0, 1].map((task) => order.filter((name) => name === `worker_${task}/put`).length);
    expect(steps).toBeGreaterThan(1);
    expect((counts[0] ?? 0) - (counts[1] ?? 0)).toBe(2);
  });

  it('does no harm where the taker waits for none of them', () => {
    const linked = cluster(3, (worker) => {
      const queue = worker.queue('queue', 2);
      worker.runs('step', [worker.task === 1 ? worker.get(queue, [], 2) : worker.put(queue)]);
    });
    expect(hangs(linked)).toEqual([]);
  });
});

describe('collectives', () => {
  it('that two devices begin in different orders hang', () => {
    const linked = alone((worker) => {
      const member = (tower: number, name: string, input: `n${number}`) =>
        worker.node('NcclAllReduce', name, {
          inputs: [{ node: input, port: 0 }],
          attrs: { reduction: 'sum', num_devices: 2, shared_name: name },
          replica: tower,
        });
      const a = member(0, 'b', member(0, 'a', worker.constant()));
      const b = member(1, 'a', member(1, 'b', worker.constant()));
      worker.runs('step', [a, b]);
    });
    const found = onlyHang(linked);
    expect(found.message).toMatch(/^nothing can go on: collectives wait for each other/);
    expect(found.counterexample?.order).toEqual(['worker_0/const', 'worker_0/const_1']);
  });
});

describe('a task by itself', () => {
  it('is taken to be answered by the others', () => {
    const module = workerModule(0, 2, (worker) => worker.runs('step', [worker.wait('end', [])]));
    expect(verify(module, builtinRegistry, { only: ['no-hang'] })).toEqual([]);
  });

  it('still hangs in its own staging areas', () => {
    const module = workerModule(0, 2, (worker) => {
      const area = worker.area('area');
      worker.runs('step', [worker.put(area, [worker.get(area)])]);
    });
    expect(verify(module, builtinRegistry, { only: ['no-hang'] })[0]?.message).toContain(
      'waits for a value in "area"',
    );
  });

  it('may be a chain of 100,000 nodes', () => {
    expect(verify(chain(100_000), builtinRegistry, { only: ['no-hang'] })).toEqual([]);
  });
});
