import {
  CHOICE_NAMES,
  CHOICE_VALUES,
  type ChoiceName,
  type Combination,
  type Ignored,
  legalityOf,
  type Pattern,
  type Refusal,
} from './legality.js';

/** Combinations of which the same holds: those with one of the values for each choice that is named. */
export interface LegalityRow {
  readonly when: Pattern;
  /** How many combinations it stands for. */
  readonly count: number;
  readonly verdict:
    | { readonly legal: true; readonly ignored: readonly Ignored[] }
    | {
        readonly legal: false;
        readonly refusals: readonly Refusal[];
        /** What makes each of them the nearest legal combination. */
        readonly change: Partial<Combination>;
      };
}

/** Every combination, each in one row; a choice that decides nothing is not named. */
export function legalityRows(): LegalityRow[] {
  return rowsFrom({}, CHOICE_NAMES);
}

function rowsFrom(fixed: Partial<Combination>, open: readonly ChoiceName[]): LegalityRow[] {
  const [name, ...rest] = open;
  if (name === undefined) return [{ when: {}, count: 1, verdict: verdictOf(fixed as Combination) }];
  const groups = new Map<string, { readonly values: unknown[]; readonly rows: LegalityRow[] }>();
  for (const value of CHOICE_VALUES[name]) {
    const rows = rowsFrom({ ...fixed, [name]: value }, rest);
    const key = JSON.stringify(rows);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { values: [value], rows });
    else known.values.push(value);
  }
  return [...groups.values()].flatMap(({ values, rows }) =>
    rows.map(({ when, count, verdict }) => ({
      when: groups.size === 1 ? when : { [name]: values, ...when },
      count: count * values.length,
      verdict,
    })),
  );
}

function verdictOf(combination: Combination): LegalityRow['verdict'] {
  const found = legalityOf(combination);
  if (found.legal) return found;
  const { legal, refusals, change } = found;
  return { legal, refusals, change };
}
