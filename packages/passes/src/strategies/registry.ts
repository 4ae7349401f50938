import { nearest, PlacewrightError } from '@placewright/ir';
import type { Strategy, StrategyOptions } from './choices.js';
import { independent } from './independent.js';
import { parameterServer } from './parameter-server.js';
import { replicated } from './replicated.js';

/** Every strategy. A new one is its file and a line here. */
export const STRATEGIES: readonly Strategy[] = [independent, parameterServer, replicated];

/** Strategies of the original that this version does not have yet. */
const LATER = ['distributed_replicated'];

/** The strategy of that name. Throws PW_STRATEGY_UNKNOWN with the nearest one. */
export function findStrategy(name: string): Strategy {
  const found = STRATEGIES.find((strategy) => strategy.name === name);
  if (found !== undefined) return found;
  const names = STRATEGIES.map((strategy) => strategy.name);
  if (LATER.includes(name)) {
    throw new PlacewrightError(
      'PW_STRATEGY_UNSUPPORTED',
      `strategy ${name} needs a cluster of several tasks, which is not supported yet`,
      {
        hint: `use one of ${names.join(', ')}`,
      },
    );
  }
  const near = nearest(name, names);
  throw new PlacewrightError('PW_STRATEGY_UNKNOWN', `there is no strategy ${JSON.stringify(name)}`, {
    hint:
      near === undefined
        ? `use one of ${names.join(', ')}`
        : `did you mean ${near}? There are ${names.join(', ')}`,
  });
}

/**
 * Options with the strategy's defaults filled in. Throws PW_STRATEGY_OPTION for one that the strategy does not take,
 * given with a value that would change something, and names a strategy that takes it.
 */
export function completeOptions(strategy: Strategy, given: StrategyOptions): Required<StrategyOptions> {
  const { localParameterDevice, stagedVars, useNccl, reduction } = strategy.options;
  if (given.stagedVars === true && stagedVars === null) throw refused(strategy, 'stagedVars');
  if (given.reduction !== undefined && reduction === null) throw refused(strategy, 'reduction');
  return {
    localParameterDevice: given.localParameterDevice ?? localParameterDevice ?? 'cpu',
    stagedVars: given.stagedVars ?? stagedVars ?? false,
    useNccl: given.useNccl ?? useNccl ?? false,
    reduction: given.reduction ?? reduction ?? 'sum',
  };
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
