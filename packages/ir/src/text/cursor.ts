import { nearest, PlacewrightError } from '../errors.js';

/** Longest quoted string: more is taken for an attack. */
export const MAX_STRING = 2 ** 24;
/** Longest text, in UTF-16 units. */
export const MAX_TEXT = 2 ** 28;
/** Longest number or bare word. */
const MAX_TOKEN = 4096;

const WORD = /[A-Za-z_][\w./-]*/y;
const NUMBER = /[+-]?(?:inf|nan|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?![\w./-])/y;
const DEVICE = /[\w:/*]+/y;
const HASH = /sha256:[0-9a-f]+/y;

/** For errors of which the message says all. */
const FORM_HINT =
  'docs/text-form.md shows how each line is written; `placewright compile --out FILE` writes a text anew';

/** What an error in a text tells beside its message. */
export interface FaultOptions {
  readonly code?: string;
  readonly hint?: string;
  readonly node?: string;
  /** Offset in the text; the cursor's own when left out. */
  readonly at?: number;
  readonly cause?: unknown;
}

/**
 * A place in a text that is being read, token by token. Reading throws PW_PARSE with line, column and the neighbouring
 * lines. Spaces and comments before a token are skipped, line ends are not.
 */
export class Cursor {
  pos = 0;
  readonly text: string;
  readonly file: string | undefined;

  constructor(text: string, file?: string) {
    this.text = text;
    this.file = file;
    if (text.length > MAX_TEXT) {
      throw this.fault(`the text has ${text.length} characters`, { hint: `at most ${MAX_TEXT} are read` });
    }
  }

  /** An error here, to be thrown. */
  fault(message: string, options: FaultOptions = {}): PlacewrightError {
    const { code = 'PW_PARSE', hint = '', node, at = this.pos, cause } = options;
    const { line, column, excerpt } = placeOf(this.text, at);
    return new PlacewrightError(code, message, {
      where: {
        line,
        column,
        excerpt,
        ...(this.file === undefined ? {} : { file: this.file }),
        ...(node === undefined ? {} : { node }),
      },
      hint: hint || FORM_HINT,
      cause,
    });
  }

  /** The next character after spaces and comments; `''` at the end of the text. */
  peek(): string {
    const { text } = this;
    let at = this.pos;
    for (let unit = text.charCodeAt(at); ; unit = text.charCodeAt(at)) {
      if (unit === 0x20 || unit === 0x09 || unit === 0x0d) at += 1;
      else if (unit === 0x23) at = lineEnd(text, at);
      else break;
    }
    this.pos = at;
    return text.charAt(at);
  }

  atLineEnd(): boolean {
    const next = this.peek();
    return next === '\n' || next === '';
  }

  /** Goes to the first token of the next line that has one; false at the end of the text. */
  nextLine(): boolean {
    while (this.peek() === '\n') this.pos += 1;
    return this.pos < this.text.length;
  }

  endLine(): void {
    if (!this.atLineEnd()) {
      throw this.fault(`unexpected ${this.found()} at the end of the line`, {
        hint: 'each line holds one thing; take the rest away, or begin a line with it',
      });
    }
  }

  /** Takes `token` if it comes next. */
  accept(token: string): boolean {
    this.peek();
    if (!this.text.startsWith(token, this.pos)) return false;
    this.pos += token.length;
    return true;
  }

  expect(token: string, hint?: string): void {
    if (this.accept(token)) return;
    throw this.fault(
      `expected ${JSON.stringify(token)}, found ${this.found()}`,
      hint === undefined ? {} : { hint },
    );
  }

  /** What comes next, as an error names it. */
  found(): string {
    const next = this.peek();
    if (next === '') return 'the end of the text';
    if (next === '\n') return 'the end of the line';
    const rest = this.text.slice(this.pos, this.pos + 24).split(/[\s,]/, 1)[0] ?? '';
    return JSON.stringify(rest === '' ? next : rest);
  }

  /** A bare word, or null when none comes next. */
  tryWord(): string | null {
    return this.#match(WORD);
  }

  word(what: string): string {
    return this.tryWord() ?? this.#missing(what);
  }

  /** One of the given words. */
  oneOf<const T extends string>(words: readonly T[], what: string): T {
    const at = this.pos;
    const word = this.word(what);
    const known = words.find((candidate) => candidate === word);
    if (known !== undefined) return known;
    const near = nearest(word, words);
    throw this.fault(`${JSON.stringify(word.slice(0, 80))} is no ${what}`, {
      at,
      hint: near === undefined ? `one of ${words.join(', ')}` : `did you mean ${near}?`,
    });
  }

  /** A name: a bare word or a quoted string. */
  name(what: string): string {
    return this.peek() === '"' ? this.string(what) : this.word(what);
  }

  /** A quoted string. */
  string(what: string): string {
    if (this.peek() !== '"') this.#missing(`${what} in quotes`);
    const start = this.pos;
    const end = this.#stringEnd(start);
    this.pos = end;
    const raw = this.text.slice(start, end);
    if (!raw.includes('\\')) return raw.slice(1, -1);
    try {
      return String(JSON.parse(raw));
    } catch {
      throw this.fault(`${what} has a bad escape`, { at: start, hint: 'write strings as JSON does' });
    }
  }

  /** Offset after the closing quote. */
  #stringEnd(start: number): number {
    const { text } = this;
    for (let i = start + 1; i < text.length && i - start <= MAX_STRING; i++) {
      const unit = text.charCodeAt(i);
      if (unit === 0x22) return i + 1;
      if (unit === 0x5c) i += 1;
      else if (unit < 0x20) break;
    }
    const long = text.length - start > MAX_STRING && !text.slice(start, start + MAX_STRING).includes('\n');
    throw this.fault(long ? 'a string is too long' : 'a string does not end on its line', {
      at: start,
      hint: long
        ? `at most ${MAX_STRING} characters`
        : 'close it with ", and write control characters as \\u000a',
    });
  }

  /** The text of a number, or null when none comes next. */
  tryNumber(): string | null {
    return this.#match(NUMBER);
  }

  /** An integer from `least` to `most`. */
  int(what: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
    const token = this.tryNumber() ?? this.#missing(what);
    return this.toInt(token, what, least, most);
  }

  /** The token just read as an integer. */
  toInt(token: string, what: string, least: number, most: number): number {
    const value = Number(token);
    if (!/^[+-]?\d+$/.test(token) || value < least || value > most) {
      throw this.fault(`${what} cannot be ${token.slice(0, 40)}`, {
        at: this.pos - token.length,
        hint: `write a whole number from ${least} to ${most}`,
      });
    }
    return value;
  }

  float(what: string): number {
    return this.toFloat(this.tryNumber() ?? this.#missing(what), what);
  }

  /** The token just read as a float. */
  toFloat(token: string, what: string): number {
    if (/nan$/.test(token)) return Number.NaN;
    if (/inf$/.test(token)) return token.startsWith('-') ? -Infinity : Infinity;
    const value = Number(token);
    if (Number.isFinite(value)) return value;
    throw this.fault(`${what} cannot be ${token.slice(0, 40)}: a float64 ends at 1.8e308`, {
      at: this.pos - token.length,
      hint: 'write inf where infinity is meant',
    });
  }

  /** A device name as written, bare or quoted. */
  device(): string {
    if (this.peek() === '"') return this.string('a device');
    return this.#match(DEVICE) ?? this.#missing('a device');
  }

  /** A content hash, or null when none comes next. */
  tryHash(): string | null {
    return this.#match(HASH);
  }

  #match(pattern: RegExp): string | null {
    this.peek();
    pattern.lastIndex = this.pos;
    if (!pattern.test(this.text)) return null;
    const token = this.text.slice(this.pos, pattern.lastIndex);
    if (token.length > MAX_TOKEN)
      throw this.fault(`a word of ${token.length} characters is too long`, {
        hint: `write at most ${MAX_TOKEN} characters without quotes; longer names stand in quotes`,
      });
    this.pos = pattern.lastIndex;
    return token;
  }

  #missing(what: string): never {
    throw this.fault(`expected ${what}, found ${this.found()}`);
  }
}

