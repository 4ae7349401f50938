// The table of legal combinations, as `placewright strategies --legal` prints it.
import { changeText, legalityRows } from 'placewright';
import { code, table } from './markdown.mjs';

const PLACES = { local: 'one machine', cluster: 'a cluster' };

const conditions = ({ strategy: _, place: __, ...rest }) =>
  Object.entries(rest)
    .map(([name, values]) =>
      code(`${name}: ${values.map((value) => (value === 'own' ? 'left out' : value)).join(' or ')}`),
    )
    .join(', ');

function remark(verdict) {
  if (!verdict.legal) return verdict.refusals.map(({ reason }) => reason).join('; ');
  return (
    verdict.ignored.map(({ option, reason }) => `${code(option)} does nothing: ${reason}`).join('; ') || '–'
  );
}

/** Every combination of choices in one row. */
export function legality() {
  return table(
    ['strategy', 'where', 'choices', '', 'nearest', 'why, or what does nothing'],
    legalityRows().map(({ when, verdict }) => [
      code(when.strategy?.join(', ') ?? 'any'),
      when.place?.map((place) => PLACES[place]).join(' or ') ?? 'anywhere',
      conditions(when) || 'any',
      verdict.legal ? 'legal' : 'refused',
      verdict.legal ? '–' : changeText(verdict.change),
      remark(verdict),
    ]),
  );
}
