import type { PlacewrightError } from '@placewright/ir';
import { expect, test } from 'vitest';
import { tensorFinder } from '../src/names.js';
import { type Build, floats, moduleOf } from './build.js';

const build = (b: Build): void => {
  const x = b.constant(floats(1, 2), { name: 'x' });
  b.op('Split', [x], { num_split: 2, axis: 0 }, { name: 'halves' });
  b.op('Neg', [x], {}, { name: '__proto__' });
};

test('tensors are found by name and port, whatever the name is', () => {
  const module = moduleOf(build);
  const find = tensorFinder(module);
  const place = (text: string) => {
    const { node, port } = find(text);
    return [module.graph.nodes.get(node)?.name, port];
  };
  expect(place('halves:1')).toEqual(['halves', 1]);
  expect(place('x')).toEqual(['x', 0]);
  expect(place('__proto__:0')).toEqual(['__proto__', 0]);
});

test.for([
  ['halves:2', '"halves:0"'],
  ['halvs:0', '"halves:0"'],
  ['nothing of the kind', 'write it like'],
])('%s is refused, with what is near', ([text, hint]) => {
  const error = (() => {
    try {
      return tensorFinder(moduleOf(build))(text as string);
    } catch (thrown) {
      return thrown as PlacewrightError;
    }
  })();
  expect(error).toMatchObject({ code: 'PW_FETCH_UNKNOWN', hint: expect.stringContaining(hint as string) });
});

test('the graph is looked through once, whatever is asked for', () => {
  const module = moduleOf(build);
  let walks = 0;
  const nodes = new Map(module.graph.nodes);
  const values = nodes.values.bind(nodes);
  nodes.values = () => {
    walks += 1;
    return values();
  };
  const find = tensorFinder({ ...module, graph: { ...module.graph, nodes } });
  expect(walks).toBe(0);
  for (let i = 0; i < 10; i++) find('halves:1');
  expect(walks).toBe(1);
});
