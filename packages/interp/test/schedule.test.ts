import { type Module, type Node, nodeName, type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { createInterpreter, type Schedule } from '../src/index.js';
import { build, errorOf, f32, type GraphBuilder } from './support.js';

const one = (values: Map<string, TensorValue>, name: string): number =>
  toNumbers(values.get(name) as TensorValue)[0] ?? Number.NaN;

/** A read and a write of one variable with nothing between them. */
function race(): Module {
  return build((graph) => {
    const resources = [graph.variable('w', 'float32', [])];
    const value = graph.constant(f32([], [2]));
    const read = graph.op('ReadVariableOp', [], { resources });
    graph.step([graph.node('AssignVariableOp', [value], { resources })], { read });
  });
}

function readsOf(schedule: Schedule | undefined): number {
  const interpreter = createInterpreter(race());
  interpreter.writeVariables({ w: f32([], [1]) });
  return one(interpreter.run('step', {}, schedule === undefined ? {} : { schedule }), 'read');
}

describe('order', () => {
  test('without a schedule it is always the same', () => {
    const seen = new Set(Array.from({ length: 5 }, () => readsOf(undefined)));
    expect(seen.size).toBe(1);
  });

  test('seeds find both outcomes of a race, each seed the same one again', () => {
    const outcomes = Array.from({ length: 40 }, (_, seed) => readsOf({ seed }));
    expect(new Set(outcomes)).toEqual(new Set([1, 2]));
    expect(Array.from({ length: 40 }, (_, seed) => readsOf({ seed }))).toEqual(outcomes);
  });

  test('choose can walk all orders', () => {
    // Depth-first over the tree of choices: replay a prefix, then take the first, and note how many there were.
    const outcomes: number[] = [];
    const pending: number[][] = [[]];
    for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
      const known = prefix;
      let depth = 0;
      const choose = (ready: readonly Node[]): number => {
        const at = depth++;
        const taken = known[at];
        if (taken !== undefined) return taken;
        for (let other = 1; other < ready.length; other++) {
          pending.push([...known, ...new Array<number>(at - known.length).fill(0), other]);
        }
        return 0;
      };
      outcomes.push(readsOf({ choose }));
    }
    // Const, read, write with Const before write: three orders, the read comes last in one of them.
    expect(outcomes.toSorted()).toEqual([1, 1, 2]);
  });

  test('choose sees ready nodes in topological order, and a wrong choice is an error', () => {
    const shown: string[][] = [];
    readsOf({
      choose: (ready) => {
        shown.push(ready.map(nodeName));
        return ready.length - 1;
      },
    });
    expect(shown.map((names) => names.length)).toEqual([2, 1, 1]);
    expect(errorOf(() => readsOf({ choose: (ready) => ready.length })).code).toBe('PW_SCHEDULE_CHOICE');
  });
});

/** Doubles what was staged one step ago and stages the feed: a pipeline of depth one. */
function pipeline(capacity: number, stageFirst = false): Module {
  return build((graph) => {
    const types = [{ dtype: 'float32' as const, shape: [] }];
    const resources = [graph.area('buffer', types, capacity)];
    const x = graph.op('Placeholder', [], { attrs: { dtype: 'float32', shape: [] } });
    const stage = graph.node('Stage', [x], { resources });
    const get = graph.op('Unstage', [], { resources, controls: stageFirst ? [stage] : [] });
    const y = graph.op('AddV2', [get, get]);
    graph.step([stage], { y }, { x });
    const feeds = [{ name: 'x', node: x.node }];
    graph.editor.setEntry({ name: 'warmUp', feeds, fetches: [], rounds: [[stage]] });
  });
}

