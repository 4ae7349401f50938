import { mustBeSame } from '../compare.js';
import { runLowered, type Trace } from '../lowered.js';
import type { Prepared } from '../prepare.js';
import type { Law } from './law.js';

/** Orders that are tried beside the first topological one. */
const SEEDS = [1, 2];

/** Any order of ready nodes gives the same bits: nothing races. */
export const scheduleLaw: Law = {
  name: 'schedule',
  summary: 'every order of ready nodes gives the same bits',
  check: (prepared) => {
    const want = prepared.lowered();
    const { compilation, feeds } = prepared;
    for (const seed of SEEDS) {
      const got = runLowered(compilation.module, feeds, { schedule: { seed: seed + prepared.case.seed } });
      mustBeSameTrace(`with schedule ${seed}`, got, want);
    }
  },
};

/** Throws PW_LAW at the first bit that differs. */
export function mustBeSameTrace(how: string, got: Trace, want: Trace): void {
  for (const [name, value] of want.start)
    mustBeSame(`initial ${JSON.stringify(name)} ${how}`, got.start.get(name), value);
  want.steps.forEach(({ fetches, variables }, k) => {
    const step = got.steps[k];
    for (const [name, value] of fetches)
      mustBeSame(`fetch ${JSON.stringify(name)} of step ${k} ${how}`, step?.fetches.get(name), value);
    for (const [name, value] of variables)
      mustBeSame(`variable ${JSON.stringify(name)} after step ${k} ${how}`, step?.variables.get(name), value);
  });
  for (const [name, value] of want.eval)
    mustBeSame(`fetch ${JSON.stringify(name)} of eval ${how}`, got.eval.get(name), value);
}

/** How many steps a trace repeats the first loss, when every step takes the same batch and each step changes the weights. */
export function repeatedLosses(prepared: Prepared): number {
  const { compilation, feeds } = prepared;
  const [batch] = feeds.steps;
  if (batch === undefined) return 0;
  const trace = runLowered(compilation.module, { ...feeds, steps: feeds.steps.map(() => batch) });
  const losses = trace.steps.map(({ fetches }) => fetches.get('loss')?.data[0]);
  const changed = losses.findIndex((loss) => loss !== losses[0]);
  return (changed < 0 ? losses.length : changed) - 1;
}
