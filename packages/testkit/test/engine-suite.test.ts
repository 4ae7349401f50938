import { createInterpreter } from '@placewright/interp';
import { type Module, nodeName, PlacewrightError, type TensorRef, type TensorValue } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { engineSuite, type SessionLike } from '../src/index.js';

/** The interpreter as if it were an engine; `spoil` changes what it gives. */
function load(module: Module, spoil: (value: TensorValue) => TensorValue = (value) => value): SessionLike {
  const session = createInterpreter(module);
  const tensor = (name: string): TensorRef => {
    for (const node of module.graph.nodes.values())
      for (const port of node.outputs.keys())
        if (`${nodeName(node)}:${port}` === name) return { node: node.id, port };
    throw new PlacewrightError('PW_FETCH_UNKNOWN', `there is no tensor ${name}`);
  };
  return {
    ...session,
    run: (entry, feeds = new Map(), { fetch = [] } = {}) => {
      const values = session.run(entry, feeds, { fetch: fetch.map(tensor) });
      return new Map([...values].map(([name, value]) => [name, spoil(value)]));
    },
  };
}

describe('the interpreter passes the suite of engines', () => {
  const checks = engineSuite(load, { opRuns: 3, modelRuns: 4 });
  for (const { name, run } of checks) test(name, run);
});

test('an engine that is off by a thousandth does not', async () => {
  const spoil = (value: TensorValue): TensorValue =>
    value.data instanceof Float32Array ? { ...value, data: value.data.map((x) => x * 1.001 + 0.001) } : value;
  const checks = engineSuite((module) => load(module, spoil), { opRuns: 3, modelRuns: 2 });
  const names = [
    'op Conv2D',
    'gradient of MatMul',
    'op Relu',
    'trains random models as the interpreter does',
  ];
  for (const name of names) {
    const check = checks.find((candidate) => candidate.name === name);
    await expect(check?.run(), name).rejects.toThrow(PlacewrightError);
  }
});
