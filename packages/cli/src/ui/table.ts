import { visible } from '@placewright/ir';

/** A column of a printed table. */
export interface Column<T> {
  readonly title: string;
  readonly text: (row: T) => string;
  /** Numbers are set to the right. */
  readonly right?: boolean;
}

/** Rows under their titles, columns two spaces apart; no line ends in a space. */
export function formatTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ text }) => visible(text(row)))),
  ];
  const widths = columns.map((_, i) => cells.reduce((most, line) => Math.max(most, line[i]?.length ?? 0), 0));
  return cells
    .map((line) =>
      line
        .map((cell, i) => (columns[i]?.right ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Text broken into lines of at most `width` characters where it can be; all but the first begin with `indent`. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${indent}`);
}
