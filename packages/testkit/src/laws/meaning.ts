import type { Module, TensorValue } from '@placewright/ir';
import type { Choices } from '@placewright/passes';
import { distance, mustBeNear, mustBeSame, RUN_TOLERANCE, type Tolerance } from '../compare.js';
import { type Trace, type VariablePlace, variablePlaces } from '../lowered.js';
import { globalSteps, type OracleRun } from '../oracle/oracle.js';
import type { Prepared } from '../prepare.js';
import { towerVariables } from '../wishes.js';
import { broken, type Law, must } from './law.js';

/** Beyond this the run blows up, and float32 says nothing. */
const LARGEST = 1e4;
/** How many times what the last bits of the weights alone change is put down to rounding. */
const ROUNDING = 10;

export interface MeaningOptions {
  readonly tolerance?: Tolerance;
}

type Run = Omit<Prepared, 'case'>;

/** One tensor of a run: what it is called, and its value in any run of the oracle. */
interface Wanted {
  readonly what: string;
  readonly got: TensorValue | undefined;
  readonly want: (run: OracleRun) => TensorValue | undefined;
}

/**
 * The lowered module does what training means: its fetches, variables and optimizer slots, after initialisation and
 * after every step, and inference at the end, are the oracle's. Throws PW_LAW.
 */
export function checkMeaning(run: Run, options: MeaningOptions = {}): void {
  const tolerance = options.tolerance ?? RUN_TOLERANCE;
  const oracle = run.oracle();
  if (!(oracle.largest < LARGEST)) return;
  checkCounts(run, oracle);
  for (const { what, got, want } of wantedTensors(run, run.lowered())) {
    const value = want(oracle) ?? broken(`${what} is none that training knows of`);
    try {
      mustBeNear(what, got, value, tolerance);
    } catch (error) {
      // Where much cancels out, rounding is all that is left: as far as the oracle itself then strays is near enough.
      const stray = Math.max(...run.shaken().map((other) => distance(want(other), value)));
      if (stray === 0) throw error;
      mustBeNear(what, got, value, { ...tolerance, absolute: tolerance.absolute + ROUNDING * stray });
    }
  }
}

function wantedTensors({ compilation: { source, module } }: Run, trace: Trace): Wanted[] {
  const places = variablePlaces(module).filter(({ name, variable }) =>
    isTowers(source, name, variable.scope),
  );
  const fetch = (name: string, when: string) => `fetch ${JSON.stringify(name)} of ${when}`;
  const variables = (when: string, got: Trace['start'], step: number): Wanted[] =>
    places.map((place) => ({
      what: `${place.slot > 0 ? 'slot' : 'variable'} ${JSON.stringify(place.shown)} ${when}`,
      got: got.get(place.shown),
      want: (run) => valueAt(run, place, step),
    }));
  return [
    ...variables('after initialisation', trace.start, -1),
    ...trace.steps.flatMap(({ fetches, variables: after }, k) => [
      ...[...fetches].map(([name, got]) => ({
        what: fetch(name, `step ${k}`),
        got,
        want: (run: OracleRun) => run.steps[k]?.fetches.get(name),
      })),
      ...variables(`after step ${k}`, after, k),
    ]),
    ...[...trace.eval].map(([name, got]) => ({
      what: fetch(name, 'eval'),
      got,
      want: (run: OracleRun) => run.eval.get(name),
    })),
  ];
}

function isTowers(source: Run['compilation']['source'], name: string, scope: string): boolean {
  return scope !== '' && !globalSteps(source).includes(name);
}

function valueAt(
  run: OracleRun,
  { name, slot, tower, variable }: VariablePlace,
  step: number,
): TensorValue | undefined {
  const sets = step < 0 ? run.start : run.steps[step]?.sets;
  const data = sets?.[tower ?? 0]?.get(name)?.[slot];
  if (data === undefined) return undefined;
  return { dtype: 'float32', shape: variable.shape.map((dim) => dim ?? 0), data };
}

/** Nothing is missing; steps are counted; what is no tower's stays as it began. */
function checkCounts({ compilation: { source, module, choices }, lowered }: Run, oracle: OracleRun): void {
  const places = variablePlaces(module);
  const { start, steps, eval: inference } = lowered();
  const towers = places.filter(({ name, variable }) => isTowers(source, name, variable.scope));
  const wanted = countVariables(choices, source, oracle);
  must(towers.length === wanted, () => `towers have ${towers.length} variables and slots, not ${wanted}`);
  for (const [k, { fetches }] of oracle.steps.entries())
    for (const name of fetches.keys())
      must(steps[k]?.fetches.has(name) === true, () => `step ${k} gives no ${name}`);
  for (const name of oracle.eval.keys()) must(inference.has(name), () => `eval gives no ${name}`);
  const counts = new Set(globalSteps(source));
  for (const { shown, name, variable } of places) {
    if (variable.scope !== '') continue;
    const count = (k: number): TensorValue => ({
      dtype: 'int64',
      shape: [],
      data: BigInt64Array.of(BigInt(k)),
    });
    const want = (k: number) =>
      counts.has(name) ? count(k) : (oracle.outside.get(name) ?? broken(`${shown} is unknown`));
    mustBeSame(`${shown} after initialisation`, start.get(shown), want(0));
    steps.forEach(({ variables }, k) => {
      mustBeSame(`${shown} after step ${k}`, variables.get(shown), want(k + 1));
    });
  }
}

/** How many variables and slots the towers have; slots of shadows are there once, and so are shadows. */
function countVariables({ update }: Choices, source: Module, { start }: OracleRun): number {
  if (update === 'variables') return start.reduce((sum, set) => sum + [...set.values()].flat().length, 0);
  const trained = towerVariables(source).filter(({ trainable }) => trainable);
  const shadows = trained.reduce((sum, { name }) => sum + (start[0]?.get(name)?.length ?? 0), 0);
  return start.reduce((sum, { size }) => sum + size, shadows);
}

export const meaningLaw: Law = {
  name: 'meaning',
  summary: "losses, variables and slots of every step are the oracle's",
  check: (prepared) => checkMeaning(prepared),
};
