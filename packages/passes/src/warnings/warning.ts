import type { Module, TrainingSpec } from '@placewright/ir';
import type { Choices, Contract } from '../strategies/choices.js';

/** Something that is no error, but that has cost people days. */
export interface Warning {
  /** Stable: it is what silences the warning. */
  readonly code: string;
  /** What is so, with its figures. */
  readonly message: string;
  /** Why that matters, in a sentence. */
  readonly why: string;
  /** What to do about it. */
  readonly hint: string;
}

/** What a warning may look at: the lowered module, and how it came about. */
export interface WarningContext {
  readonly module: Module;
  readonly strategy: string;
  readonly choices: Choices;
  readonly contract: Contract;
  readonly training: TrainingSpec;
}

/** One thing to warn of: one file, one line in the registry, one test. */
export interface WarningRule {
  readonly code: string;
  /** One line for help and documents: when it comes. */
  readonly summary: string;
  /** Why it is worth a word, in a sentence. */
  readonly why: string;
  /** What is so and what to do, or undefined where there is nothing to warn of. */
  readonly find: (context: WarningContext) => Pick<Warning, 'message' | 'hint'> | undefined;
}
