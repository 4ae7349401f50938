import { describe, expect, it } from 'vitest';
import { formatError, PlacewrightError } from '../../src/errors.js';
import type { Module } from '../../src/graph.js';
import { cyclicComponents } from '../../src/graphlib-adapter.js';
import { type Invariant, nodeViolation } from '../../src/verify/invariant.js';
import { type NumberedGraph, unconnected } from '../../src/verify/reach.js';
import { assertValid, INVARIANTS, verify } from '../../src/verify/registry.js';
import { lowered } from '../support/lowered.js';
import { build, chain, nodeCalled, out, why, withNode } from '../support/modules.js';
import { ops } from '../support/ops.js';

const noops: Invariant = {
  name: 'no-noops',
  summary: 'there is no NoOp',
  from: 'established',
  needs: ['edges-exist'],
  check: ({ module }) =>
    [...module.graph.nodes.values()]
      .filter(({ op }) => op === 'NoOp')
      .map((node) => nodeViolation('no-noops', node, 'a NoOp', 'remove it')),
};

function noopModule(count: number): Module {
  return build((editor) => {
    for (let i = 0; i < count; i++) editor.addNode({ op: 'NoOp', name: `noop${i}` }, why);
  });
}

describe('verify', () => {
  it('checks what is established, what always holds, or just what is asked for', () => {
    const module = { ...lowered(), established: [] };
    const away = withNode(module, nodeCalled(module, 'rate').id, { device: '' });
    expect(verify(away, ops)).toEqual([]);
    const names = (options: { only: string[] }): string[] =>
      verify(away, ops, options).map(({ invariant }) => invariant);
    expect(names({ only: ['every-node-placed'] })).toEqual(['every-node-placed']);
    expect(names({ only: ['no-race'] })).toEqual([]);
    const established = verify({ ...away, established: ['transfers-explicit'] }, ops);
    expect(established.map(({ invariant }) => invariant)).toEqual(['transfers-explicit']);
  });

  it('reports a broken premise and leaves out what needs it', () => {
    const module = noopModule(1);
    const dangling = withNode({ ...module, established: ['no-race'] }, 'n0', { inputs: [out('n7')] });
    expect(verify(dangling, ops).map(({ invariant }) => invariant)).toEqual(['edges-exist']);
    expect(verify(dangling, ops, { only: ['no-race'] }).map(({ invariant }) => invariant)).toEqual([
      'edges-exist',
    ]);
  });

  it("takes a user's invariants", () => {
    const module = { ...noopModule(1), established: ['no-noops'] };
    expect(verify(module, ops, { more: [noops] })).toHaveLength(1);
    expect(verify(module, ops)).toMatchObject([
      { invariant: 'established', message: 'there is no invariant "no-noops"' },
    ]);
  });

  it('refuses to check what it does not know', () => {
    expect(() => verify(noopModule(1), ops, { only: ['no-races'] })).toThrow(
      expect.objectContaining({ code: 'PW_INVARIANT_UNKNOWN', hint: 'did you mean no-race?' }),
    );
  });

  it('lists each invariant after those that it needs', () => {
    const before = new Set<string>();
    for (const { name, needs } of INVARIANTS) {
      for (const need of needs) expect(before).toContain(need);
      expect(before).not.toContain(name);
      before.add(name);
    }
  });

  it('takes a chain of 100,000 nodes in less than a few seconds', () => {
    const module = chain(100_000);
    const all = INVARIANTS.map(({ name }) => name);
    const start = performance.now();
    expect(verify(module, ops, { only: all })).toEqual([]);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('assertValid', () => {
  it('throws with node, pass, the lines around, and all faults', () => {
    const module = { ...noopModule(12), established: ['no-noops'] };
    let error: unknown;
    try {
      assertValid(module, ops, { kind: 'internal', pass: 'simplify', more: [noops] });
    } catch (caught) {
      error = caught;
    }
    if (!(error instanceof PlacewrightError)) throw new Error('nothing was thrown');
    expect(error).toMatchObject({
      code: 'PW_INVARIANT',
      kind: 'internal',
      where: { node: 'noop0', pass: 'simplify' },
    });
    const lines = formatError(error).split('\n');
    expect(lines[0]).toBe('error[PW_INVARIANT]: 12 faults');
    expect(lines.filter((line) => line === '  no-noops: a NoOp')).toHaveLength(10);
    expect(lines).toContain('  and 2 more');
    expect(lines).toContain('  | %n0 = NoOp() "noop0" by=build why="the test asks for it"');
    expect(lines.at(-1)).toBe('  do: remove it');
  });

  it("names the user's file, and shows a resource's line", () => {
    const module = lowered();
    const resources = new Map(module.resources);
    const [id] = resources.keys();
    const first = id === undefined ? undefined : resources.get(id);
    if (id !== undefined && first !== undefined) resources.set(id, { ...first, device: '/device:GPU:9' });
    expect(() =>
      assertValid({ ...module, resources }, ops, { kind: 'user', file: 'm.pw', only: ['legal-devices'] }),
    ).toThrow(
      expect.objectContaining({
        kind: 'user',
        where: {
          file: 'm.pw',
          node: 'v0/w',
          excerpt: [expect.stringMatching(/^%r\d+ = variable float32\[2\] @\/device:GPU:9 "v0\/w"/)],
        },
      }),
    );
  });

  it('lets a sound module pass', () => {
    expect(() => assertValid(lowered(), ops, { kind: 'internal' })).not.toThrow();
  });
});

describe('paths', () => {
  it('are found as a plain search finds them', () => {
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 20; round++) {
      const before = Array.from({ length: 120 }, (_, i) =>
        i === 0 ? [] : Array.from({ length: random(3) }, () => random(i)),
      );
      const pairs = before.flatMap((_, to) => Array.from({ length: to }, (_, from) => ({ from, to })));
      const expected = pairs.filter(({ from, to }) => !plainSearch(before, from, to));
      const key = ({ from, to }: { from: number; to: number }): number => from * 1000 + to;
      const found = unconnected(numbered(before), pairs);
      expect(found.map(key).sort()).toEqual(expected.map(key).sort());
      expect(found.length).toBeGreaterThan(0);
    }
  });
});

function numbered(before: readonly (readonly number[])[]): NumberedGraph {
  const starts = new Int32Array(before.length + 1);
  before.forEach((list, i) => {
    starts[i + 1] = (starts[i] ?? 0) + list.length;
  });
  return { starts, edges: Int32Array.from(before.flat()) };
}

function plainSearch(before: readonly (readonly number[])[], from: number, to: number): boolean {
  const seen = new Set([to]);
  for (const at of seen) for (const next of before[at] ?? []) seen.add(next);
  return seen.has(from);
}

describe('graphlib', () => {
  it('gets internal ids and few of them only', () => {
    const refused = expect.objectContaining({ code: 'PW_INTERNAL_GRAPHLIB' });
    expect(() => cyclicComponents({ ids: ['__proto__'], edges: [] })).toThrow(refused);
    const many = Array.from({ length: 5000 }, (_, i): `n${number}` => `n${i}`);
    expect(() => cyclicComponents({ ids: many, edges: [] })).toThrow(refused);
  });

  it('gives components with a cycle, in the order of the ids', () => {
    const edges = [
      ['n3', 'n1'],
      ['n1', 'n3'],
      ['n2', 'n1'],
      ['n4', 'n4'],
    ] as const;
    expect(cyclicComponents({ ids: ['n1', 'n2', 'n3', 'n4'], edges })).toEqual([['n1', 'n3'], ['n4']]);
  });
});