/** Offset of the line end at or after `from`. */
function lineEnd(text: string, from: number): number {
  const newline = text.indexOf('\n', from);
  return newline < 0 ? text.length : newline;
}

const SHOWN = 100;

/** Line and column (from 1) of an offset, with the lines around it and a caret below the column. */
export function placeOf(text: string, at: number): { line: number; column: number; excerpt: string[] } {
  const offset = Math.min(at, text.length);
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line += 1;
  const start = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
  const column = offset - start + 1;
  const shift = Math.max(0, column - Math.floor(SHOWN * 0.7));
  const excerpt: string[] = [];
  const before = linesBefore(text, start, 2);
  before.forEach((from, i) => {
    excerpt.push(shownLine(text, from, line - before.length + i, 0));
  });
  excerpt.push(shownLine(text, start, line, shift));
  excerpt.push(
    `${' '.repeat(String(line).length)}  ${' '.repeat(column - 1 - shift + (shift > 0 ? 1 : 0))}^`,
  );
  for (let i = 1, from = start; i <= 2; i++) {
    from = text.indexOf('\n', from) + 1;
    if (from === 0 || from >= text.length) break;
    excerpt.push(shownLine(text, from, line + i, 0));
  }
  return { line, column, excerpt };
}

function linesBefore(text: string, start: number, count: number): number[] {
  const starts: number[] = [];
  for (let from = start; from > 0 && starts.length < count; ) {
    from = from < 2 ? 0 : text.lastIndexOf('\n', from - 2) + 1;
    starts.unshift(from);
  }
  return starts;
}

/** One line with its number; cut to what a screen shows, control characters made visible. */
function shownLine(text: string, start: number, line: number, shift: number): string {
  const end = lineEnd(text, start);
  const from = start + shift;
  const shown = text.slice(from, Math.min(end, from + SHOWN));
  const visible = [...shown].map((char) => (/[\p{Cc}\p{Cf}]/u.test(char) ? '·' : char)).join('');
  return `${line}: ${shift > 0 ? '…' : ''}${visible}${end > from + SHOWN ? '…' : ''}`;
}
