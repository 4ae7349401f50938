/**
 * Errors for people and machines: a stable code, what was wrong, where, and what to do.
 *
 * `user` errors are the input's fault (exit code 1), `usage` errors the command line's (2), `internal` ones are ours
 * (70): a broken invariant after a pass, for one.
 */
export type ErrorKind = 'user' | 'usage' | 'internal';

/** Where an error happened; every part is optional and printed when there. */
export interface ErrorPlace {
  /** Rendered name of the node. */
  readonly node?: string;
  /** Name of the pass that was running. */
  readonly pass?: string;
  /** File (and line) of the user's input. */
  readonly file?: string;
  readonly line?: number;
  /** Counted from 1, in UTF-16 units. */
  readonly column?: number;
  /** Neighbouring lines of the text form. */
  readonly excerpt?: readonly string[];
}

export interface ErrorDetails {
  readonly kind?: ErrorKind;
  readonly where?: ErrorPlace;
  /** What the reader can do about it. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error class. `code` is stable (`PW_…`), in kebab-free upper case, and documented in `docs/errors.md`. */
export class PlacewrightError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly where: ErrorPlace;
  readonly hint: string;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PlacewrightError';
    this.code = code;
    this.kind = details.kind ?? 'user';
    this.where = details.where ?? {};
    this.hint = details.hint ?? '';
  }

  /** The same error with more of its place known; what is already known stays. */
  at(place: ErrorPlace): PlacewrightError {
    return new PlacewrightError(this.code, this.message, {
      kind: this.kind,
      where: { ...place, ...this.where },
      hint: this.hint,
      cause: this.cause,
    });
  }
}

/** Says that a switch over a union has met a value outside of it; a compile error as long as the switch is exhaustive. */
export function unreachable(value: never): never {
  throw new PlacewrightError('PW_INTERNAL_UNREACHABLE', `unexpected value ${JSON.stringify(value)}`, {
    kind: 'internal',
  });
}

// Controls, which a terminal obeys, and marks that hide text or turn it round on a screen.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must go
const HIDDEN = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text as a terminal may show it: every control character and invisible mark in writing, `\x1b`, `\u202e`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (hidden) => {
    const code = hidden.charCodeAt(0);
    if (hidden === '\n') return '\\n';
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

/** As `visible`, but lines that are indented stay lines of their own: those of a list are ours. */
export function visibleLines(text: string): string {
  return text
    .split(/\n(?= {2})/)
    .map(visible)
    .join('\n');
}

/** The error in a few lines, as a command prints it; never a stack trace, and no character that a terminal obeys. */
export function formatError(error: PlacewrightError): string {
  const { node, pass, excerpt } = error.where;
  const places = [
    textPlace(error.where),
    node === undefined ? '' : `node ${node}`,
    pass === undefined ? '' : `pass ${pass}`,
  ].filter((text) => text !== '');
  const lines = [`error[${error.code}]: ${visibleLines(error.message)}`];
  if (places.length > 0) lines.push(`  at: ${visible(places.join(', '))}`);
  if (excerpt !== undefined) lines.push(...excerpt.map((text) => `  | ${visible(text)}`));
  if (error.hint !== '') lines.push(`  do: ${visible(error.hint)}`);
  return lines.join('\n');
}

/** `model.pw:4:24`, which editors open; `line 4, column 24` where the file is not known. */
function textPlace({ file, line, column }: ErrorPlace): string {
  const counts = [line, column].filter((count) => count !== undefined);
  if (file !== undefined) return [file, ...counts].join(':');
  return ['line', 'column']
    .slice(0, counts.length)
    .map((word, i) => `${word} ${counts[i]}`)
    .join(', ');
}

/** The word of `words` nearest to `word` by edit distance, for "did you mean"; undefined when none is near. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 2)) + 1;
  for (const candidate of words) {
    const distance = editDistance(word.toLowerCase().slice(0, 64), candidate.toLowerCase().slice(0, 64));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance with two rows (Wagner and Fischer 1974). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
