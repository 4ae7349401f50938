/** The snippets of docs/builder.md. They are type-checked with the tests, and scripts/test/docs.test.mjs runs them. */
import {
  affine,
  builtinRegistry,
  type Compilation,
  compile,
  conv,
  defineModel,
  extendRegistry,
  type Feeds,
  findEngine,
  layerContext,
  mpool,
  type OpDecl,
  tensorOf,
  tensorType,
  train,
} from 'placewright';

// #region line
export const line = defineModel({
  name: 'line',
  inputs: {
    x: { dtype: 'float32', shape: [1] },
    y: { dtype: 'float32', shape: [1] },
  },
  build(b, { x, y }) {
    const slope = b.variable('slope', { shape: [1, 1], initializer: { kind: 'zeros' } });
    const offset = b.variable('offset', { shape: [1], initializer: { kind: 'zeros' } });
    const guess = b.biasAdd(b.matMul(x, slope.value), offset.value);
    return { loss: b.mean(b.square(b.sub(guess, y))) };
  },
});
// #endregion

/** Trains `line` on y = 2x + 1 with two towers; gives the variables by shown name. */
export async function fitLine(): Promise<Map<string, number>> {
  // #region run
  const { module } = compile(line, { strategy: 'parameter_server', localParameterDevice: 'cpu', numGpus: 2 });
  const batch = new Map([
    ['x', tensorOf('float32', [4, 1], [0, 1, 2, 3])],
    ['y', tensorOf('float32', [4, 1], [1, 3, 5, 7])],
  ]);
  const session = await findEngine('reference').load(module);
  await train(session, { module, steps: 300, feeds: Array<Feeds>(300).fill(batch).values() });
  const variables = await session.readVariables();
  await session.close();
  // #endregion
  return new Map([...variables].map(([name, { data }]) => [name, Number(data[0])]));
}

