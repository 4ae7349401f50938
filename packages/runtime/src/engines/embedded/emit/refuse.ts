import { PlacewrightError } from '@placewright/ir';

const SHOWN = 8;

/** Throws PW_ENGINE_OP for reasons with the nodes that they hold for, if there are any. */
export function throwRefused(reasons: ReadonlyMap<string, readonly string[]>): void {
  const [first] = reasons.values();
  if (first === undefined) return;
  const lines = [...reasons].map(([why, names]) => {
    const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
    return `${why} (${names.slice(0, SHOWN).join(', ')}${more})`;
  });
  throw new PlacewrightError('PW_ENGINE_OP', `the embedded engine cannot run ${lines.join('; ')}`, {
    where: { node: first[0] ?? '' },
    hint: 'run it on the reference engine, or replace these ops',
  });
}
