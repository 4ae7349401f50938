import { describe, expect, it } from 'vitest';
import { type Module, nodeName } from '../../src/graph.js';
import type { LinkedModule } from '../../src/link.js';
import { builtinRegistry } from '../../src/registry.js';
import { deriveWarmUp } from '../../src/verify/derive-warm-up.js';
import { verifyLinked } from '../../src/verify/registry.js';
import { alone, type Worker } from '../support/cluster.js';

const faults = (linked: LinkedModule): string[] =>
  verifyLinked(linked, builtinRegistry, { only: ['staging-filled'] }).map(
    ({ message, hint }) => `${message} / ${hint}`,
  );

function derived({ module }: LinkedModule): { rounds: string[][]; levels: number[]; unfillable: number } {
  const { rounds, levels, unfillable } = deriveWarmUp(module, module.entries.step?.rounds.flat() ?? []);
  return {
    rounds: rounds.map((round) => round.map((id) => nameIn(module, id))),
    levels: [...levels.values()],
    unfillable: unfillable.length,
  };
}

function nameIn({ graph }: Module, id: `n${number}`): string {
  const node = graph.nodes.get(id);
  return node === undefined ? '' : nodeName(node).replace('worker_0/', '');
}

/** Puts into one area what was got from another, as staged gradients are computed from staged variables. */
function twoTiers(
  worker: Worker,
  warmUp: (first: `n${number}`, second: `n${number}`) => `n${number}`[][],
  capacity = 2,
) {
  const [a, b] = [worker.area('a', capacity), worker.area('b', capacity)];
  const first = worker.put(a, [], 'first');
  const second = worker.put(b, [worker.get(a, [], 1, 'get_a')], 'second');
  for (const round of warmUp(first, second)) worker.runs('warmUp', round);
  worker.runs('step', [first, second, worker.get(b, [], 1, 'get_b')]);
}

describe('the derived warm-up', () => {
  it('fills tier by tier, and again what a tier takes from', () => {
    const linked = alone((worker) => twoTiers(worker, () => []));
    expect(derived(linked)).toEqual({
      rounds: [['first'], ['first', 'second']],
      levels: [1, 1],
      unfillable: 0,
    });
  });

  it('leaves out what a step puts before it gets', () => {
    const linked = alone((worker) => {
      const area = worker.area('a');
      worker.runs('step', [worker.get(area, [worker.put(area)])]);
    });
    expect(derived(linked)).toEqual({ rounds: [], levels: [0], unfillable: 0 });
    expect(faults(linked)).toEqual([]);
  });

  it('says what cannot be filled', () => {
    const linked = alone((worker) => {
      const area = worker.area('a');
      worker.runs('step', [worker.put(area, [worker.get(area)])]);
    });
    expect(derived(linked)).toEqual({ rounds: [], levels: [1], unfillable: 1 });
    expect(faults(linked)).toEqual([
      'in step, "worker_0/get" gets from "a", which may then be empty / ' +
        'nothing can fill it: what is put into it was got from it; compute it from something else',
    ]);
  });
});

describe('staging-filled', () => {
  it('holds after the warm-up that is derived', () => {
    expect(
      faults(alone((worker) => twoTiers(worker, (first, second) => [[first], [first, second]]))),
    ).toEqual([]);
  });

  it('finds an area that the warm-up leaves empty, and says which round fills it', () => {
    const one = alone((worker) => twoTiers(worker, (first) => [[first]]));
    expect(faults(one)).toEqual([
      'in step, "worker_0/get_b" gets from "b", which may then be empty / ' +
        'make "worker_0/second" a target of the warm-up, in round 2 of 2',
    ]);
    const none = alone((worker) => twoTiers(worker, () => []));
    expect(faults(none)).toHaveLength(2);
  });

  it('finds a round that takes what is not filled again', () => {
    const linked = alone((worker) => twoTiers(worker, (first, second) => [[first], [second]]));
    expect(faults(linked)[0]).toMatch(/^in step, "worker_0\/get_a" gets from "a", which may then be empty/);
  });

  it('finds an area without room for what a round puts', () => {
    const linked = alone((worker) => {
      const area = worker.area('a', 1);
      const put = worker.put(area);
      worker.runs('warmUp', [put]);
      worker.runs('step', [worker.get(area, [put])]);
    });
    expect(faults(linked)).toEqual([
      'in step, "worker_0/put" puts into "a", which is full: it holds 1, and has room for 1 / give it room for 2',
    ]);
  });

  it('lets a put wait for the get of its own step', () => {
    expect(
      faults(alone((worker) => twoTiers(worker, (first, second) => [[first], [first, second]], 1))),
    ).toEqual([]);
  });
});
