import { nearest, PlacewrightError } from '@placewright/ir';
import { asyncRate } from './async-rate.js';
import { imbalance } from './imbalance.js';
import { variableMemory } from './memory.js';
import { movingAverages } from './moving-averages.js';
import { reductionSum } from './reduction-sum.js';
import { staleGradients } from './stale-gradients.js';
import { towersDiffer } from './towers-differ.js';
import type { Warning, WarningContext, WarningRule } from './warning.js';
import { workerSteps } from './worker-steps.js';
import { workersAdd } from './workers-add.js';

/** Every warning of a compilation. A new one is its file and a line here. */
export const WARNINGS: readonly WarningRule[] = [
  reductionSum,
  workersAdd,
  workerSteps,
  staleGradients,
  asyncRate,
  towersDiffer,
  movingAverages,
  imbalance,
  variableMemory,
];

/** What is worth a word about a compilation, but for the codes that are silenced. Throws PW_WARNING_UNKNOWN. */
export function warningsOf(context: WarningContext, silence: readonly string[] = []): Warning[] {
  checkSilenced(silence);
  return WARNINGS.flatMap(({ code, why, find }) => {
    const found = silence.includes(code) ? undefined : find(context);
    return found === undefined ? [] : [{ code, why, ...found }];
  });
}

/** A misspelt code would silence nothing, and nobody would know. */
export function checkSilenced(silence: readonly string[]): void {
  const codes = WARNINGS.map(({ code }) => code);
  const unknown = silence.find((code) => !codes.includes(code));
  if (unknown === undefined) return;
  const near = nearest(unknown, codes);
  throw new PlacewrightError('PW_WARNING_UNKNOWN', `there is no warning ${JSON.stringify(unknown)}`, {
    hint: near === undefined ? `there are ${codes.join(', ')}` : `did you mean ${near}?`,
  });
}
