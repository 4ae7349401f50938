import type { AttrDecl, InferContext, OpDecl } from '../op.js';
import { formatShape, isStatic, type TensorType, tensorType } from '../shape.js';
import { toNumbers } from '../tensor.js';
import { declareOps, floatAttr, INT, int32, pure, ranked, SHAPE, spelledShape } from './shared.js';

const NORMAL_ATTRS = { mean: floatAttr(0), stddev: floatAttr(1) };

/** Pseudo-random numbers by a counter-based generator: the same for the same seeds, wherever and whenever drawn. */
function random(summary: string, attrs: Readonly<Record<string, AttrDecl>>): Omit<OpDecl, 'op'> {
  return {
    summary,
    inputs: [],
    attrs: { shape: SHAPE, seed: INT, seed2: { kind: 'int', default: 0 }, ...attrs },
    effect: pure,
    infer: randomType,
    gradient: 'zero',
  };
}

const UNIFORM_ATTRS = { minval: floatAttr(0), maxval: floatAttr(1) };
const SEED_ZERO: AttrDecl = { kind: 'int', default: 0 };

export const randomOps = declareOps({
  StatelessRandomUniform: random('float32 numbers, uniform from minval up to maxval', UNIFORM_ATTRS),
  StatelessRandomNormal: random('float32 numbers, normal', NORMAL_ATTRS),
  StatelessTruncatedNormal: random(
    'float32 numbers, normal, drawn again beyond two standard deviations',
    NORMAL_ATTRS,
  ),
  StatelessRandomUniformV2: {
    summary:
      'as StatelessRandomUniform, of the shape that the int32 vector names and by a seed int64[2] besides: ' +
      'other numbers each step for dropout',
    inputs: [int32('shape'), { name: 'seed', dtype: ['int64'] }],
    attrs: { seed: SEED_ZERO, seed2: SEED_ZERO, ...UNIFORM_ATTRS },
    effect: pure,
    infer: seededType,
    gradient: 'zero',
  },
});

const MAX_SEED = 2 ** 32 - 1;

function randomType(context: InferContext): readonly TensorType[] {
  const shape = context.attr('shape', 'shape');
  if (!isStatic(shape)) context.fail(`shape ${formatShape(shape)} must be fully known`);
  checkSeeds(context);
  return [tensorType('float32', shape)];
}

function checkSeeds(context: InferContext): void {
  for (const name of ['seed', 'seed2']) {
    const seed = context.attr(name, 'int');
    if (seed < 0 || seed > MAX_SEED) context.fail(`${name} ${seed} must be from 0 to ${MAX_SEED}`);
  }
}

function seededType(context: InferContext): readonly TensorType[] {
  const [length = null] = ranked(context, 1, 1, 'seed');
  if (length !== null && length !== 2) context.fail(`seed must hold 2 numbers, not ${length}`);
  checkSeeds(context);
  const dims = context.constant(0);
  if (dims !== null && toNumbers(dims).some((dim) => dim < 0)) {
    context.fail(`shape [${toNumbers(dims).join(', ')}] has a negative dimension`);
  }
  return [tensorType('float32', spelledShape(context, 0))];
}
