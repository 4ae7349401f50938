import { PlacewrightError } from '@placewright/ir';
import type { Prepared } from '../prepare.js';

/** What holds of every compilation. */
export interface Law {
  readonly name: string;
  readonly summary: string;
  /** Throws PW_LAW, or whatever error the compilation has, when the law is broken. */
  readonly check: (prepared: Prepared) => void;
}

/** Says that a law is broken; `hint` says what to look at. */
export function broken(message: string, hint = ''): never {
  throw new PlacewrightError('PW_LAW', message, { kind: 'internal', hint });
}

/** Throws PW_LAW unless `holds`. */
export function must(holds: boolean, message: () => string): void {
  if (!holds) broken(message());
}
