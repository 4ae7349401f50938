import {
  buildModel,
  type ClipSpec,
  DEFAULT_TRAINING,
  defineModel,
  distributedCluster,
  localCluster,
  type Module,
  type OptimizerSpec,
  type PlacewrightError,
  printModule,
} from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import {
  CHOICE_NAMES,
  CHOICE_VALUES,
  type Combination,
  type CompileOptions,
  changeText,
  combinations,
  compile,
  IGNORED,
  legalityOf,
  legalityRows,
  REFUSALS,
  STRATEGIES,
  waysToUse,
} from '../src/index.js';

/** As little as can be trained: the table has thousands of rows. */
const line = defineModel({
  name: 'line',
  inputs: { x: { dtype: 'float32', shape: [1] } },
  build(b, { x }) {
    const slope = b.variable('slope', { shape: [1, 1], initializer: { kind: 'ones' } });
    return { loss: b.mean(b.square(b.matMul(x, slope.value))) };
  },
});
const SOURCE = buildModel(line);
const PLACES = {
  local: localCluster({ numGpus: 2 }),
  cluster: distributedCluster({ numGpus: 2, psHosts: ['p:1', 'q:1'], workerHosts: ['v:1', 'w:1'] }),
};
const OPTIMIZERS: { readonly [K in OptimizerSpec['kind']]: OptimizerSpec } = {
  sgd: { kind: 'sgd', learningRate: 0.1 },
  momentum: { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
  rmsprop: { kind: 'rmsprop', learningRate: 0.1, decay: 0.9, momentum: 0.9, epsilon: 1 },
};
const CLIPS: { readonly [K in ClipSpec['kind']]: ClipSpec } = {
  none: { kind: 'none' },
  value: { kind: 'value', limit: 1 },
  globalNorm: { kind: 'globalNorm', limit: 1 },
};

const ALL = combinations() as Combination[];

function lowered(combination: Combination): Module {
  const { place, reduction, clipping, optimizer, ...options } = combination;
  const training = { ...DEFAULT_TRAINING, optimizer: OPTIMIZERS[optimizer], clip: CLIPS[clipping] };
  const call: CompileOptions = {
    ...options,
    ...(reduction === 'own' ? {} : { reduction }),
    cluster: PLACES[place],
    verify: false,
  };
  return compile({ ...SOURCE, training }, call).module;
}

function refusalOf(combination: Combination): PlacewrightError | undefined {
  try {
    lowered(combination);
    return undefined;
  } catch (error) {
    return error as PlacewrightError;
  }
}

const keyOf = (combination: Combination): string =>
  JSON.stringify(CHOICE_NAMES.map((name) => combination[name]));

describe('the table of legal combinations', () => {
  it('has a row for each combination of the choices, and every strategy', () => {
    const count = Object.values(CHOICE_VALUES).reduce((product, values) => product * values.length, 1);
    expect(new Set(ALL.map(keyOf)).size).toBe(count);
    expect(CHOICE_VALUES.strategy).toEqual(STRATEGIES.map(({ name }) => name));
  });

  it('compiles what is legal, and refuses the rest with the reason and what is legal', () => {
    for (const combination of ALL) {
      const found = legalityOf(combination);
      const error = refusalOf(combination);
      if (found.legal) {
        expect(error, keyOf(combination)).toBeUndefined();
        continue;
      }
      expect(error?.code, keyOf(combination)).toBe('PW_STRATEGY_ILLEGAL');
      for (const { reason } of found.refusals) expect(error?.message).toContain(reason);
      expect(error?.hint).toContain(changeText(found.change));
      expect(legalityOf({ ...combination, ...found.change }).legal, keyOf(combination)).toBe(true);
    }
  });

  it('names a nearest combination that no smaller change makes legal', () => {
    for (const combination of ALL) {
      const found = legalityOf(combination);
      if (found.legal) continue;
      const names = CHOICE_NAMES.filter((name) => found.change[name] !== undefined);
      expect(names.length).toBeGreaterThan(0);
      for (const kept of names)
        expect(legalityOf({ ...found.nearest, [kept]: combination[kept] }).legal, keyOf(combination)).toBe(
          false,
        );
    }
  });

  it('asks of every refusal and every ignored option that some combination meets it', () => {
    const found = ALL.map(legalityOf);
    const refused = new Set(found.flatMap((row) => (row.legal ? [] : row.refusals)));
    const ignored = new Set(found.flatMap((row) => (row.legal ? row.ignored : [])));
    expect(refused).toEqual(new Set(REFUSALS));
    expect(ignored).toEqual(new Set(IGNORED));
  });
});

describe('an option that a combination ignores', () => {
  const PLAIN = ALL.filter(({ optimizer, clipping }) => optimizer === 'sgd' && clipping === 'none');
  const texts = new Map(
    PLAIN.filter((combination) => legalityOf(combination).legal).map((combination) => [
      keyOf(combination),
      printModule(lowered(combination)).text,
    ]),
  );
  const OPTIONS = ['localParameterDevice', 'useNccl', 'crossReplicaSync', 'stagedVars'] as const;

  it.each(OPTIONS)('changes nothing of the graph, and one that it does not ignore does: %s', (option) => {
    for (const combination of PLAIN) {
      const found = legalityOf(combination);
      const others = CHOICE_VALUES[option].flatMap(
        (value) => texts.get(keyOf({ ...combination, [option]: value })) ?? [],
      );
      if (!found.legal || others.length < 2) continue;
      const ignored = found.ignored.some((other) => other.option === option);
      expect(new Set(others).size, keyOf(combination)).toBe(ignored ? 1 : 2);
    }
  });

  it('has a way to be of use, which is legal', () => {
    for (const combination of PLAIN) {
      const found = legalityOf(combination);
      for (const { option } of found.legal ? found.ignored : [])
        for (const change of waysToUse(option, combination)) {
          const there = legalityOf({ ...combination, ...change });
          expect(there.legal && there.ignored.every((other) => other.option !== option)).toBe(true);
        }
    }
  });
});

it('puts every combination into one row', () => {
  const rows = legalityRows();
  expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(ALL.length);
  for (const combination of ALL) {
    const meeting = rows.filter(({ when }) =>
      CHOICE_NAMES.every(
        (name) => (when[name] as readonly unknown[] | undefined)?.includes(combination[name]) ?? true,
      ),
    );
    expect(meeting, keyOf(combination)).toHaveLength(1);
    expect(legalityOf(combination)).toMatchObject(meeting[0]?.verdict ?? {});
  }
});

it.each([
  [{ strategy: 'replicated', place: 'cluster' }, { strategy: 'distributed_replicated' }],
  [{ strategy: 'distributed_replicated', place: 'local' }, { strategy: 'replicated' }],
  [{ strategy: 'independent', place: 'cluster' }, { strategy: 'distributed_replicated' }],
  [{ strategy: 'independent', stagedVars: true }, { stagedVars: false }],
  [{ strategy: 'replicated', place: 'cluster', stagedVars: true }, { strategy: 'parameter_server' }],
  [
    { strategy: 'distributed_replicated', place: 'cluster', crossReplicaSync: false },
    { crossReplicaSync: true },
  ],
  [{ strategy: 'independent', reduction: 'mean' }, { reduction: 'own' }],
] as const)('comes nearest to %o with %o', (asked, change) => {
  const combination: Combination = {
    ...{ strategy: 'parameter_server', place: 'local', stagedVars: false, localParameterDevice: 'gpu' },
    ...{ useNccl: true, crossReplicaSync: true, reduction: 'own', clipping: 'none', optimizer: 'sgd' },
    ...asked,
  };
  expect(legalityOf(combination)).toMatchObject({ legal: false, change });
});
