import {
  type Entry,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  tensorKey,
  tensorOf,
} from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Partition, partitionRound } from '../src/partition.js';
import { type Region, regionsOf } from '../src/regions.js';
import { CPU, copied, floats, GPU0, GPU1, moduleOf } from './build.js';

/** Ops that the tests take to be pure; what is left is the runtime's. */
const PURE = new Set(['AddV2', 'Mul', 'Relu', 'Neg', 'Shape', 'Identity', 'MatMul']);

function split(
  module: Module,
  name: keyof Module['entries'] = 'step',
): { partition: Partition; regions: Region[] } {
  const entry = module.entries[name] as Entry;
  const partition = partitionRound(module, entry, entry.rounds.length - 1, [], (op) => PURE.has(op));
  return { partition, regions: regionsOf(partition) };
}

const names = ({ nodes }: Region): string[] => nodes.map(({ name }) => name);

describe('regions', () => {
  test('a chain of pure ops is one region, with what goes in and out', () => {
    const module = moduleOf((b) => {
      const x = b.feed('x', 'float32', [2]);
      const y = b.op('AddV2', [b.op('Relu', [x]), b.constant(floats(1, 2))]);
      b.entry('step', { y }, []);
    });
    const { regions } = split(module);
    expect(regions.map(names)).toEqual([['Relu', 'AddV2']]);
    expect(regions[0]?.inputs.map(({ node }) => nodeOf(module.graph, node).name)).toEqual(['x']);
    expect(regions[0]?.outputs.map(({ node }) => nodeOf(module.graph, node).name)).toEqual(['AddV2']);
  });

  test('what comes after an op of the runtime is another region, what does not is not', () => {
    const module = moduleOf((b) => {
      const v = b.variable('v', floats(1));
      const x = b.feed('x', 'float32', [1]);
      const before = b.op('Relu', [x], {}, { name: 'before' });
      const assign = b.op('AssignVariableOp', [before], {}, { resources: [v] });
      const read = b.op('ReadVariableOp', [], {}, { resources: [v], controls: [assign.node] });
      const after = b.op('AddV2', [read, before], {}, { name: 'after' });
      const aside = b.op('Neg', [x], {}, { name: 'aside' });
      b.entry('step', { after, aside }, []);
    });
    const { regions } = split(module);
    expect(regions.map(names).map((list) => list.toSorted())).toEqual([['aside', 'before'], ['after']]);
  });

  test('two devices that need each other’s results do not wait for each other', () => {
    const module = moduleOf((b) => {
      const sides = [GPU0, GPU1].map((device) =>
        b.op('Relu', [b.feed(device, 'float32', [1], device)], {}, { device }),
      );
      const [left, right] = sides as [(typeof sides)[0], (typeof sides)[0]];
      const l = b.op('AddV2', [left, copied(b, right, GPU0)], {}, { device: GPU0 });
      const r = b.op('AddV2', [right, copied(b, left, GPU1)], {}, { device: GPU1 });
      b.entry('step', { l, r }, []);
    });
    const { regions } = split(module);
    expect(regions.map(({ device, level }) => `${level} ${device}`).toSorted()).toEqual([
      `0 ${GPU0}`,
      `0 ${GPU1}`,
      `1 ${GPU0}`,
      `1 ${GPU1}`,
    ]);
  });

  test('a control edge to another device ends a region as a copy does', () => {
    const module = moduleOf((b) => {
      const a = b.op('Relu', [b.feed('a', 'float32', [1], GPU0)], {}, { device: GPU0, name: 'a0' });
      const c = b.op('Relu', [b.feed('c', 'float32', [1], GPU1)], {}, { device: GPU1, controls: [a.node] });
      const d = b.op('Neg', [b.feed('d', 'float32', [1], GPU0)], {}, { device: GPU0, controls: [c.node] });
      b.entry('step', { a, c, d }, []);
    });
    expect(split(module).regions.map(({ level }) => level)).toEqual([0, 1, 2]);
  });

  test('members of a collective count as one node', () => {
    const module = moduleOf((b) => {
      const members = [GPU0, GPU1].map((device, replica) => {
        const x = b.feed(device, 'float32', [1], device);
        // Only the second tower has a region before its member.
        const input = replica === 0 ? x : b.op('Relu', [x], {}, { device });
        const attrs = { shared_name: 's', num_devices: 2 };
        const sum = b.op('NcclAllReduce', [input], attrs, { device, replica });
        return b.op('Neg', [sum], {}, { device, replica });
      });
      const [l, r] = members as [(typeof members)[0], (typeof members)[0]];
      b.entry('step', { l, r }, []);
    });
    const { regions } = split(module);
    expect(regions.map(({ device, level }) => [device, level])).toEqual([
      [GPU1, 0],
      [GPU0, 1],
      [GPU1, 1],
    ]);
  });

  test('a region does not wait for what it stages itself', () => {
    const module = moduleOf((b) => {
      const area = b.area('area', [{ dtype: 'float32', shape: [1] }], 1);
      const put = b.op('Stage', [b.op('Relu', [b.feed('x', 'float32', [1])])], {}, { resources: [area] });
      const got = b.op('Unstage', [], {}, { resources: [area] });
      b.entry('step', { y: b.op('Neg', [got]) }, [put]);
    });
    expect(split(module).regions.map(names)).toEqual([['Relu'], ['Neg']]);
  });

  test('constants and their copies are no tasks', () => {
    const module = moduleOf((b) => {
      const c = copied(b, b.op('Identity', [b.constant(floats(2))]), GPU0);
      b.entry('step', { y: b.op('Neg', [c], {}, { device: GPU0 }) }, []);
    });
    const { partition, regions } = split(module);
    expect([...partition.parts.values()].sort()).toEqual(['constant', 'constant', 'constant', 'region']);
    expect(regions[0]?.inputs).toEqual([]);
  });

  test('another name for a read value costs no region', () => {
    const module = moduleOf((b) => {
      const v = b.variable('v', floats(1));
      const read = b.op('ReadVariableOp', [], {}, { resources: [v] });
      b.entry('step', { y: b.op('Identity', [read]) }, []);
    });
    expect(split(module).regions).toEqual([]);
  });

  test('a chain of 100,000 nodes over two devices is split in linear time', () => {
    const short = moduleOf((b) => {
      const first = b.op('Neg', [b.feed('x', 'float32', [1], GPU0)], {}, { device: GPU0 });
      b.entry('step', { y: b.op('Neg', [copied(b, first, GPU1)], {}, { device: GPU1 }) }, []);
    });
    // Each Neg becomes a chain of them, by hand: the editor's checks of each node are not what is measured.
    const nodes = new Map<NodeId, Node>();
    for (const node of short.graph.nodes.values()) {
      nodes.set(node.id, node);
      if (node.op !== 'Neg') continue;
      let from: NodeId = `n${(Number(node.id.slice(1)) + 1) * 1_000_000}`;
      nodes.set(from, { ...node, id: from });
      for (let i = 1; i < 49_999; i++) {
        const id: NodeId = `n${Number(from.slice(1)) + 1}`;
        nodes.set(id, { ...node, id, inputs: [{ node: from, port: 0 }] });
        from = id;
      }
      nodes.set(node.id, { ...node, inputs: [{ node: from, port: 0 }] });
    }
    const module = { ...short, graph: { nodes } };
    const start = performance.now();
    const { regions } = split(module);
    expect(regions.map(({ nodes }) => nodes.length)).toEqual([50_000, 50_000]);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('what cannot be split', () => {
  const expectCode = (code: string, body: () => unknown): void =>
    expect(body).toThrow(expect.objectContaining({ code }));

  test('a node without a device', () => {
    const module = moduleOf((b) => b.entry('step', { y: b.op('NoOp', [], {}, { device: '' }) }, []));
    expectCode('PW_ENGINE_UNPLACED', () => split(module));
  });

  test('an edge between devices without a Transfer', () => {
    const module = moduleOf((b) => {
      b.entry('step', { y: b.op('Neg', [b.feed('x', 'float32', [1], GPU0)], {}, { device: GPU1 }) }, []);
    });
    expectCode('PW_ENGINE_EDGE', () => split(module));
  });

  test('a collective that lacks a member', () => {
    const module = moduleOf((b) => {
      const attrs = { shared_name: 's', num_devices: 2 };
      b.entry('step', { y: b.op('NcclAllReduce', [b.feed('x', 'float32', [1])], attrs) }, []);
    });
    expectCode('PW_ENGINE_COLLECTIVE', () => split(module));
  });

  test('light work that a later region of its device alone takes is done there', () => {
    const build = (op: string, takenElsewhere: boolean) =>
      moduleOf((b) => {
        const x = b.feed('x', 'float32', [2, 2]);
        const light = b.op('Neg', [x], {}, { name: 'early' });
        const early = op === 'Neg' ? light : b.op(op, [x, x], {}, { name: 'early' });
        const far = b.op('Relu', [b.feed('y', 'float32', [2, 2], GPU0)], {}, { device: GPU0, name: 'far' });
        const late = b.op('AddV2', [copied(b, far, CPU), early], {}, { name: 'late' });
        const copy = takenElsewhere ? { copy: copied(b, early, GPU1) } : {};
        b.entry('step', { late, ...copy }, []);
      });
    const together = (module: Module): boolean =>
      split(module).regions.some((region) => names(region).join() === 'early,late');
    expect(together(build('Neg', false))).toBe(true);
    expect(together(build('Neg', true))).toBe(false);
    expect(together(build('MatMul', false))).toBe(false);
  });

  test('collectives that wait for each other', () => {
    const module = moduleOf((b) => {
      const member = (shared_name: string, input: Parameters<typeof b.op>[1][0], replica: number) =>
        b.op('NcclAllReduce', [input], { shared_name, num_devices: 2 }, { replica });
      const one = member('b', member('a', b.feed('x', 'float32', [1]), 0), 0);
      const two = member('a', member('b', b.feed('y', 'float32', [1]), 1), 1);
      b.entry('step', { one, two }, []);
    });
    expectCode('PW_DEADLOCK', () => split(module));
  });
});

describe('regions of any graph', () => {
  interface Step {
    readonly pure: boolean;
    readonly device: number;
    readonly from: readonly number[];
    readonly control: number;
  }
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({
      pure: fc.boolean(),
      device: fc.nat(2),
      from: fc.tuple(fc.nat(30), fc.nat(30)),
      control: fc.nat(60),
    }),
    { minLength: 1, maxLength: 30 },
  );

  function build(plan: readonly Step[]): Module {
    const devices = [CPU, GPU0, GPU1];
    return moduleOf((b) => {
      const made = [b.feed('x', 'float32', [1])];
      const homes = [CPU];
      for (const { pure, device: at, from, control } of plan) {
        const device = devices[at] ?? CPU;
        const inputs = from.map((i) => {
          const index = i % made.length;
          const ref = made[index] as (typeof made)[0];
          return homes[index] === device ? ref : copied(b, ref, device);
        });
        const controls = control < made.length ? [(made[control] as (typeof made)[0]).node] : [];
        // NcclAllReduce of one member stands for any op of the runtime that has an input.
        made.push(
          pure
            ? b.op('AddV2', inputs, {}, { device, controls })
            : b.op(
                'NcclAllReduce',
                inputs.slice(0, 1),
                { shared_name: `s${made.length}`, num_devices: 1 },
                { device, controls },
              ),
        );
        homes.push(device);
      }
      b.entry('step', Object.fromEntries(made.map((ref, i) => [`f${i}`, ref])), []);
    });
  }

  /** Nodes with their region as one: the number left when all that can run has run. */
  function leftOver(nodes: readonly Node[], regions: readonly Region[]): number {
    const home = new Map<NodeId, string>(nodes.map(({ id }) => [id, id]));
    regions.forEach((region, i) => {
      for (const { id } of region.nodes) home.set(id, `region ${i}`);
    });
    const before = new Map<string, Set<string>>();
    for (const { id, inputs, controls } of nodes) {
      const own = home.get(id) ?? '';
      const set = before.get(own) ?? new Set<string>();
      before.set(own, set);
      for (const other of [...inputs.map(({ node }) => node), ...controls])
        if (home.get(other) !== own) set.add(home.get(other) ?? '');
    }
    for (let moved = true; moved; ) {
      moved = false;
      for (const [own, set] of before) {
        if (set.size > 0) continue;
        before.delete(own);
        for (const others of before.values()) others.delete(own);
        moved = true;
      }
    }
    return before.size;
  }

  test('every pure node is in one region, on its device, and the regions make no cycle', () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const module = build(plan);
        const { partition, regions } = split(module);
        const members = regions.flatMap(({ nodes, device }) =>
          nodes.map(({ id, device: own }) => [id, own === device] as const),
        );
        const pure = partition.nodes.filter(({ op }) => op === 'AddV2').map(({ id }) => id);
        expect(members.map(([id]) => id).toSorted()).toEqual(pure.toSorted());
        expect(members.every(([, same]) => same)).toBe(true);
        expect(leftOver(partition.nodes, regions)).toBe(0);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('a region is given what it takes from outside, once', () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const { regions } = split(build(plan));
        for (const { nodes, inputs } of regions) {
          const own = new Set(nodes.map(({ id }) => id));
          const outside = nodes.flatMap((node) => node.inputs).filter(({ node }) => !own.has(node));
          expect(inputs.map(tensorKey).toSorted()).toEqual([...new Set(outside.map(tensorKey))].toSorted());
        }
      }),
      { seed: 2, numRuns: 100 },
    );
  });
});

test('the value of an integer constant is kept as it is', () => {
  const module = moduleOf((b) => b.entry('step', { c: b.constant(tensorOf('int64', [1], [7])) }, []));
  expect([...split(module).partition.parts.values()]).toEqual(['constant']);
});
