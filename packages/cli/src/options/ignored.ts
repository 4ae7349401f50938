import { CHOICE_VALUES, type Combination, combinationOf, legalityOf, waysToUse } from '@placewright/passes';
import type { Io } from '../io.js';
import { printWarning } from '../ui/warning.js';
import { changeFlags } from './change-flags.js';
import { parseFlags } from './command-line.js';
import type { ModelSettings } from './settings.js';
import { flagName } from './table.js';

/**
 * Warns of each flag that changes nothing with the other choices, by the table of legal combinations. An options file
 * may have such options in silence.
 */
export function warnOfIgnored(
  io: Io,
  flags: Readonly<Record<string, unknown>>,
  settings: ModelSettings,
): void {
  const given = parseFlags(flags);
  const combination = combinationOfSettings(settings);
  const found = combination === undefined ? undefined : legalityOf(combination);
  if (combination === undefined || !found?.legal) return;
  for (const { option, reason } of found.ignored) {
    if (given[option] === undefined) continue;
    const ways = waysToUse(option, combination).map(changeFlags);
    printWarning(io, {
      code: 'PW_OPTION_IGNORED',
      message: `${flagName(option)} does nothing with ${settings.strategy} here: ${reason}`,
      hint: ['leave it out', ...ways.map((way) => `use ${way}`)].join(', or '),
    });
  }
}

/** What the settings choose, as the table of legal combinations has it. */
export function combinationOfSettings(settings: ModelSettings): Combination | undefined {
  const strategy = CHOICE_VALUES.strategy.find((name) => name === settings.strategy);
  if (strategy === undefined) return undefined;
  const { strategyOptions: options, cluster, training } = settings;
  return combinationOf(strategy, { options, cluster, training });
}