describe('staging areas', () => {
  test('hand values from step to step, first in first out', () => {
    const interpreter = createInterpreter(pipeline(2));
    interpreter.run('warmUp', { x: f32([], [1]) });
    interpreter.run('warmUp', { x: f32([], [2]) });
    expect(interpreter.stagingDepths()).toEqual(new Map([['buffer', 2]]));
    const out = [3, 4, 5].map((x) => one(interpreter.run('step', { x: f32([], [x]) }), 'y'));
    expect(out).toEqual([2, 4, 6]);
    expect(interpreter.stagingDepths().get('buffer')).toBe(2);
    interpreter.reset();
    expect(interpreter.stagingDepths().get('buffer')).toBe(0);
  });

  test.each(Array.from({ length: 8 }, (_, seed) => seed))('a full area lets Stage wait, seed %i', (seed) => {
    const interpreter = createInterpreter(pipeline(1));
    interpreter.run('warmUp', { x: f32([], [1]) });
    for (const x of [2, 3]) {
      const out = interpreter.run('step', { x: f32([], [x]) }, { schedule: { seed } });
      expect(one(out, 'y')).toBe(2 * (x - 1));
    }
  });

  test('an empty area lets Unstage wait for a Stage of the same run', () => {
    for (const seed of [1, 2, 3, 4]) {
      const interpreter = createInterpreter(pipeline(1));
      expect(one(interpreter.run('step', { x: f32([], [4]) }, { schedule: { seed } }), 'y')).toBe(8);
    }
  });

  test('a capacity of 0 is no limit', () => {
    const interpreter = createInterpreter(pipeline(0));
    for (const x of [1, 2, 3]) interpreter.run('warmUp', { x: f32([], [x]) });
    expect(interpreter.stagingDepths().get('buffer')).toBe(3);
  });

  test('rounds run one after the other, fetches come from the last', () => {
    const module = build((graph) => {
      const resources = [graph.variable('n', 'float32', [])];
      const add = graph.node('AssignAddVariableOp', [graph.constant(f32([], [1]))], { resources });
      const read = graph.op('ReadVariableOp', [], { resources, controls: [add] });
      const fetches = [{ name: 'n', tensor: read }];
      graph.editor.setEntry({ name: 'warmUp', feeds: [], fetches, rounds: [[add], [add], []] });
    });
    const interpreter = createInterpreter(module);
    interpreter.writeVariables({ n: f32([], [0]) });
    expect(one(interpreter.run('warmUp'), 'n')).toBe(3);
  });
});

describe('deadlock', () => {
  test('an empty area that nothing fills', () => {
    const module = build((graph) => {
      const resources = [graph.area('buffer', [{ dtype: 'float32', shape: [] }], 1)];
      const get = graph.op('Unstage', [], { resources, replica: 1 });
      graph.step([], { y: graph.op('Identity', [get]) });
    });
    const error = errorOf(() => createInterpreter(module).run('step'));
    expect(error.code).toBe('PW_DEADLOCK');
    expect(error.message).toContain('tower_1/Unstage waits for a value in "buffer"');
    expect(error.where.node).toBe('tower_1/Unstage');
  });

  test('a full area', () => {
    const interpreter = createInterpreter(pipeline(1));
    interpreter.run('warmUp', { x: f32([], [1]) });
    const error = errorOf(() => interpreter.run('warmUp', { x: f32([], [1]) }));
    expect(error.message).toContain('Stage waits for room in "buffer" (holds 1, room for 1)');
    const staged = createInterpreter(pipeline(1, true));
    staged.run('warmUp', { x: f32([], [1]) });
    expect(errorOf(() => staged.run('step', { x: f32([], [1]) })).code).toBe('PW_DEADLOCK');
  });
});

function members(graph: GraphBuilder, values: readonly number[], wanted: number) {
  return values.map((value, tower) =>
    graph.op('NcclAllReduce', [graph.constant(f32([1], [value]))], {
      attrs: { reduction: 'sum', num_devices: wanted, shared_name: 'c0' },
      // Towers in descending order, so that the order of insertion is not theirs.
      replica: values.length - 1 - tower,
    }),
  );
}

