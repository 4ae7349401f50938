import { PlacewrightError } from '@placewright/ir';
import { callPass, type Pass, type PassCall, type PassOptions } from '@placewright/passes';
import { assertLaws, type CheckOptions, type CheckReport, checkLaws } from './check.js';
import { contractLaw } from './laws/contract.js';
import { textLaw } from './laws/form.js';
import type { Law } from './laws/law.js';
import { meaningLaw } from './laws/meaning.js';
import { scheduleLaw } from './laws/schedule.js';

/** Where a pass of one's own goes in the pipelines that it is tried in. */
export type PassPosition = 'first' | 'last' | { readonly before: string } | { readonly after: string };

export interface CheckPassOptions<O extends PassOptions = PassOptions> extends Omit<CheckOptions, 'prepare'> {
  /** `{ before: 'place-rest' }` unless given: all that a step does is there, and what has no device yet gets one. */
  readonly at?: PassPosition;
  /** Options of the pass; those left out at their defaults. */
  readonly options?: Partial<O>;
}

/** What every pass must keep: what is computed, in whatever order, what the strategy promises, and a module that prints. */
export const PASS_LAWS: readonly Law[] = [meaningLaw, contractLaw, scheduleLaw, textLaw];

/**
 * Tries a pass of one's own on random models, strategies and clusters: with it in the pipeline, the lowered module is
 * still valid and still means what the model means. Throws PW_LAW_BROKEN with the smallest case that shows otherwise,
 * PW_PASS_UNKNOWN when there is no such position.
 */
export function checkPass<O extends PassOptions>(pass: Pass<O>, options: CheckPassOptions<O> = {}): void {
  assertLaws(lawOptions(pass, options));
}

/** As `checkPass`, with a report in the place of an error. */
export function reportPass<O extends PassOptions>(
  pass: Pass<O>,
  options: CheckPassOptions<O> = {},
): CheckReport {
  return checkLaws(lawOptions(pass, options));
}

function lawOptions<O extends PassOptions>(pass: Pass<O>, options: CheckPassOptions<O>): CheckOptions {
  const { at = { before: 'place-rest' }, options: own = {}, ...rest } = options;
  const call = callPass<O>(pass, own as Partial<O>);
  const pipeline = (calls: readonly PassCall[]): readonly PassCall[] => insertPass(calls, call, at);
  return { laws: PASS_LAWS, ...rest, prepare: { compile: { pipeline } } };
}

/** The pipeline with one more pass. Throws PW_PASS_UNKNOWN when no pass of it has the name. */
export function insertPass(
  calls: readonly PassCall[],
  call: PassCall,
  at: PassPosition,
): readonly PassCall[] {
  if (at === 'first') return [call, ...calls];
  if (at === 'last') return [...calls, call];
  const name = 'before' in at ? at.before : at.after;
  const index = calls.findIndex(({ pass }) => pass.name === name);
  if (index < 0) {
    throw new PlacewrightError('PW_PASS_UNKNOWN', `the pipeline has no pass ${JSON.stringify(name)}`, {
      hint: `it has ${calls.map(({ pass }) => pass.name).join(', ')}`,
    });
  }
  return calls.toSpliced('before' in at ? index : index + 1, 0, call);
}
