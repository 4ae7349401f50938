const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);

/** Text that can stand between tags or in a quoted attribute; control characters that HTML forbids are shown as �. */
export function escapeHtml(text: string): string {
  return (
    text
      .replace(/[&<>"']/g, (char) => ENTITIES.get(char) ?? char)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must go
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ud800-\udfff]/gu, '�')
  );
}

/** JSON that can stand in a `<script>` element: nothing in it can end the element or begin a comment. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

type AttrValues = Readonly<Record<string, string | number | undefined>>;

/** An element; attributes are escaped, children are markup. Numbers get at most two digits after the point. */
export function element(tag: string, attrs: AttrValues, ...children: readonly string[]): string {
  const parts = Object.entries(attrs).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const text = typeof value === 'number' ? String(Math.round(value * 100) / 100) : escapeHtml(value);
    return [` ${name}="${text}"`];
  });
  return `<${tag}${parts.join('')}>${children.join('')}</${tag}>`;
}

/** Tables of more columns are no tables on a narrow screen. */
const STACKED_FROM = 2;

/**
 * An HTML table; cells are text. Columns named in `right` hold numbers. Each cell knows its title, which a narrow screen
 * shows beside it.
 */
export function htmlTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  options: {
    readonly right?: ReadonlySet<string>;
    readonly caption?: string;
    /** Class of the table. */
    readonly kind?: string;
  } = {},
): string {
  const { right = new Set<string>(), caption, kind: look = '' } = options;
  const stacked = titles.length > STACKED_FROM ? 'wide' : '';
  const kind = (i: number): string | undefined => (right.has(titles[i] ?? '') ? 'n' : undefined);
  const head = titles.map((title, i) => element('th', { scope: 'col', class: kind(i) }, escapeHtml(title)));
  const body = rows.map((row) =>
    element(
      'tr',
      {},
      ...row.map((cell, i) => element('td', { class: kind(i), 'data-title': titles[i] }, escapeHtml(cell))),
    ),
  );
  // Outside of what can be scrolled, so that it is always read from its begin.
  const above = caption === undefined ? '' : element('p', { class: 'caption' }, escapeHtml(caption));
  return (
    above +
    element(
      'div',
      { class: 'scroll' },
      element(
        'table',
        { class: `${stacked} ${look}`.trim() || undefined },
        element('thead', {}, element('tr', {}, ...head)),
        element('tbody', {}, ...body),
      ),
    )
  );
}
