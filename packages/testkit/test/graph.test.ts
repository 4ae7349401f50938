import {
  builtinRegistry,
  canonicalDevice,
  deviceMatches,
  edit,
  formatDevice,
  type Module,
  mergeDevices,
  type NodeId,
  nodeOf,
  parseDevice,
  predecessors,
  topologicalOrder,
} from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkEdit, deviceNames, deviceSpecs, graphOf, graphPlans } from '../src/index.js';

describe('topological order', () => {
  test('has every node once, after all that it depends on', () => {
    fc.assert(
      fc.property(graphPlans({ maxNodes: 25 }), (plan) => {
        const { graph } = graphOf(plan);
        const place = new Map(topologicalOrder(graph).map((node, i) => [node.id, i]));
        expect(place.size).toBe(graph.nodes.size);
        for (const node of graph.nodes.values())
          for (const before of predecessors(node))
            expect(place.get(before) ?? Number.NaN).toBeLessThan(place.get(node.id) ?? -1);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('names a cycle that is one', () => {
    fc.assert(
      fc.property(graphPlans({ maxNodes: 15 }), fc.nat(99), (plan, at) => {
        const module = graphOf(plan);
        const ids = [...module.graph.nodes.keys()];
        const last = ids.at(-1);
        const first = ids[at % Math.max(1, ids.length)];
        if (last === undefined || first === undefined) return;
        const dependent = reaches(module, last, first);
        const cyclic = edit(module, builtinRegistry, 'test', (editor) => {
          editor.addControl(first, last, { reason: 'makes a cycle, perhaps' });
        }).module;
        if (dependent) expect(() => topologicalOrder(cyclic.graph)).toThrow(/cycle/);
        else expect(topologicalOrder(cyclic.graph)).toHaveLength(ids.length);
      }),
      { seed: 2, numRuns: 200 },
    );
  });
});

/** Whether `from` depends on `to`, or is it. */
function reaches(module: Module, from: NodeId, to: NodeId): boolean {
  const seen = new Set([from]);
  for (const id of seen) for (const before of predecessors(nodeOf(module.graph, id))) seen.add(before);
  return seen.has(to);
}

describe('device names', () => {
  const names = deviceNames();
  const holds = (property: fc.IProperty<unknown[]>) => fc.assert(property, { seed: 3, numRuns: 500 });

  test('print and read back', () => {
    holds(
      fc.property(deviceSpecs(), (spec) => {
        expect(parseDevice(formatDevice(spec))).toEqual(spec);
        expect(canonicalDevice(formatDevice(spec))).toBe(formatDevice(spec));
      }) as fc.IProperty<unknown[]>,
    );
  });

  test('merge: nothing is neutral, a name merges with itself to itself, and names of one type merge in any grouping', () => {
    holds(
      fc.property(names, names, names, (a, b, c) => {
        expect(mergeDevices(a, '')).toBe(a);
        expect(mergeDevices('', a)).toBe(a);
        expect(mergeDevices(a, a)).toBe(a);
        // Another type between two of the same hides the outer one's index, as in TensorFlow.
        const types = new Set([a, b, c].flatMap((name) => parseDevice(name).type ?? []));
        if (types.size > 1) return;
        expect(mergeDevices(mergeDevices(a, b), c)).toBe(mergeDevices(a, mergeDevices(b, c)));
      }) as fc.IProperty<unknown[]>,
    );
  });

  test('merge: the inner name wins, and what it lacks is the outer one', () => {
    holds(
      fc.property(names, names, (inner, outer) => {
        const merged = mergeDevices(inner, outer);
        expect(deviceMatches(merged, inner)).toBe(true);
        const { job, task } = parseDevice(inner);
        const parts = parseDevice(merged);
        if (job === undefined) expect(parts.job).toBe(parseDevice(outer).job);
        if (task === undefined) expect(parts.task).toBe(parseDevice(outer).task);
      }) as fc.IProperty<unknown[]>,
    );
  });
});

describe('editor', () => {
  test('gives patches that lead there and back, and leaves the module before as it was', () => {
    fc.assert(
      fc.property(
        graphPlans(),
        fc.array(fc.tuple(fc.nat(5), fc.nat(99), fc.string()), { maxLength: 8 }),
        (plan, steps) => {
          const before = graphOf(plan);
          const change = () =>
            edit(before, builtinRegistry, 'test', (editor) => {
              for (const [kind, at, text] of steps) {
                const ids = [...editor.graph.nodes.keys()];
                const id = ids[at % Math.max(1, ids.length)];
                const why = { reason: text };
                if (kind === 0) editor.addNode({ op: 'NoOp', name: text }, why);
                else if (kind === 1 && id !== undefined)
                  editor.updateNode(id, { name: text, group: text }, why);
                else if (kind === 2 && id !== undefined) editor.updateNode(id, { replica: at % 3 }, why);
                else if (kind === 3) editor.setFrame({ name: text, towers: at, established: [text] });
                else if (kind === 4) editor.setRoles(editor.roles.slice(1));
                else if (id !== undefined) editor.addRole({ kind: 'globalStep', node: id });
              }
            });
          const { module, changes } = checkEdit(before, change);
          const names = [...module.graph.nodes.values()].map(({ name, replica }) => `${replica} ${name}`);
          expect(new Set(names).size).toBe(names.length);
          expect(changes.every(({ kind }) => kind !== 'remove')).toBe(true);
        },
      ),
      { seed: 4, numRuns: 300 },
    );
  });
});