describe('collectives', () => {
  test('members run together, and sum in the order of their towers', () => {
    const module = build((graph) => {
      const outputs = members(graph, [1, 1, 16777216], 3);
      graph.step([], Object.fromEntries(outputs.map((tensor, i) => [`m${i}`, tensor])));
    });
    for (const schedule of [undefined, { seed: 3 }]) {
      const out = createInterpreter(module).run('step', {}, schedule === undefined ? {} : { schedule });
      // (16777216 + 1) + 1 in float32, not (1 + 1) + 16777216.
      expect(['m0', 'm1', 'm2'].map((name) => one(out, name))).toEqual([16777216, 16777216, 16777216]);
    }
  });

  test('a missing member is a deadlock that names who waits', () => {
    const module = build((graph) => {
      const [first, second] = members(graph, [1, 2], 2);
      if (first === undefined || second === undefined) return;
      graph.step([first.node], { first });
    });
    const error = errorOf(() => createInterpreter(module).run('step'));
    expect(error.code).toBe('PW_DEADLOCK');
    expect(error.message).toContain('tower_1/NcclAllReduce');
    expect(error.message).toContain('"c0"');
    expect(error.message).toContain('1 of 2');
  });

  test('two collectives that wait for each other are a deadlock', () => {
    const module = build((graph) => {
      const reduce = (name: string, tower: number, controls: readonly `n${number}`[]) =>
        graph.node('NcclAllReduce', [graph.constant(f32([1], [1]))], {
          attrs: { reduction: 'sum', num_devices: 2, shared_name: name },
          replica: tower,
          controls,
          name,
        });
      const a0 = reduce('a', 0, []);
      const b0 = reduce('b', 0, [a0]);
      const b1 = reduce('b', 1, []);
      const a1 = reduce('a', 1, [b1]);
      graph.step([a1, b0]);
    });
    const error = errorOf(() => createInterpreter(module).run('step'));
    expect(error.message).toContain('tower_0/a');
    expect(error.message).toContain('tower_1/b');
  });

  test('AllReduce sums or averages over all towers', () => {
    for (const [reduction, want] of [
      ['sum', [6, 6, 6]],
      ['mean', [2, 2, 2]],
    ] as const) {
      const module = build((graph) => {
        const inputs = [1, 2, 3].map((value) => graph.constant(f32([1], [value])));
        const node = graph.node('AllReduce', inputs, { attrs: { reduction } });
        graph.step([], Object.fromEntries([0, 1, 2].map((port) => [String(port), { node, port }])));
      });
      const out = createInterpreter(module).run('step');
      expect(['0', '1', '2'].map((name) => one(out, name))).toEqual(want);
    }
  });

  test('a barrier waits for all its parties', () => {
    const run = (parties: number, arrivals: number) => {
      const module = build((graph) => {
        const place = { container: '', device: '', replica: null };
        const barrier = graph.editor.addResource(
          { ...place, kind: 'barrier', name: 'sync', parties },
          { reason: 'test' },
        );
        const nodes = Array.from({ length: arrivals }, (_, replica) =>
          graph.node('Barrier', [], { resources: [barrier], replica }),
        );
        graph.step(nodes, { done: graph.constant(f32([], [1]), { controls: nodes }) });
      });
      return one(createInterpreter(module).run('step'), 'done');
    };
    expect(run(2, 2)).toBe(1);
    for (const arrivals of [1, 3]) {
      const error = errorOf(() => run(2, arrivals));
      expect(error.code).toBe('PW_DEADLOCK');
      expect(error.message).toContain('"sync"');
    }
  });

  test('Transfer is the identity', () => {
    const module = build((graph) =>
      graph.step([], { y: graph.op('Transfer', [graph.constant(f32([1], [3]))]) }),
    );
    expect(one(createInterpreter(module).run('step'), 'y')).toBe(3);
  });
});
