/** A cell's text as Markdown keeps it: one line, bars escaped. */
const cellText = (cell) => String(cell).replaceAll('\n', ' ').replaceAll('|', '\\|');

/** A table in Markdown, its columns padded as the formatter pads them. */
export function table(headings, rows) {
  const cells = [headings, ...rows].map((row) => row.map(cellText));
  const widths = headings.map((_, i) => Math.max(3, ...cells.map((row) => [...row[i]].length)));
  const line = (row, fill = ' ') =>
    `| ${row.map((cell, i) => cell + fill.repeat(widths[i] - [...cell].length)).join(' | ')} |`;
  const [head, ...body] = cells;
  return [
    line(head),
    line(
      head.map(() => ''),
      '-',
    ),
    ...body.map((row) => line(row)),
  ].join('\n');
}

export const code = (text) => `\`${text}\``;
export const codes = (names) => (names.length === 0 ? '–' : names.map(code).join(', '));

/** A fenced block. */
export const block = (language, text) => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;

/** `1234567` bytes as `1.2 MB`. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(2)} MB`;
}
