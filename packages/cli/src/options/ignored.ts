import { findStrategy, STRATEGIES } from '@placewright/passes';
import type { Io } from '../io.js';
import { printWarning } from '../ui/warning.js';
import { parseFlags } from './command-line.js';
import { TAKEN_BY_ALL } from './settings.js';
import { flagName } from './table.js';

/** Warns of each flag that changes nothing with the strategy. An options file may have such options in silence. */
export function warnOfIgnored(io: Io, flags: Readonly<Record<string, unknown>>, strategy: string): void {
  const given = parseFlags(flags);
  const { options } = findStrategy(strategy);
  for (const name of TAKEN_BY_ALL) {
    if (given[name] === undefined || options[name] !== null) continue;
    const others = STRATEGIES.filter((other) => other.options[name] !== null);
    printWarning(io, {
      code: 'PW_OPTION_IGNORED',
      message: `${flagName(name)} does nothing with ${strategy}`,
      hint: `leave it out, or use ${others.map((other) => `--strategy ${other.name}`).join(' or ')}`,
    });
  }
}
