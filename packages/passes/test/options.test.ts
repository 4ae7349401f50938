import { DEFAULT_TRAINING, printModule, type TrainingSpec } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compile, independent, STRATEGIES } from '../src/index.js';
import { small, tasks } from './fixture.js';

/** Compiles with options as a program without types may give them. */
const compiled = (options: Readonly<Record<string, unknown>>) => () =>
  compile(small, { strategy: 'replicated', numGpus: 2, ...options } as CompileOptions);

/** A strategy of somebody's own, which the table of legal combinations does not know. */
const OWN = { ...independent, name: 'own' };

const error = (code: string, message: string, hint: string) =>
  expect.objectContaining({
    code,
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });

describe('options of a strategy', () => {
  it.each([
    [{ reduction: 'bar' }, 'reduction cannot be "bar"', 'sum, mean'],
    [{ localParameterDevice: 'foo' }, 'localParameterDevice cannot be "foo"', 'cpu, gpu'],
    [{ localParameterDevice: null }, 'localParameterDevice cannot be null', 'cpu, gpu'],
    [{ strategy: 'parameter_server', stagedVars: 'yes' }, 'stagedVars cannot be "yes"', 'true, false'],
    [{ useNccl: 1 }, 'useNccl cannot be 1', 'true, false'],
    [{ useNccl: Symbol('x') }, 'useNccl cannot be Symbol(x)', 'true, false'],
    [{ strategy: OWN, reduction: 'sum' }, 'does not take the option reduction', 'replicated'],
    [{ strategy: OWN, stagedVars: true }, 'does not take the option stagedVars', 'parameter_server'],
  ])('are refused: %o', (options, message, hint) => {
    expect(compiled(options)).toThrow(error('PW_STRATEGY_OPTION', message, hint));
  });

  it.each([
    { strategy: 'parameter_server', useNccl: true },
    { strategy: 'independent', localParameterDevice: 'gpu' },
    { strategy: 'independent', crossReplicaSync: true },
    { strategy: OWN, localParameterDevice: 'gpu' },
  ])('change nothing where a strategy does not take them, as in the original: %o', (options) => {
    const text = (options: Readonly<Record<string, unknown>>) => printModule(compiled(options)().module).text;
    expect(text(options)).toBe(text({ strategy: options.strategy }));
  });

  it.each(STRATEGIES.map(({ name }) => name))('may say no to what %s does not take', (strategy) => {
    // What needs parameter servers has them.
    const place = strategy === 'distributed_replicated' ? { cluster: tasks(2, 1), numGpus: undefined } : {};
    expect(compiled({ strategy, stagedVars: false, useNccl: false, ...place })).not.toThrow();
  });
});

describe('the number of devices', () => {
  it.each([1.5, 0, -1, Number.NaN, '2', 1e9])('cannot be %o', (numGpus) => {
    expect(compiled({ numGpus })).toThrow(error('PW_CLUSTER_SIZE', String(numGpus), 'whole number from 1'));
  });
});

describe('what to train with', () => {
  const momentum = { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true };
  const rmsprop = { kind: 'rmsprop', learningRate: 0.1, decay: 0.9, momentum: 0.9, epsilon: 1 };

  it.each([
    [{ optimizer: { kind: 'adam' } }, 'optimizer.kind cannot be "adam"', 'sgd, momentum, rmsprop'],
    [{ optimizer: { kind: 'toString' } }, 'optimizer.kind cannot be "toString"', 'sgd'],
    [{ optimizer: undefined }, 'optimizer cannot be undefined', 'an object'],
    [{ optimizer: { kind: 'sgd', learningRate: Number.NaN } }, 'learningRate cannot be NaN', 'finite'],
    [{ optimizer: { kind: 'sgd', learningRate: -0.1 } }, 'learningRate cannot be -0.1', 'from 0'],
    [{ optimizer: { kind: 'sgd', learningRate: '0.1' } }, 'learningRate cannot be "0.1"', 'number'],
    [{ optimizer: { kind: 'sgd', learningRate: 1e300 } }, 'learningRate cannot be 1e+300', 'finite'],
    [
      { optimizer: { ...momentum, momentum: Number.POSITIVE_INFINITY } },
      'momentum cannot be Infinity',
      '0 to 1',
    ],
    [{ optimizer: { ...momentum, nesterov: undefined } }, 'nesterov cannot be undefined', 'true or false'],
    [{ optimizer: { ...rmsprop, decay: Number.NaN } }, 'decay cannot be NaN', 'from 0 to 1'],
    [{ optimizer: { ...rmsprop, epsilon: 0 } }, 'epsilon cannot be 0', 'above 0'],
    [{ weightDecay: -1 }, 'weightDecay cannot be -1', 'from 0'],
    [{ weightDecay: Number.NaN }, 'weightDecay cannot be NaN', 'from 0'],
    [{ clip: { kind: 'value', limit: -1 } }, 'clip.limit cannot be -1', 'above 0'],
    [{ clip: { kind: 'globalNorm', limit: Number.NaN } }, 'clip.limit cannot be NaN', 'above 0'],
    [{ clip: { kind: 'norm', limit: 1 } }, 'clip.kind cannot be "norm"', 'none, value, globalNorm'],
    [{ clip: null }, 'clip cannot be null', 'an object'],
  ])('is refused: %o', (part, message, hint) => {
    expect(compiled({ training: { ...DEFAULT_TRAINING, ...part } })).toThrow(
      error('PW_TRAINING_VALUE', `training.`, hint),
    );
    expect(compiled({ training: { ...DEFAULT_TRAINING, ...part } })).toThrow(message);
  });

  it('is checked in a module, too', () => {
    const { source } = compiled({})();
    const training = { ...DEFAULT_TRAINING, weightDecay: -1 };
    expect(() => compile({ ...source, training }, { strategy: 'independent' })).toThrow(
      error('PW_TRAINING_VALUE', 'weightDecay', 'from 0'),
    );
  });

  it.each([
    DEFAULT_TRAINING,
    { ...DEFAULT_TRAINING, optimizer: momentum, clip: { kind: 'globalNorm', limit: 1e30 } } as TrainingSpec,
    { ...DEFAULT_TRAINING, optimizer: rmsprop, weightDecay: 0.1 } as TrainingSpec,
  ])('is taken when it is right: %o', (training) => {
    expect(compiled({ training })).not.toThrow();
  });
});
