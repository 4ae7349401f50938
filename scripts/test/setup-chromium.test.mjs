import { expect, test } from 'vitest';
import { planFor } from '../setup-chromium.mjs';

const machine = { found: undefined, env: {}, root: true, apt: true };

test('a Chromium that is there is used, whatever else is said', () => {
  expect(planFor({ ...machine, found: '/usr/bin/chromium', env: { CI: 'true' } })).toEqual({
    use: '/usr/bin/chromium',
  });
});

test('nothing is installed unasked: a line says what to type', () => {
  expect(planFor(machine).tell).toMatch(/skipped\. To run them: apt-get install chromium$/);
  expect(planFor({ ...machine, root: false }).tell).toMatch(/: sudo apt-get install chromium$/);
  expect(planFor({ ...machine, apt: false }).tell).toContain('PLACEWRIGHT_CHROMIUM');
  for (const env of [{ CI: 'false' }, { CI: '' }, { PLACEWRIGHT_SETUP: '0' }]) {
    expect(planFor({ ...machine, env }).install).toBeUndefined();
  }
});

test.each([{ CI: 'true' }, { PLACEWRIGHT_SETUP: '1' }])('it is installed when asked for: %j', (env) => {
  expect(planFor({ ...machine, env })).toEqual({ install: ['chromium'] });
  expect(planFor({ ...machine, env, root: false }).tell).toContain('sudo');
  expect(planFor({ ...machine, env, apt: false }).install).toBeUndefined();
});
