import type { TensorValue } from '@placewright/ir';
import { mustBeNear, mustBeSame, RUN_TOLERANCE, type Tolerance } from '../compare.js';
import { type VariablePlace, variablePlaces } from '../lowered.js';
import { globalSteps, type VariableSet } from '../oracle/oracle.js';
import type { Prepared } from '../prepare.js';
import { broken, type Law } from './law.js';

/** Beyond this the run blows up, and float32 says nothing. */
const LARGEST = 1e4;

export interface MeaningOptions {
  readonly tolerance?: Tolerance;
}

/**
 * The lowered module does what training means: its fetches, variables and optimizer slots, after initialisation and
 * after every step, and inference at the end, are the oracle's. Throws PW_LAW.
 */
export function checkMeaning(prepared: Omit<Prepared, 'case'>, options: MeaningOptions = {}): void {
  const tolerance = options.tolerance ?? RUN_TOLERANCE;
  const want = prepared.oracle();
  if (!(want.largest < LARGEST)) return;
  const got = prepared.lowered();
  const places = variablePlaces(prepared.compilation.module);
  checkVariables('after initialisation', prepared, places, got.start, want.start, 0, tolerance);
  want.steps.forEach(({ fetches, sets }, k) => {
    const step = got.steps[k];
    for (const [name, value] of fetches)
      mustBeNear(`fetch ${JSON.stringify(name)} of step ${k}`, step?.fetches.get(name), value, tolerance);
    checkVariables(`after step ${k}`, prepared, places, step?.variables ?? new Map(), sets, k + 1, tolerance);
  });
  for (const [name, value] of want.eval)
    mustBeNear(`fetch ${JSON.stringify(name)} of eval`, got.eval.get(name), value, tolerance);
}

function checkVariables(
  when: string,
  { compilation, oracle }: Omit<Prepared, 'case'>,
  places: readonly VariablePlace[],
  got: ReadonlyMap<string, TensorValue>,
  sets: readonly VariableSet[],
  steps: number,
  tolerance: Tolerance,
): void {
  const counts = new Set(globalSteps(compilation.source));
  const { outside } = oracle();
  let met = 0;
  for (const { shown, name, slot, tower, variable } of places) {
    const value = got.get(shown);
    const what = `variable ${JSON.stringify(shown)} ${when}`;
    const fixed = outside.get(name);
    if (counts.has(name)) {
      mustBeSame(what, value, { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(steps)) });
    } else if (fixed !== undefined && variable.scope === '') {
      mustBeSame(what, value, fixed);
    } else {
      const data = sets[tower ?? 0]?.get(name)?.[slot] ?? broken(`${what} is none that training knows of`);
      met += 1;
      mustBeNear(
        what,
        value,
        { dtype: 'float32', shape: variable.shape.map((dim) => dim ?? 0), data },
        tolerance,
      );
    }
  }
  const wanted = sets.reduce((sum, set) => sum + [...set.values()].flat().length, 0);
  if (met !== wanted) broken(`${when} there are ${met} variables and slots of towers, not ${wanted}`);
}

export const meaningLaw: Law = {
  name: 'meaning',
  summary: "losses, variables and slots of every step are the oracle's",
  check: (prepared) => checkMeaning(prepared),
};
