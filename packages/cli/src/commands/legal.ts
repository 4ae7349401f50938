import { CHOICE_NAMES, CHOICE_VALUES, type LegalityRow, legalityRows } from '@placewright/passes';
import { changeFlags } from '../options/change-flags.js';
import { flagName, kebabCase } from '../options/table.js';
import { hanging, wrap } from '../ui/table.js';

/** The table of legal combinations as JSON: what can be chosen, and each combination in one row. */
export function legalJson() {
  return { choices: CHOICE_VALUES, combinations: legalityRows() };
}

/** The same in lines, strategy by strategy. */
export function legalText(columns: number): string {
  const rows = legalityRows();
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  const lines = CHOICE_VALUES.strategy.flatMap((strategy) => [
    '',
    strategy,
    ...rows.filter(({ when }) => when.strategy?.includes(strategy)).flatMap((row) => rowLines(row, columns)),
  ]);
  const names = CHOICE_NAMES.map((name) =>
    name === 'place' ? 'one machine or a cluster' : kebabCase(name).replaceAll('-', ' '),
  );
  const head = `${count} combinations of ${names.join(', ')}; what a line does not name can be anything`;
  return [wrap(head, columns), ...lines].join('\n');
}

function rowLines({ when, verdict }: LegalityRow, columns: number): string[] {
  const { strategy: _, place, ...rest } = when;
  const conditions = Object.entries(rest).map(
    ([name, values]) => `${flagName(name)} ${values.join('|').replace('own', '(not given)')}`,
  );
  const where = place === undefined ? 'anywhere' : place.map(placeText).join(' or ');
  const head = hanging('  ', [where, ...conditions].join(', '), columns);
  const line = (label: string, text: string): string => hanging(`    ${label}: `, text, columns);
  if (!verdict.legal)
    return [
      head,
      line('refused', verdict.refusals.map(({ reason }) => reason).join('; ')),
      line('nearest', changeFlags(verdict.change)),
    ];
  const ignored = verdict.ignored.map(({ option, reason }) => `${flagName(option)} does nothing: ${reason}`);
  return [head, '    legal', ...ignored.map((text) => hanging('      ', text, columns))];
}

function placeText(place: 'local' | 'cluster'): string {
  return place === 'local' ? 'one machine' : 'a cluster';
}
