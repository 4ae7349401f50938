import { type Module, nodeName, nodeOf, resourceName } from '@placewright/ir';
import { opCases, opModule, prepare, TESTED_OPS, trainingCases } from '@placewright/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeGraphDef, encodeGraphDef, fromGraphDef, toGraphDef } from '../src/index.js';

/** What a GraphDef says by itself: nodes by name with ops, edges, attributes, types and devices, and what they act on. */
function graphOnly({ graph, resources }: Module) {
  const name = (id: `n${number}`): string => nodeName(nodeOf(graph, id));
  const acts = (id: `r${number}`) => {
    const resource = resources.get(id);
    if (resource === undefined) return id;
    const { kind, container, device } = resource;
    const types = resource.kind === 'variable' ? [resource.dtype, resource.shape] : [];
    const held =
      resource.kind === 'stagingArea' || resource.kind === 'queue' ? [resource.types, resource.capacity] : [];
    return [kind, container, device, resourceName(resource), ...types, ...held];
  };
  return [...graph.nodes.values()].map((node) => ({
    name: nodeName(node),
    op: node.op,
    inputs: node.inputs.map(({ node: from, port }) => `${name(from)}:${port}`),
    controls: node.controls.map(name),
    attrs: [...node.attrs].map(([key, attr]) =>
      // Without a sidecar, a float is what a float32 can say.
      attr.kind === 'float' && !node.op.startsWith('Stateless')
        ? [key, Math.fround(attr.value)]
        : [key, attr],
    ),
    outputs: node.outputs,
    device: node.device,
    resources: node.resources.map(acts),
    colocation: node.colocation,
  }));
}

const alone = (module: Module): Module =>
  fromGraphDef(decodeGraphDef(encodeGraphDef(toGraphDef(module).graph)));

describe('a GraphDef of ours keeps the graph even without its sidecar', () => {
  test.for(TESTED_OPS)('with %s', (op) => {
    fc.assert(
      fc.property(opCases(op), (plan) => {
        const { module } = opModule(plan);
        expect(graphOnly(alone(module))).toEqual(graphOnly(module));
      }),
      { seed: 5, numRuns: 4 },
    );
  });

  test('of random lowered models', () => {
    fc.assert(
      fc.property(trainingCases(), (plan) => {
        const { module } = prepare(plan).compilation;
        const back = alone(module);
        expect(graphOnly(back)).toEqual(graphOnly(module));
        expect(back.entries).toEqual({});
      }),
      { seed: 6, numRuns: 20 },
    );
  });
});
