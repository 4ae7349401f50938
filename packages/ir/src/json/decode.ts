import { nearest, PlacewrightError } from '../errors.js';
import { MAX_STRING } from '../text/cursor.js';

/** Reads an unknown value as a `T`; throws a `Misfit` when it is none. */
export type Decoder<T> = (value: unknown) => T;

/** A value that does not fit, with the way to it; keys and indices are put in front on the way up. */
export class Misfit extends Error {
  readonly path: (string | number)[] = [];
  readonly hint: string;

  constructor(message: string, hint = '') {
    super(message);
    this.name = 'Misfit';
    this.hint = hint;
  }

  /** `nodes[3].attrs[0].value`. */
  where(): string {
    return this.path
      .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${step}`))
      .join('');
  }
}

/** Runs `body`; a misfit in it, or an error of the IR, gets `step` in front of its path. */
function within<T>(step: string | number, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const misfit = error instanceof PlacewrightError ? new Misfit(error.message, error.hint) : error;
    if (misfit instanceof Misfit) misfit.path.unshift(step);
    throw misfit;
  }
}

/** A value as an error shows it. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (value === undefined) return 'missing';
  return (JSON.stringify(value) ?? typeof value).slice(0, 60);
}

export const text: Decoder<string> = (value) => {
  if (typeof value !== 'string') throw new Misfit(`is ${describe(value)}, not a string`);
  if (value.length > MAX_STRING) {
    throw new Misfit('is a string that is too long', `at most ${MAX_STRING} characters`);
  }
  return value;
};

export const bool: Decoder<boolean> = (value) => {
  if (typeof value !== 'boolean') throw new Misfit(`is ${describe(value)}, not true or false`);
  return value;
};

const UNUSUAL: ReadonlyMap<unknown, number> = new Map([
  ['nan', Number.NaN],
  ['inf', Infinity],
  ['-inf', -Infinity],
  ['-0', -0],
]);

/** A number, or one that JSON lacks as a string: `"nan"`, `"inf"`, `"-inf"`, `"-0"`. */
export const float: Decoder<number> = (value) => {
  const number = UNUSUAL.get(value) ?? value;
  if (typeof number !== 'number') throw new Misfit(`is ${describe(value)}, not a number`);
  return number;
};

/** A whole number within bounds. */
export function int(least = 0, most = Number.MAX_SAFE_INTEGER): Decoder<number> {
  return (value) => {
    const number = float(value);
    if (Number.isSafeInteger(number) && number >= least && number <= most) return number;
    throw new Misfit(`is ${describe(value)}`, `give a whole number from ${least} to ${most}`);
  };
}

export function oneOf<const T extends string>(words: readonly T[]): Decoder<T> {
  return (value) => {
    const known = words.find((word) => word === value);
    if (known !== undefined) return known;
    throw new Misfit(`is ${describe(value)}`, `one of ${words.join(', ')}`);
  };
}

export function nullable<T>(decode: Decoder<T>): Decoder<T | null> {
  return (value) => (value === null ? null : decode(value));
}

export function listOf<T>(decode: Decoder<T>): Decoder<T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new Misfit(`is ${describe(value)}, not a list`);
    return value.map((item, i) => within(i, () => decode(item)));
  };
}

/** How each field of a `T` is read; a field that may be left out has `undefined` in its type. */
export type Fields<T> = { readonly [K in keyof T]-?: Decoder<T[K]> };

/** An object with just these fields, of which the `optional` ones may be left out. */
export function record<T extends object>(
  fields: Fields<T>,
  optional: readonly (keyof T & string)[] = [],
): Decoder<T> {
  const keys = Object.keys(fields) as (keyof T & string)[];
  const known: ReadonlySet<string> = new Set(keys);
  return (value) => {
    const source = plainObject(value);
    for (const key of Object.keys(source)) if (!known.has(key)) throw unknownField(key, keys);
    const out: Partial<T> = {};
    for (const key of keys) {
      if (Object.hasOwn(source, key)) out[key] = within(key, () => fields[key](source[key]));
      else if (!optional.includes(key)) throw new Misfit(`lacks ${JSON.stringify(key)}`);
    }
    return out as T;
  };
}

function plainObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Misfit(`is ${describe(value)}, not an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function unknownField(key: string, known: readonly string[]): Misfit {
  const near = nearest(key, known);
  return new Misfit(
    `has an unknown field ${JSON.stringify(key.slice(0, 60))}`,
    near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`,
  );
}

/** An object whose field `kind` says which of the given decoders reads it. */
export function variant<K extends string, T>(decoders: { readonly [P in K]: Decoder<T> }): Decoder<T> {
  const kinds = oneOf(Object.keys(decoders) as K[]);
  return (value) => {
    const source = plainObject(value);
    const kind = within('kind', () => kinds(Object.hasOwn(source, 'kind') ? source.kind : undefined));
    return decoders[kind](value);
  };
}
