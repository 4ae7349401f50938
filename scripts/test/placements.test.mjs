import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compareFacts } from '../../packages/testkit/dist/compare-facts.js';
import { comparePlacements, PLACEMENTS } from '../placements.mjs';

const cases = await comparePlacements(PLACEMENTS);

test('there are recorded placements of every strategy, local and distributed', () => {
  const kinds = new Set(cases.map(({ name }) => name.split('_')[1]));
  expect(kinds).toEqual(new Set(['indep', 'ps', 'repl', 'dps', 'drep']));
  expect(cases.length).toBeGreaterThanOrEqual(67);
});

test.each(cases)('$name is placed as the original placed it', ({ differences }) => {
  expect(differences).toEqual([]);
});

describe('the comparison', () => {
  const golden = (name) => JSON.parse(readFileSync(join(PLACEMENTS, `${name}.json`), 'utf8'));
  const differences = (name, change) => {
    const changed = golden(name);
    change(changed);
    return compareFacts(golden(name), changed);
  };

  test('takes device names and op names by meaning, and lists without an order so', () => {
    const same = (facts) => {
      facts.savable.reverse();
      facts.syncQueues.reverse();
      facts.variables[0].device = '/job:ps/replica:0/task:0/device:CPU:0';
      facts.nodeCounts.ResourceApplyGradientDescent = facts.nodeCounts.ApplyGradientDescent;
      facts.nodeCounts.ApplyGradientDescent = undefined;
    };
    expect(differences('lenet_drep_cpu_n2', same)).toEqual([]);
  });

  test.each([
    ['variables.1', (facts) => Object.assign(facts.variables[1], { readDevice: '/job:ps/task:0' })],
    ['variables', (facts) => facts.variables.reverse()],
    ['savable', (facts) => facts.savable.pop()],
    ['loads', (facts) => Object.assign(facts.loads, { more: [1] })],
    ['stagingDeltas', (facts) => Object.assign(facts.stagingDeltas, { count: 1 })],
    ['trainableOnDevice.1.read', (facts) => facts.trainableOnDevice[1].read.reverse()],
    ['towers', (facts) => delete facts.trainableOnDevice[1]],
    ['apply.0.2.gradientOp', (facts) => Object.assign(facts.apply[0][2], { gradientOp: 'AddN' })],
    ['apply', (facts) => facts.apply.push([])],
    ['postInit', (facts) => facts.postInit.pop()],
    ['syncQueues', (facts) => Object.assign(facts.syncQueues[0], { capacity: 3 })],
    ['nodeCounts', (facts) => Object.assign(facts.nodeCounts.Mul, { '/gpu:0': 1 })],
    ['applyDevices', (facts) => Object.assign(facts, { applyDevices: 2 })],
  ])('sees a difference in %s', (path, change) => {
    const found = differences('lenet_drep_cpu_n2', change);
    expect(found.length).toBeGreaterThan(0);
    for (const line of found) expect(line.startsWith(path), line).toBe(true);
  });
});
