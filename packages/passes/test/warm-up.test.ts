import { ancestors, type Graph, makeNode, type Node, type NodeId, type ResourceId } from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { warmUpRounds } from '../src/warm-up.js';

function node(id: NodeId, op: string, inputs: readonly NodeId[], area: number | null): Node {
  const resources: ResourceId[] = area === null ? [] : [`r${area}`];
  return makeNode({
    ...{ id, name: id, op, resources, controls: [], attrs: new Map(), outputs: [], device: '' },
    inputs: inputs.map((each) => ({ node: each, port: 0 })),
    ...{ replica: null, variable: null, phase: 'staging', group: '', colocation: null },
    origin: { pass: 'test', from: [], reason: '' },
  });
}

/** What is put into each area is computed from what is got from those that its list names. */
function areas(sources: readonly (readonly number[])[]): { graph: Graph; puts: NodeId[] } {
  const n = sources.length;
  const gets = sources.map((_, area) => node(`n${area}`, 'Unstage', [], area));
  const rest = sources.flatMap((from, area) => [
    node(
      `n${n + area}`,
      'AddN',
      [...new Set(from)].map((source): NodeId => `n${source}`),
      null,
    ),
    node(`n${2 * n + area}`, 'Stage', [`n${n + area}`], area),
  ]);
  const nodes = new Map([...gets, ...rest].map((each) => [each.id, each]));
  return { graph: { nodes }, puts: sources.map((_, area): NodeId => `n${2 * n + area}`) };
}

/** By the words of the rule: an area's tier is one more than the last of its sources', and all those are filled again. */
function byTheRule(sources: readonly (readonly number[])[]): number[][] {
  const tiers: number[] = [];
  for (const from of sources) tiers.push(1 + Math.max(0, ...from.map((source) => tiers[source] ?? 0)));
  return Array.from({ length: Math.max(0, ...tiers) }, (_, i) => {
    const filled = new Set(tiers.flatMap((tier, area) => (tier === i + 1 ? [area] : [])));
    for (const area of filled) for (const source of sources[area] ?? []) filled.add(source);
    return [...filled].toSorted((a, b) => a - b);
  });
}

function rounds(sources: readonly (readonly number[])[]): number[][] {
  const { graph, puts } = areas(sources);
  return warmUpRounds(graph, puts).map((round) =>
    round.map((id) => Number(id.slice(1)) - 2 * sources.length),
  );
}

describe('the rounds of the warm-up', () => {
  it('are those of the rule, whatever areas are filled from', () => {
    const anySources = fc
      .array(fc.array(fc.nat(), { maxLength: 3 }), { maxLength: 60 })
      .map((lists) => lists.map((list, area) => (area === 0 ? [] : list.map((x) => x % area))));
    fc.assert(
      fc.property(anySources, (sources) => {
        expect(rounds(sources)).toEqual(byTheRule(sources));
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it('are as many as a chain of areas is long, also past 32', () => {
    const chain = Array.from({ length: 100 }, (_, area) => (area === 0 ? [] : [area - 1]));
    expect(rounds(chain)).toEqual(chain.map((_, i) => Array.from({ length: i + 1 }, (__, area) => area)));
  });

  it('leave out areas that feed each other, and what these feed', () => {
    expect(rounds([[], [2], [1], [0], [2]])).toEqual([[0], [0, 3]]);
  });

  it('take what runs anyway for no reason to fill an area', () => {
    const { graph, puts } = areas([[], [], [1]]);
    // The last put waits for the first one, and takes nothing from its area.
    const last = graph.nodes.get('n8');
    const [first] = puts;
    if (last === undefined || first === undefined) throw new Error('the puts are there');
    const nodes = new Map([...graph.nodes, [last.id, { ...last, controls: [first] }]]);
    expect(ancestors({ nodes }, [last.id]).has(first)).toBe(true);
    expect(warmUpRounds({ nodes }, puts)).toEqual([
      ['n6', 'n7'],
      ['n7', 'n8'],
    ]);
  });

  it('take time as the graph and the rounds do', () => {
    const chain = Array.from({ length: 1500 }, (_, area) => (area === 0 ? [] : [area - 1]));
    const start = performance.now();
    expect(rounds(chain)).toHaveLength(1500);
    // A walk over the graph for each round and area took minutes.
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
