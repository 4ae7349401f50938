import { describe, expect, it } from 'vitest';
import {
  builtinRegistry,
  checkFeeds,
  dataFault,
  edit,
  emptyModule,
  lookupEntry,
  type Module,
  nodeOf,
  type PlacewrightError,
  type TensorValue,
  tensorOf,
} from '../src/index.js';

const why = { reason: 'test' };

/** `step` feeds `x` to the placeholder `in/x`. */
const module: Module = edit(emptyModule('feeds'), builtinRegistry, 'build', (editor) => {
  const attrs = { dtype: 'float32', shape: [null, 2] } as const;
  const node = editor.addNode({ op: 'Placeholder', name: 'in/x', attrs }, why);
  editor.setEntry({ name: 'step', feeds: [{ name: 'x', node }], fetches: [], rounds: [[]] });
}).module;
const step = lookupEntry(module, 'step');
const placeholders = [...module.graph.nodes.values()];
const good = tensorOf('float32', [1, 2], [1, 2]);

function errorOf(body: () => unknown): PlacewrightError {
  try {
    body();
  } catch (error) {
    return error as PlacewrightError;
  }
  throw new Error('nothing was thrown');
}

describe('feeds', () => {
  const check = (feeds: Readonly<Record<string, TensorValue>>) =>
    checkFeeds(module, step, new Map(Object.entries(feeds)), placeholders);

  it('are given by placeholder, uncopied', () => {
    const [[id, value] = []] = check({ x: good });
    expect(nodeOf(module.graph, id ?? 'n0').name).toBe('in/x');
    expect(value).toBe(good);
  });

  it.each<[string, Readonly<Record<string, TensorValue>>, string | undefined, string]>([
    ['PW_FEED_MISSING', {}, 'in/x', 'entry step needs the feed "x"'],
    ['PW_FEED_UNKNOWN', { x: good, y: good }, undefined, 'entry step has no feed "y"'],
    ['PW_FEED_DTYPE', { x: tensorOf('int32', [1, 2], [1, 2]) }, 'in/x', 'must be float32, not int32'],
    ['PW_FEED_SHAPE', { x: tensorOf('float32', [2], [1, 2]) }, 'in/x', 'the shape [?, 2], not [2]'],
    ['PW_FEED_DATA', { x: { ...good, data: new Float32Array(3) } }, 'in/x', '3 elements and not 2'],
  ])('%s', (code, feeds, node, text) => {
    const error = errorOf(() => check(feeds));
    expect([error.code, error.where.node]).toEqual([code, node]);
    expect(error.message).toContain(text);
  });

  it('that an entry does not declare cannot be given', () => {
    const bare = { ...step, feeds: [] };
    const error = errorOf(() => checkFeeds(module, bare, new Map(), placeholders));
    expect([error.code, error.where.node]).toEqual(['PW_FEED_MISSING', 'in/x']);
    expect(error.hint).toContain("add the placeholder to the entry's feeds");
  });
});

it('an entry that is not there is refused with those that are', () => {
  expect(errorOf(() => lookupEntry(module, 'eval'))).toMatchObject({
    code: 'PW_ENTRY_UNKNOWN',
    hint: 'it has: step',
  });
});

it('elements must be of the kind and number that the type says', () => {
  expect(dataFault(good)).toBeUndefined();
  expect(dataFault({ ...good, data: new Int32Array(2) })).toBe(
    'holds its float32 elements in a Int32Array, not a Float32Array',
  );
});
