import { PlacewrightError } from '@placewright/ir';
import { expect } from 'vitest';

/** The error that `body` throws, which must be one for users, with a code and something to do. */
export function thrown(body: () => unknown): PlacewrightError {
  try {
    body();
  } catch (error) {
    if (!(error instanceof PlacewrightError)) throw error;
    expect(error.kind).toBe('user');
    expect(error.hint).not.toBe('');
    return error;
  }
  throw new Error('nothing was thrown');
}

export const codeOf = (body: () => unknown): string => thrown(body).code;
