import { visible } from '@placewright/ir';

/** A column of a printed table. */
export interface Column<T> {
  readonly title: string;
  readonly text: (row: T) => string;
  /** Numbers are set to the right, and never broken. */
  readonly right?: boolean;
}

const GAP = '  ';
/** No column of text is squeezed below this. */
const LEAST_WIDTH = 16;

/**
 * Rows under their titles, columns two spaces apart; no line ends in a space. Where the rows are longer than `width`,
 * texts are broken inside of their columns, from the longest on; where that is not enough, the first cell of each row
 * gets a line of its own.
 */
export function formatTable<T>(columns: readonly Column<T>[], rows: readonly T[], width: number): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ text }) => visible(text(row)))),
  ];
  const natural = columns.map((_, i) => longest(cells.map((line) => line[i] ?? '')));
  const widths = squeeze(columns, cells, natural, width);
  if (total(widths) <= width || columns.length < 2) return setRows(columns, cells, widths);
  const rest = columns.slice(1);
  const tail = cells.map(([, ...others]) => others);
  const inner = squeeze(rest, tail, natural.slice(1), width - GAP.length);
  return cells
    .map(([first = ''], i) => {
      const below = setRows(rest, [tail[i] ?? []], inner);
      return `${first}\n${indented(below, GAP)}`;
    })
    .join('\n');
}

const longest = (texts: readonly string[]): number =>
  texts.reduce((most, { length }) => Math.max(most, length), 0);

const total = (widths: readonly number[]): number =>
  widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1));

/** Widths that fit, as far as texts can be broken: the widest column of text gives way first. */
function squeeze<T>(
  columns: readonly Column<T>[],
  cells: readonly (readonly string[])[],
  natural: readonly number[],
  width: number,
): number[] {
  const widths = [...natural];
  const least = columns.map(({ right }, i) => {
    if (right) return natural[i] ?? 0;
    const words = cells.flatMap((line) => (line[i] ?? '').split(' '));
    return Math.min(natural[i] ?? 0, Math.max(LEAST_WIDTH, longest(words)));
  });
  for (let over = total(widths) - width; over > 0; over--) {
    let widest = -1;
    for (const [i, each] of widths.entries()) {
      if (each > (least[i] ?? 0) && each >= (widths[widest] ?? 0)) widest = i;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function setRows<T>(
  columns: readonly Column<T>[],
  cells: readonly (readonly string[])[],
  widths: readonly number[],
): string {
  return cells.map((line) => setRow(columns, line, widths)).join('\n');
}

/** One row, in as many lines as its longest cell takes. */
function setRow<T>(
  columns: readonly Column<T>[],
  line: readonly string[],
  widths: readonly number[],
): string {
  const blocks = line.map((cell, i) => (columns[i]?.right ? [cell] : wrapLines(cell, widths[i] ?? 0)));
  const height = blocks.reduce((most, { length }) => Math.max(most, length), 1);
  return Array.from({ length: height }, (_, k) =>
    blocks
      .map((block, i) => {
        const text = block[k] ?? '';
        return columns[i]?.right ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
      })
      .join(GAP)
      .trimEnd(),
  ).join('\n');
}

function indented(text: string, indent: string): string {
  return text.replace(/^/gm, indent);
}

function wrapLines(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Text in lines of at most `width` characters where it can be broken; all but the first begin with `indent`. */
export function wrap(text: string, width: number, indent = ''): string {
  return wrapLines(text, width - indent.length).join(`\n${indent}`);
}

/** A label and a text that hangs beside it, in lines of at most `width` characters where it can be broken. */
export function hanging(label: string, text: string, width: number): string {
  return label + wrapLines(text, width - label.length).join(`\n${' '.repeat(label.length)}`);
}
