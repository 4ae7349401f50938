import { nearest, PlacewrightError } from '@placewright/ir';
import { shown } from '../check-options.js';
import type { Strategy, StrategyOptions } from './choices.js';
import { distributedReplicated } from './distributed-replicated.js';
import { independent } from './independent.js';
import { parameterServer } from './parameter-server.js';
import { replicated } from './replicated.js';

/** Every strategy. A new one is its file and a line here. */
const ALL = [independent, parameterServer, replicated, distributedReplicated] as const;
export const STRATEGIES: readonly Strategy[] = ALL;

/** Names of the strategies, for the compiler of TypeScript to check. */
export type StrategyName = (typeof ALL)[number]['name'];

/** The strategy of that name. Throws PW_STRATEGY_UNKNOWN with the nearest one. */
export function findStrategy(name: string): Strategy {
  const found = STRATEGIES.find((strategy) => strategy.name === name);
  if (found !== undefined) return found;
  const names = STRATEGIES.map((strategy) => strategy.name);
  const near = nearest(name, names);
  throw new PlacewrightError('PW_STRATEGY_UNKNOWN', `there is no strategy ${JSON.stringify(name)}`, {
    hint:
      near === undefined
        ? `use one of ${names.join(', ')}`
        : `did you mean ${near}? There are ${names.join(', ')}`,
  });
}

/** What each option may be. */
const ALLOWED: {
  readonly [K in keyof StrategyOptions]-?: readonly Exclude<StrategyOptions[K], undefined>[];
} = {
  localParameterDevice: ['cpu', 'gpu'],
  stagedVars: [true, false],
  useNccl: [true, false],
  crossReplicaSync: [true, false],
  reduction: ['sum', 'mean'],
};
const OPTION_NAMES = Object.keys(ALLOWED) as readonly (keyof StrategyOptions)[];

/** Options that change nothing with a strategy that does not take them, as in the original. Others ask for something. */
const IGNORABLE: readonly (keyof StrategyOptions)[] = ['localParameterDevice', 'useNccl', 'crossReplicaSync'];

/**
 * Options with the strategy's defaults filled in. Throws PW_STRATEGY_OPTION for a value that an option cannot have, and
 * for stagedVars or a reduction that the strategy does not take.
 */
export function completeOptions(strategy: Strategy, given: StrategyOptions): Required<StrategyOptions> {
  for (const name of OPTION_NAMES) {
    const value = given[name];
    if (value === undefined) continue;
    if (!ALLOWED[name].some((allowed) => allowed === value)) throw impossible(name, value);
    const asks = value !== false && !IGNORABLE.includes(name);
    if (asks && strategy.options[name] === null) throw refused(strategy, name);
  }
  const { localParameterDevice, stagedVars, useNccl, crossReplicaSync, reduction } = strategy.options;
  return {
    localParameterDevice: given.localParameterDevice ?? localParameterDevice ?? 'cpu',
    stagedVars: given.stagedVars ?? stagedVars ?? false,
    useNccl: given.useNccl ?? useNccl ?? false,
    crossReplicaSync: given.crossReplicaSync ?? crossReplicaSync ?? true,
    reduction: given.reduction ?? reduction ?? 'sum',
  };
}

function impossible(option: keyof StrategyOptions, value: unknown): PlacewrightError {
  return new PlacewrightError('PW_STRATEGY_OPTION', `the option ${option} cannot be ${shown(value)}`, {
    hint: `use one of ${ALLOWED[option].join(', ')}`,
  });
}

function refused(strategy: Strategy, option: keyof StrategyOptions): PlacewrightError {
  const others = STRATEGIES.filter(({ options }) => options[option] !== null).map(({ name }) => name);
  return new PlacewrightError(
    'PW_STRATEGY_OPTION',
    `strategy ${strategy.name} does not take the option ${option}`,
    {
      hint: `leave it out, or use ${others.join(' or ')}`,
    },
  );
}
