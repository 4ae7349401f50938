import { isStatic, tensorOf, toNumbers } from '@placewright/ir';
import { ARITHMETIC, type EmitContext, emitter, REGION_DTYPES, TO_IMAGE } from './context.js';

/** Beyond every dimension: where a slice to the end stops. */
const END = Number.MAX_SAFE_INTEGER;
/** Position of each dimension of a [batch, height, width, channels] tensor in its image. */
const IMAGE_AXIS = [0, 2, 3, 1] as const;

/** A list with an entry for each dimension of such a tensor, in the order of its image. */
function imageOrder(list: readonly number[]): number[] {
  return TO_IMAGE.map((axis) => list[axis] ?? 0);
}

export const constant = emitter(
  'initializer',
  REGION_DTYPES,
  (context) => {
    context.set(0, context.builder.constant(context.attr('value', 'tensor')));
  },
  -1,
);

export const shape = emitter('Shape', REGION_DTYPES, (context) => {
  const { builder } = context;
  const { shape: dims } = context.type(0);
  if (isStatic(dims)) {
    context.setWide(0, builder.ints(dims));
    context.set(0, builder.constant(tensorOf('int32', [dims.length], dims)));
    return;
  }
  context.setWide(0, builder.op('Shape', [context.input(0)]));
});

export const size = emitter('Size', REGION_DTYPES, (context) => {
  const { builder } = context;
  const name = context.isImage(0) ? context.image(0) : context.input(0);
  context.set(0, builder.cast(builder.op('Size', [name]), 'int32'));
});

export const reshape = emitter('Reshape', REGION_DTYPES, (context) => {
  const dims = context.constant(1);
  // With allowzero a zero means none; ONNX forbids it beside a -1, which then has nothing to be worked out from.
  const attrs = dims !== null && toNumbers(dims).includes(-1) ? {} : { allowzero: 1 };
  context.set(0, context.builder.op('Reshape', [context.input(0), context.wide(1)], attrs));
});

export const transpose = emitter('Transpose', REGION_DTYPES, (context) => {
  context.set(0, context.builder.op('Transpose', [context.input(0)], { perm: context.attr('perm', 'ints') }));
});

export const squeeze = emitter('Squeeze', REGION_DTYPES, (context) => {
  const axes = context.attr('axis', 'ints');
  const inputs = axes.length === 0 ? [context.input(0)] : [context.input(0), context.builder.ints(axes)];
  context.set(0, context.builder.op('Squeeze', inputs));
});

export const expandDims = emitter('Unsqueeze', REGION_DTYPES, (context) => {
  context.set(
    0,
    context.builder.op('Unsqueeze', [context.input(0), context.builder.ints([context.attr('axis', 'int')])]),
  );
});

export const pad = emitter('Pad', ARITHMETIC, (context) => {
  const paddings = context.attr('paddings', 'ints');
  const sides = [0, 1].map((side) => paddings.filter((_, i) => i % 2 === side));
  const padded = (name: string, ordered: readonly number[][]): string =>
    context.builder.op('Pad', [name, context.builder.ints(ordered.flat())]);
  if (context.isImage(0)) context.setImage(0, padded(context.image(0), sides.map(imageOrder)));
  else context.set(0, padded(context.input(0), sides));
});

export const slice = emitter('Slice', REGION_DTYPES, (context) => {
  const { builder } = context;
  const begin = context.attr('begin', 'ints');
  const sizes = context.attr('size', 'ints');
  if (begin.length === 0) {
    context.alias();
    return;
  }
  const ends = begin.map((from, axis) => (sizes[axis] === -1 ? END : from + (sizes[axis] ?? 0)));
  const part = (name: string, from: readonly number[], to: readonly number[]): string =>
    builder.op('Slice', [name, builder.ints(from), builder.ints(to)]);
  if (context.isImage(0)) context.setImage(0, part(context.image(0), imageOrder(begin), imageOrder(ends)));
  else context.set(0, part(context.input(0), begin, ends));
});

export const concat = emitter('Concat', REGION_DTYPES, (context) => {
  const indices = Array.from({ length: context.inputCount }, (_, index) => index);
  const rank = context.type(0).shape.length;
  const axis = absolute(context.attr('axis', 'int'), rank);
  if (rank === 4 && indices.some((index) => context.isImage(index))) {
    const images = indices.map((index) => context.image(index));
    context.setImage(0, context.builder.op('Concat', images, { axis: IMAGE_AXIS[axis] ?? axis }));
    return;
  }
  context.set(
    0,
    context.builder.op(
      'Concat',
      indices.map((index) => context.input(index)),
      { axis },
    ),
  );
});

function absolute(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

export const split = emitter('Split', REGION_DTYPES, (context) => {
  const count = context.attr('num_split', 'int');
  const axis = absolute(context.attr('axis', 'int'), context.type(0).shape.length);
  const parts = (name: string, along: number): string[] =>
    context.builder.ops('Split', [name], count, { axis: along, num_outputs: count });
  if (context.isImage(0)) {
    parts(context.image(0), IMAGE_AXIS[axis] ?? axis).forEach((name, port) => {
      context.setImage(port, name);
    });
    return;
  }
  parts(context.input(0), axis).forEach((name, port) => {
    context.set(port, name);
  });
});

export const broadcastTo = emitter('Expand', REGION_DTYPES, (context) => {
  context.set(0, context.builder.op('Expand', [context.input(0), context.wide(1)]));
});

export const cast = emitter('Cast', REGION_DTYPES, (context) => {
  const to = context.attr('DstT', 'dtype');
  if (context.isImage(0)) context.setImage(0, context.builder.cast(context.image(0), to));
  else context.set(0, context.builder.cast(context.input(0), to));
});

const like = (value: number) =>
  emitter('Expand', REGION_DTYPES, (context) => {
    const { builder } = context;
    const { dtype, shape: dims } = context.type(0);
    const one =
      dtype === 'bool' ? builder.cast(builder.scalar('int32', value), 'bool') : builder.scalar(dtype, value);
    context.set(0, builder.op('Expand', [one, dimsOf(context, dims)]));
  });

function dimsOf(context: EmitContext, dims: readonly (number | null)[]): string {
  return isStatic(dims) ? context.builder.ints(dims) : context.builder.op('Shape', [context.input(0)]);
}

export const zerosLike = like(0);
export const onesLike = like(1);

export const argMax = emitter('ArgMax', ['float32', 'float64', 'int32', 'uint8'], (context) => {
  const axis = absolute(context.attr('axis', 'int'), context.type(0).shape.length);
  context.set(0, context.builder.op('ArgMax', [context.input(0)], { axis, keepdims: 0 }));
});

/** Compared with the class numbers rather than ONNX's OneHot, which counts negative indices from the end. */
export const oneHot = emitter('Equal, Where', ['int32', 'int64', 'uint8'], (context) => {
  const { builder } = context;
  const depth = context.attr('depth', 'int');
  const dtype = context.output().dtype;
  const indices = builder.op('Unsqueeze', [builder.cast(context.input(0), 'int64'), builder.ints([-1])]);
  const classes = builder.ints(Array.from({ length: depth }, (_, i) => i));
  const on = builder.scalar(dtype, context.attr('on_value', 'float'));
  const off = builder.scalar(dtype, context.attr('off_value', 'float'));
  context.set(0, builder.op('Where', [builder.op('Equal', [indices, classes]), on, off]));
});
