import type { Combination } from '@placewright/passes';
import { flagName } from './table.js';

/** Flags that make a change: `--use-nccl false`. */
export function changeFlags(change: Partial<Combination>): string {
  return Object.entries(change)
    .map(([name, value]) => {
      if (name === 'place') return value === 'local' ? 'no hosts' : '--ps-hosts and --worker-hosts';
      return value === 'own' ? `no ${flagName(name)}` : `${flagName(name)} ${value}`;
    })
    .join(' ');
}