// #region training
export const withMomentum: Compilation = compile(line, {
  strategy: 'replicated',
  numGpus: 2,
  reduction: 'mean',
  training: {
    optimizer: { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
    weightDecay: 4e-5,
    clip: { kind: 'globalNorm', limit: 1 },
  },
  seed: 7,
});
// #endregion

// #region groups
export const twoLayers = defineModel({
  name: 'twoLayers',
  inputs: { x: { dtype: 'float32', shape: [4] }, labels: { dtype: 'int32', shape: [] } },
  build(b, { x, labels }) {
    const hidden = b.group('hidden', () => {
      const weights = b.variable('weights', { shape: [4, 8] }); // hidden/weights
      return b.relu(b.matMul(x, weights.value));
    });
    const logits = b.group('out', () => {
      const weights = b.variable('weights', {
        shape: [8, 3],
        initializer: { kind: 'truncatedNormal', stddev: 0.1 },
      });
      return b.matMul(hidden, weights.value); // out/weights
    });
    return {
      loss: b.mean(b.sparseSoftmaxCrossEntropy(logits, labels)),
      metrics: { correctCount: b.correctCount(logits, labels), probabilities: b.softmax(logits) },
    };
  },
});
// #endregion

// #region average
export const withAverage = defineModel({
  name: 'withAverage',
  inputs: { x: { dtype: 'float32', shape: [3] } },
  build(b, { x }) {
    const scale = b.variable('scale', { shape: [3], initializer: { kind: 'ones' } });
    const average = b.variable('average', { shape: [3], initializer: { kind: 'zeros' }, trainable: false });
    const mean = b.training ? b.mean(x, [0]) : average.value;
    if (b.training) b.assignSub(average, b.mul(b.sub(average.value, mean), b.constant(0.1)));
    return { loss: b.mean(b.square(b.mul(b.sub(x, mean), scale.value))) };
  },
});
// #endregion

// #region layers
export const small = defineModel({
  name: 'small',
  inputs: { images: { dtype: 'float32', shape: [12, 12, 3] }, labels: { dtype: 'int32', shape: [] } },
  build(b, { images, labels }) {
    const layers = layerContext(b, { dataFormat: 'NHWC' });
    const features = mpool(layers, conv(layers, images, { filters: 8, size: 3 }), { size: 2 });
    const logits = affine(layers, b.flatten(features), { units: 10, activation: 'linear' });
    return {
      loss: b.mean(b.sparseSoftmaxCrossEntropy(logits, labels)),
      metrics: { correctCount: b.correctCount(logits, labels) },
    };
  },
});
// #endregion

// #region types
export const wrongTypes = defineModel({
  name: 'wrongTypes',
  inputs: { x: { dtype: 'float32', shape: [1] }, labels: { dtype: 'int32', shape: [] } },
  build(b, { x, labels }) {
    // @ts-expect-error: a float32 and an int32 cannot be added
    const sum = b.add(x, labels);
    // @ts-expect-error: the labels are integers
    b.sparseSoftmaxCrossEntropy(sum, x);
    // @ts-expect-error: a product has two sides
    b.matMul(x);
    return { loss: b.mean(b.add(x, b.cast(labels, 'float32'))) };
  },
});
// #endregion

// #region anyOp
export const huber = defineModel({
  name: 'huber',
  inputs: { x: { dtype: 'float32', shape: [2] } },
  build(b, { x }) {
    const weight = b.variable('weight', { shape: [2], initializer: { kind: 'ones' } });
    const error = b.op('Abs', [b.mul(x, weight.value)], { dtype: 'float32' });
    const capped = b.op('Minimum', [error, b.constant(1)], { name: 'cap', dtype: 'float32' });
    const [left, right] = b.ops('Split', [capped], { attrs: { axis: 1, num_split: 2 } });
    if (left === undefined || right === undefined)
      throw new Error('Split gives as many outputs as asked for');
    return { loss: b.mean(b.op('AddV2', [left, right], { dtype: 'float32' })) };
  },
});
// #endregion

// #region device
export const onHost = defineModel({
  name: 'onHost',
  inputs: { x: { dtype: 'float32', shape: [2] } },
  build(b, { x }) {
    const weight = b.variable('weight', { shape: [2], initializer: { kind: 'ones' } });
    const scaled = b.op('Mul', [x, weight.value], { dtype: 'float32', device: '/device:CPU:0' });
    return { loss: b.mean(b.square(scaled)) };
  },
});
// #endregion

// #region ownOp
/** `x` to the power of an attribute. */
const power: OpDecl = {
  op: 'Power',
  summary: 'x to the power of exponent, element by element',
  inputs: [{ name: 'x', dtype: ['float32', 'float64'] }],
  attrs: { exponent: { kind: 'int' } },
  effect: { kind: 'pure' },
  infer: (context) => {
    if (context.attr('exponent', 'int') < 1) context.fail('exponent must be at least 1');
    return [tensorType(context.input(0).dtype, context.input(0).shape)];
  },
  gradient: ({ inputs, attr, grad, op, constant, type }) => {
    const [x] = inputs;
    const exponent = attr('exponent', 'int');
    if (x === undefined || exponent === 1) return [grad(0)];
    const [below] = op('Power', [x], { exponent: exponent - 1 });
    const [slope] = op('Mul', [below, constant(type(x).dtype, exponent)]);
    return [op('Mul', [grad(0), slope])[0]];
  },
};

export const registry = extendRegistry(builtinRegistry, [power]);

export const cubic = defineModel({
  name: 'cubic',
  inputs: { x: { dtype: 'float32', shape: [1] } },
  build(b, { x }) {
    const weight = b.variable('weight', { shape: [1], initializer: { kind: 'ones' } });
    const cube = b.op('Power', [b.mul(x, weight.value)], { attrs: { exponent: 3 }, dtype: 'float32' });
    return { loss: b.mean(cube) };
  },
});

export const withOwnOp: Compilation = compile(cubic, { strategy: 'independent', registry });
// #endregion

/** For the tests of what the page says about several towers. */
export const twoTowers: Compilation = compile(twoLayers, { strategy: 'independent', numGpus: 2 });
export const placedByHand: Compilation = compile(onHost, { strategy: 'independent', numGpus: 2 });
