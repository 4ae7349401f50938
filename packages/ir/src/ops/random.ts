import type { AttrDecl, InferContext, OpDecl } from '../op.js';
import { formatShape, isStatic, type TensorType, tensorType } from '../shape.js';
import { declareOps, floatAttr, INT, pure, SHAPE } from './shared.js';

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

export const randomOps = declareOps({
  StatelessRandomUniform: random('float32 numbers, uniform from minval up to maxval', {
    minval: floatAttr(0),
    maxval: floatAttr(1),
  }),
  StatelessRandomNormal: random('float32 numbers, normal', NORMAL_ATTRS),
  StatelessTruncatedNormal: random(
    'float32 numbers, normal, drawn again beyond two standard deviations',
    NORMAL_ATTRS,
  ),
});

const MAX_SEED = 2 ** 32 - 1;

function randomType(context: InferContext): readonly TensorType[] {
  const shape = context.attr('shape', 'shape');
  if (!isStatic(shape)) context.fail(`shape ${formatShape(shape)} must be fully known`);
  for (const name of ['seed', 'seed2']) {
    const seed = context.attr(name, 'int');
    if (seed < 0 || seed > MAX_SEED) context.fail(`${name} ${seed} must be from 0 to ${MAX_SEED}`);
  }
  return [tensorType('float32', shape)];
}
