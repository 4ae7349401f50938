import { DTYPES, FLOATS, NUMBERS } from '../dtype.js';
import type { InferContext } from '../op.js';
import { formatShape, formatType, isStatic, type TensorType, tensorType } from '../shape.js';
import { passOn } from './gradients/common.js';
import * as layout from './gradients/layout.js';
import {
  axisIn,
  declareOps,
  dimAt,
  floatAttr,
  INT,
  int,
  likeFirst,
  number,
  pure,
  SHAPE,
  same,
} from './shared.js';

/** Values of a caller or of the graph itself, casts, and what asks for shapes. */
export const arrayOps = declareOps({
  Const: {
    summary: 'the value of its attribute',
    inputs: [],
    attrs: { value: { kind: 'tensor' } },
    effect: pure,
    infer: (context) => {
      const { dtype, shape } = context.attr('value', 'tensor');
      return [{ dtype, shape }];
    },
    gradient: 'zero',
  },
  Placeholder: {
    summary: 'a value that the caller feeds',
    inputs: [],
    attrs: { dtype: { kind: 'dtype' }, shape: SHAPE },
    effect: { kind: 'feed' },
    infer: (context) => [tensorType(context.attr('dtype', 'dtype'), context.attr('shape', 'shape'))],
    gradient: 'zero',
  },
  Identity: {
    summary: 'x itself',
    inputs: [same('input')],
    attrs: {},
    effect: pure,
    infer: (context) => [context.input(0)],
    gradient: passOn,
  },
  StopGradient: {
    summary: 'x, through which no gradient flows',
    inputs: [same('input')],
    attrs: {},
    effect: pure,
    infer: (context) => [context.input(0)],
    gradient: 'zero',
  },
  NoOp: {
    summary: 'nothing; holds control edges together',
    inputs: [],
    attrs: {},
    effect: pure,
    infer: () => [],
    gradient: 'zero',
  },
  Shape: {
    summary: 'the dimensions of x: int32[rank]',
    inputs: [same('input')],
    attrs: {},
    effect: pure,
    infer: (context) => [tensorType('int32', [context.input(0).shape.length])],
    gradient: 'zero',
  },
  Size: {
    summary: 'the number of elements of x: int32[]',
    inputs: [same('input')],
    attrs: {},
    effect: pure,
    infer: () => [tensorType('int32', [])],
    gradient: 'zero',
  },
  Cast: {
    summary: 'x converted to DstT',
    inputs: [same('x')],
    attrs: { DstT: { kind: 'dtype' } },
    effect: pure,
    infer: castType,
    gradient: layout.cast,
  },
  ZerosLike: {
    summary: 'zeros of the type and shape of x',
    inputs: [same('x')],
    attrs: {},
    effect: pure,
    infer: likeFirst([...NUMBERS, 'bool']),
    gradient: 'zero',
  },
  OnesLike: {
    summary: 'ones of the type and shape of x',
    inputs: [same('x')],
    attrs: {},
    effect: pure,
    infer: likeFirst([...NUMBERS, 'bool']),
    gradient: 'zero',
  },
  Fill: {
    summary: 'a tensor of one value',
    inputs: [],
    attrs: { shape: SHAPE, value: { kind: 'float' }, dtype: { kind: 'dtype' } },
    effect: pure,
    infer: fillType,
    gradient: 'zero',
  },
  ArgMax: {
    summary: 'index of the first maximum along axis: int64, without that dimension',
    inputs: [number('input')],
    attrs: { axis: INT },
    effect: pure,
    infer: argMaxType,
    gradient: 'zero',
  },
  OneHot: {
    summary: '[…] → […, depth]: on_value at the index, off_value elsewhere',
    inputs: [int('indices')],
    attrs: {
      depth: INT,
      on_value: floatAttr(1),
      off_value: floatAttr(0),
      dtype: { kind: 'dtype', default: 'float32' },
    },
    effect: pure,
    infer: oneHotType,
    gradient: 'zero',
  },
});

function castType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  const to = context.attr('DstT', 'dtype');
  if (!DTYPES.includes(to)) context.fail(`${JSON.stringify(to)} is no element type`, DTYPES.join(', '));
  if ((dtype === 'string') !== (to === 'string')) {
    context.fail(
      `cannot convert ${formatType({ dtype, shape })} to ${to}`,
      'strings have no numbers in them',
    );
  }
  return [tensorType(to, shape)];
}

function fillType(context: InferContext): readonly TensorType[] {
  const shape = context.attr('shape', 'shape');
  const dtype = context.attr('dtype', 'dtype');
  if (!isStatic(shape)) context.fail(`shape ${formatShape(shape)} must be fully known`, 'use BroadcastTo');
  if (dtype === 'string') context.fail('strings cannot be filled in');
  return [tensorType(dtype, shape)];
}

function argMaxType(context: InferContext): readonly TensorType[] {
  const { shape } = context.input(0);
  const axis = axisIn(context, context.attr('axis', 'int'), shape.length);
  if (dimAt(shape, axis) === 0) context.fail(`axis ${axis} of ${formatShape(shape)} has no elements`);
  return [tensorType('int64', shape.toSpliced(axis, 1))];
}

function oneHotType(context: InferContext): readonly TensorType[] {
  const depth = context.attr('depth', 'int');
  const dtype = context.attr('dtype', 'dtype');
  if (depth < 0) context.fail(`depth ${depth} is negative`);
  if (!FLOATS.includes(dtype)) context.fail(`dtype ${dtype} is not a float`, FLOATS.join(', '));
  return [tensorType(dtype, [...context.input(0).shape, depth])];
}
