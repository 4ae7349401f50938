import { DTYPES } from '../dtype.js';

/** What may stand without quotes. */
const WORD = /^[A-Za-z_][\w./-]{0,255}$/;
/** Words that mean something else as a value. */
const RESERVED: ReadonlySet<string> = new Set([
  ...DTYPES,
  ...['true', 'false', 'nan', 'inf', 'shape', 'ints', 'floats', 'strings'],
]);
// Line ends that some editors know, other controls, and marks that reorder text on a screen.
const HIDDEN = /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A string in quotes, as JSON writes it, with invisible characters escaped too. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(
    HIDDEN,
    (hidden) => `\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A name: bare where it is a plain word, quoted otherwise. */
export function nameText(text: string): string {
  return WORD.test(text) ? text : quote(text);
}

/** A string as a value: bare where no reader would take it for a number, a type or a keyword. */
export function stringText(text: string): string {
  return WORD.test(text) && !RESERVED.has(text) ? text : quote(text);
}

/** An integer; zero keeps its sign. */
export function intText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** A float that reads back to the same bits and is never taken for an integer: `1.0`, `-0.0`, `1e-7`, `nan`, `-inf`. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const text = intText(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** A float that is exact in single precision, in as few digits as give the same float32 back. */
export function float32Text(value: number): string {
  if (!Number.isFinite(value) || Math.fround(value) !== value) return floatText(value);
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(short), value)) return floatText(short);
  }
  return floatText(value);
}
