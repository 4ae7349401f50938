import type { PlacementPlan } from './plan.js';
import type { MadeVariable } from './variables.js';

/**
 * What the compiled task initialises: the chief everything, another worker what is local to its task. What is called
 * local and lives on another task is shared by all the same, and is the chief's.
 */
export function initialisedBy({ site }: PlacementPlan, variables: readonly MadeVariable[]): string[] {
  const chief = site.servers === 0 || site.worker === 0;
  const own = ({ collection, device }: MadeVariable): boolean =>
    collection === 'local' && device.job === 'worker' && device.task === site.worker;
  return variables.filter((variable) => chief || own(variable)).map(({ shown }) => shown);
}
