import { buildModel, localCluster, type ModelDef, type TrainingSpec } from '@placewright/ir';
import { compile, findStrategy } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { checkMeaning, LOCAL_STRATEGIES, randomFloats, randomSource, withRuns } from '../src/index.js';

// Models that random ones do not reach.

const INPUTS = { x: { dtype: 'float32', shape: [2] } } as const;
type Build = ModelDef<typeof INPUTS>['build'];

const MOMENTUM: TrainingSpec = {
  optimizer: { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
  weightDecay: 0,
  clip: { kind: 'none' },
};

function batch(seed: number) {
  return new Map([['x', randomFloats([4, 2], randomSource(seed))]]);
}

function train(build: Build, training: TrainingSpec, strategy: string): void {
  const source = buildModel({ name: 'edge', inputs: INPUTS, build }, { training });
  const staged = strategy === 'parameter_server' ? { stagedVars: true } : {};
  const compilation = compile(source, {
    strategy: findStrategy(strategy),
    cluster: localCluster({ numGpus: 2 }),
    ...staged,
  });
  checkMeaning(withRuns(compilation, { warmUp: batch(0), eval: batch(1), steps: [2, 3, 4].map(batch) }));
}

/** A model that is trained, under every strategy, as the oracle trains it. */
function trains(title: string, build: Build, training = MOMENTUM): void {
  describe(title, () => {
    for (const { name } of LOCAL_STRATEGIES) test(name, () => train(build, training, name));
  });
}

const pair = { shape: [2] };

trains("a variable that is called like another's slot", (b, { x }) => {
  const w = b.variable('w', pair).value;
  const like = b.variable('w/Momentum', pair).value;
  return { loss: b.mean(b.square(b.mul(b.add(x, like), w))) };
});

trains('a variable that is read twice', (b, { x }) => {
  const { id, value } = b.variable('w', pair);
  const again = b.op('ReadVariableOp', [], { resources: [id], variable: 'w', dtype: 'float32' });
  return { loss: b.mean(b.square(b.mul(b.mul(x, value), again))) };
});

trains(
  'a variable that only weight decay reaches',
  (b, { x }) => {
    const w = b.variable('w', pair).value;
    const stopped = b.op('StopGradient', [b.variable('s', pair).value], { dtype: 'float32' });
    return { loss: b.mean(b.square(b.mul(b.add(x, stopped), w))) };
  },
  { ...MOMENTUM, weightDecay: 0.1 },
);

trains('a variable that is not trained, and that nothing updates', (b, { x }) => {
  const w = b.variable('w', pair).value;
  const frozen = b.variable('frozen', { ...pair, trainable: false }).value;
  return { loss: b.mean(b.square(b.mul(b.add(x, frozen), w))) };
});

trains('a loss that does not depend on the input', (b, { x }) => {
  const w = b.variable('w', { shape: [] }).value;
  return { loss: b.square(b.add(w, b.constant(1))), metrics: { mean: b.mean(x) } };
});

trains('no variables at all', (b, { x }) => ({ loss: b.mean(x) }));

trains('a tensor used twice, fetched, and counted', (b, { x }) => {
  const w = b.variable('w', pair).value;
  const twice = b.mul(w, b.constant(2));
  const loss = b.mean(b.square(b.add(b.mul(x, twice), twice)));
  return { loss, metrics: { totalCount: b.sum(w), twice } };
});

test("a variable outside of the towers that is called like one inside is the user's error", () => {
  for (const [strategy, name] of [
    ['parameter_server', 'v/w'],
    ['replicated', 'v1/w'],
  ] as const) {
    const build: Build = (b, { x }) => {
      const y = b.training ? x : b.add(x, b.variable(name, pair).value);
      return { loss: b.mean(b.square(b.mul(y, b.variable('w', pair).value))) };
    };
    expect(() => train(build, MOMENTUM, strategy)).toThrowError(
      expect.objectContaining({ code: 'PW_VARIABLE_NAME', kind: 'user' }),
    );
  }
});
