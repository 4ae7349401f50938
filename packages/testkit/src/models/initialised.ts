import type { PlacementPlan } from './plan.js';
import type { MadeVariable } from './variables.js';

/** What the compiled task initialises: the chief everything, another worker what is local to its task. */
export function initialisedBy({ site }: PlacementPlan, variables: readonly MadeVariable[]): string[] {
  const chief = site.servers === 0 || site.worker === 0;
  return variables.filter(({ collection }) => chief || collection === 'local').map(({ shown }) => shown);
}
