import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placementPlans } from '../src/models/arbitrary.js';
import { assertRule, checkRule } from '../src/models/check.js';
import { factsByRules } from '../src/models/facts.js';
import type { PlacementPlan } from '../src/models/plan.js';
import { collisions } from '../src/models/queues.js';
import { PLACEMENT_RULES, type PlacementRule } from '../src/models/rules.js';

/** Placements of each rule. */
const RUNS = 1000;
const SEED = 8;

describe('the compiler places as the rules of the original say', () => {
  test('by rules that have names of their own', () => {
    for (const field of ['id', 'name'] as const)
      expect(new Set(PLACEMENT_RULES.map((rule) => rule[field])).size).toBe(PLACEMENT_RULES.length);
  });

  for (const rule of PLACEMENT_RULES) {
    test(rule.name, { timeout: 120_000 }, () => assertRule(rule, { numRuns: RUNS, seed: SEED }));
  }
});

describe('a rule that is broken', () => {
  const broken: PlacementRule = {
    id: 'three',
    name: 'no cluster has three servers',
    bounds: { place: 'cluster' },
    upTo: 'autodiff',
    compare: ({ plan }) => [{ what: 'three servers', got: plan.site.servers === 3, want: false }],
  };

  test('is reported with the smallest placement, its seed and its path, which repeat it', () => {
    const report = checkRule(broken, { seed: 5 });
    expect(report).toMatchObject({ ok: false, seed: 5 });
    expect(report.text).toContain(
      'no cluster has three servers: error[PW_LAW]: three servers is true, not false',
    );
    expect(report.text).toContain(`seed 5 and path ${JSON.stringify(report.path)}`);
    expect(report.text).toContain('"servers":3,"workers":1,"worker":0,"towers":1');
    const path = report.path ?? '';
    expect(checkRule(broken, { seed: 5, path }).text).toContain('three servers is true');
    expect(() => assertRule(broken, { seed: 5, path })).toThrow(
      expect.objectContaining({ code: 'PW_LAW_BROKEN', hint: expect.stringContaining(path) }),
    );
  });
});

describe('the random placements reach the edges', () => {
  const sample = (bounds = {}): PlacementPlan[] =>
    fc.sample(placementPlans(bounds), { numRuns: RUNS, seed: SEED });
  const share = (plans: readonly PlacementPlan[], holds: (plan: PlacementPlan) => boolean): number =>
    plans.filter(holds).length / plans.length;
  const some = (plan: PlacementPlan, holds: (of: PlacementPlan['variables'][number]) => boolean): boolean =>
    plan.variables.some(holds);
  const size = ({ shape }: PlacementPlan['variables'][number]): number => shape.reduce((a, b) => a * b, 1);

  test.for<[string, number, (plan: PlacementPlan) => boolean]>([
    ['a variable of size 0', 0.2, (plan) => some(plan, (of) => size(of) === 0)],
    ['a scalar', 0.1, (plan) => some(plan, ({ shape }) => shape.length === 0)],
    ['exactly 65,535 elements', 0.2, (plan) => some(plan, (of) => size(of) === 65_535)],
    ['exactly 65,536 elements', 0.2, (plan) => some(plan, (of) => size(of) === 65_536)],
    ['equal sizes', 0.3, ({ variables }) => new Set(variables.map(size)).size < variables.length],
    ['another type', 0.3, (plan) => some(plan, ({ dtype }) => dtype !== 'float32')],
    ['a device of the user', 0.4, (plan) => some(plan, ({ device }) => device !== null)],
    ['part of a device', 0.2, (plan) => some(plan, ({ device }) => device !== null && !('index' in device))],
    ['something outside of the towers', 0.1, (plan) => some(plan, ({ use }) => use === 'inference')],
    ['one machine', 0.1, ({ site }) => site.servers === 0],
    ['four servers', 0.1, ({ site }) => site.servers === 4],
    ['more than ten workers', 0.03, ({ site }) => site.workers > 10],
    ['a worker that is not the chief', 0.3, ({ site }) => site.worker > 0],
    ['one tower', 0.15, ({ site }) => site.towers === 1],
    ['four towers', 0.15, ({ site }) => site.towers === 4],
    ['towers on CPUs', 0.15, ({ site }) => site.type === 'CPU'],
    ['staged variables', 0.15, ({ flags }) => flags.stagedVars],
    ['a sum or mean that is asked for', 0.2, ({ flags }) => flags.reduction !== 'own'],
  ])('%s', ([, least, holds]) => {
    expect(share(sample(), holds)).toBeGreaterThan(least);
  });

  test('names that the original would give to two queues', () => {
    const barriers = PLACEMENT_RULES.find(({ upTo }) => upTo === 'expand-barriers');
    const collide = (plan: PlacementPlan) => collisions(factsByRules(plan).syncQueues).length > 0;
    expect(share(sample(barriers?.bounds), collide)).toBeGreaterThan(0.003);
  });
});
