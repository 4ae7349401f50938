import {
  type Choices,
  completeOptions,
  STRATEGIES,
  type Strategy,
  type StrategyOptions,
  type Target,
} from '@placewright/passes';
import fc from 'fast-check';
import { record } from './record.js';

/** A strategy with the options that it takes, as `compile` wants them. */
export interface StrategyPlan {
  readonly strategy: string;
  readonly options: StrategyOptions;
  readonly target: Target;
}

/** What each option may be; a strategy takes those that its declaration does not call null. */
const VALUES: { readonly [K in keyof StrategyOptions]-?: readonly Exclude<StrategyOptions[K], undefined>[] } =
  {
    localParameterDevice: ['gpu', 'cpu'],
    stagedVars: [false, true],
    useNccl: [true, false],
    crossReplicaSync: [true, false],
    reduction: ['sum', 'mean'],
  };
const KEYS = Object.keys(VALUES) as (keyof StrategyOptions)[];

function choicesOf(strategy: Strategy, distributed: boolean): Choices {
  return strategy.choices(completeOptions(strategy, {}), {
    host: '',
    clipping: { kind: 'none' },
    distributed,
  });
}

/** Strategies that do without parameter servers: those for a local cluster. */
export const LOCAL_STRATEGIES: readonly Strategy[] = STRATEGIES.filter((strategy) => {
  const { home, counters } = choicesOf(strategy, false);
  return home !== 'leastBytes' && counters !== 'parameterServers';
});

/** Names of the strategies for workers with parameter servers. */
export const SERVED_STRATEGIES: ReadonlySet<string> = new Set(
  STRATEGIES.filter((strategy) => choicesOf(strategy, true).synchronisation !== 'none').map(
    ({ name }) => name,
  ),
);

function optionsOf(strategy: Strategy): fc.Arbitrary<StrategyOptions> {
  const taken = KEYS.filter((key) => strategy.options[key] !== null);
  const fields = taken.map((key) =>
    fc
      .option(fc.constantFrom<string | boolean>(...VALUES[key]), { nil: undefined })
      .map((value) => [key, value]),
  );
  return fc
    .tuple(...fields)
    .map((pairs) => Object.fromEntries(pairs.filter(([, value]) => value !== undefined)) as StrategyOptions);
}

/** Names of the strategies that need parameter servers. */
export const SERVERS_NEEDED: ReadonlySet<string> = new Set(
  STRATEGIES.filter((strategy) => !LOCAL_STRATEGIES.includes(strategy)).map(({ name }) => name),
);

/** Every strategy for a local cluster with every combination of options that it takes; options left out at times. */
export function strategyPlans(
  strategies: readonly Strategy[] = LOCAL_STRATEGIES,
): fc.Arbitrary<StrategyPlan> {
  const plans = strategies.map((strategy) =>
    record({
      strategy: fc.constant(strategy.name),
      options: optionsOf(strategy),
      target: record({ collectives: fc.constantFrom('nccl' as const, 'copies' as const) }),
    }),
  );
  return fc.oneof(...plans);
}
