import { type Attr, type Attrs, attrFits, PlacewrightError } from '@placewright/ir';

const KINDS = ['int', 'float', 'bool', 'string', 'dtype', 'shape', 'ints', 'floats', 'strings'] as const;

/** Attributes as one line of JSON, numbers exact to the bit; tensors are left out, which no expanded op has. */
export function attrsText(attrs: Attrs): string {
  const rows = [...attrs].flatMap(([name, { kind, value }]) =>
    kind === 'tensor' ? [] : [[name, kind, plain(value)]],
  );
  return JSON.stringify(rows);
}

/** JSON has no name for some numbers. */
const plain = (value: unknown): unknown =>
  typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? { number: numberText(value) }
    : value;
const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

/** Reads what `attrsText` wrote. Throws PW_GRAPHDEF_ATTR. */
export function attrsFromText(text: string): Map<string, Attr> {
  const rows = parsed(text);
  if (!Array.isArray(rows)) throw bad();
  const out = new Map<string, Attr>();
  for (const row of rows as unknown[]) {
    if (!Array.isArray(row)) throw bad();
    const [name, kind, value] = row as unknown[];
    const attr = { kind, value: numberOf(value) } as Attr;
    const known = KINDS.some((each) => each === kind);
    if (typeof name !== 'string' || !known || !attrFits(attr)) throw bad();
    out.set(name, attr);
  }
  return out;
}

function numberOf(value: unknown): unknown {
  const { number } = typeof value === 'object' && value !== null ? (value as { number?: unknown }) : {};
  return typeof number === 'string' ? Number(number) : value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw bad();
  }
}

function bad(): PlacewrightError {
  return new PlacewrightError(
    'PW_GRAPHDEF_ATTR',
    'the attributes that Placewright wrote beside a node are damaged',
    {
      hint: 'write the graph again with `placewright compile --graphdef FILE`',
    },
  );
}
