import { readdirSync, readFileSync } from 'node:fs';
import type { Facts } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { compareFacts } from '../src/compare-facts.js';
import { factsByRules } from '../src/models/facts.js';
import type { FlagPlan, PlacementPlan, VariablePlan } from '../src/models/plan.js';

// What the compiler is compared with is itself held against the recorded runs of the original.

const HOME = new URL('../data/goldens/placement/', import.meta.url);

interface Recorded {
  readonly case: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly apply: Facts['apply'];
  readonly variables: readonly { name: string; shape: number[]; dtype: 'float32'; trainable: boolean }[];
}

const RECORDED = readdirSync(HOME)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(new URL(file, HOME), 'utf8')) as Recorded)
  .filter(({ variables }) => Array.isArray(variables));

function planOf({ options, variables }: Recorded): PlacementPlan {
  const hosts = (list: unknown): number => (Array.isArray(list) ? list.length : 0);
  const { variableUpdate, localParameterDevice = 'gpu', optimizer = 'sgd' } = options as Partial<FlagPlan>;
  const SLOT = /\/(Momentum|RMSProp(_1)?)$/;
  return {
    variables: variables
      .filter(({ name }) => /^v0?\//.test(name) && !SLOT.test(name))
      .map(
        ({ name, shape, dtype, trainable }): VariablePlan => ({
          ...{ name: name.slice(name.indexOf('/') + 1), shape, dtype, device: null, collection: 'global' },
          use: trainable ? 'trained' : 'averaged',
        }),
      ),
    site: {
      servers: hosts(options.psHosts),
      workers: Math.max(1, hosts(options.workerHosts)),
      worker: Number(options.taskIndex ?? 0),
      towers: Number(options.numGpus),
      type: 'GPU',
    },
    flags: {
      ...{ variableUpdate: variableUpdate ?? 'parameter_server', localParameterDevice, optimizer },
      ...{ stagedVars: options.stagedVars === true, useNccl: options.useNccl !== false },
      ...{ crossReplicaSync: options.crossReplicaSync !== false, reduction: 'own' },
    },
  };
}

/** With the recorded op where a gradient ends in whatever its tower ends in, of which the rules say nothing. */
function factsLike({ apply }: Recorded, plan: PlacementPlan): Facts {
  const facts = factsByRules(plan);
  const opOf = (list: number, row: number): string => apply[list]?.[row]?.gradientOp ?? '';
  return {
    ...facts,
    apply: facts.apply.map((list, i) =>
      list.map((row, k) => (row.gradientOp === '' ? { ...row, gradientOp: opOf(i, k) } : row)),
    ),
  };
}

describe('the rules give what the original was recorded to do', () => {
  test('all recordings are there', () => {
    expect(RECORDED.length).toBeGreaterThanOrEqual(70);
  });

  test.for(RECORDED)('$case', (recorded) => {
    expect(compareFacts({ ...recorded }, { ...factsLike(recorded, planOf(recorded)) })).toEqual([]);
  });
});
