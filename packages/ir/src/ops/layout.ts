import { NUMBERS } from '../dtype.js';
import type { InferContext } from '../op.js';
import { type Dim, formatShape, formatType, type Shape, type TensorType, tensorType } from '../shape.js';
import { toNumbers } from '../tensor.js';
import * as layout from './gradients/layout.js';
import {
  axisIn,
  checkKind,
  declareOps,
  dimAt,
  INT,
  INT_LIST,
  int32,
  merged,
  mergedDim,
  pure,
  rest,
  same,
  spelledShape,
  withDim,
} from './shared.js';

/** Ops that move elements without computing: other shapes, orders, parts and joins. */
export const layoutOps = declareOps({
  Reshape: {
    summary: 'x with the dimensions that the int32 vector names, one of which may be -1',
    inputs: [same('tensor'), int32('shape')],
    attrs: {},
    effect: pure,
    infer: reshapeType,
    gradient: layout.reshaped,
  },
  Transpose: {
    summary: 'x with its dimensions in the order of perm',
    inputs: [same('x')],
    attrs: { perm: INT_LIST },
    effect: pure,
    infer: transposeType,
    gradient: layout.transpose,
  },
  Squeeze: {
    summary: 'x without the dimensions of length 1 at axis (all of them when axis is empty)',
    inputs: [same('input')],
    attrs: { axis: INT_LIST },
    effect: pure,
    infer: squeezeType,
    gradient: layout.reshaped,
  },
  ExpandDims: {
    summary: 'x with a dimension of length 1 put in at axis',
    inputs: [same('input')],
    attrs: { axis: INT },
    effect: pure,
    infer: expandType,
    gradient: layout.expandDims,
  },
  Pad: {
    summary: 'x with zeros around it: paddings are before and after, for each dimension',
    inputs: [same('input')],
    attrs: { paddings: INT_LIST },
    effect: pure,
    infer: padType,
    gradient: layout.pad,
  },
  Slice: {
    summary: 'the part of x from begin, size long; a size of -1 goes to the end',
    inputs: [same('input')],
    attrs: { begin: INT_LIST, size: INT_LIST },
    effect: pure,
    infer: sliceType,
    gradient: layout.slice,
  },
  ConcatV2: {
    summary: 'the inputs one after the other along axis',
    inputs: [rest('values')],
    attrs: { axis: INT },
    effect: pure,
    infer: concatType,
    gradient: layout.concat,
  },
  Split: {
    summary: 'x in num_split equal parts along axis, one output each',
    inputs: [same('value')],
    attrs: { axis: INT, num_split: INT },
    effect: pure,
    infer: splitType,
    gradient: layout.split,
  },
  BroadcastTo: {
    summary: 'x repeated along dimensions of length 1 to the dimensions that the int32 vector names',
    inputs: [same('input'), int32('shape')],
    attrs: {},
    effect: pure,
    infer: broadcastType,
    gradient: layout.broadcastTo,
  },
});

/** Product of the known dimensions, and how many are unknown. */
function known(shape: Shape): { readonly product: number; readonly unknown: number } {
  return {
    product: shape.reduce<number>((product, dim) => product * (dim ?? 1), 1),
    unknown: shape.filter((dim) => dim === null).length,
  };
}

function reshapeType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  const wanted = spelledShape(context, 1);
  checkWildcards(context);
  const from = known(shape);
  const to = known(wanted);
  const mismatch = (): never =>
    context.fail(
      `${formatShape(shape)} cannot become ${formatShape(wanted)}: the numbers of elements differ`,
      'one dimension may be -1, which takes what is left',
    );
  if (from.unknown === 0 && to.unknown === 0) {
    if (from.product !== to.product) mismatch();
  } else if (from.unknown === 0) {
    if (to.product === 0 ? from.product !== 0 : from.product % to.product !== 0) mismatch();
    if (to.unknown === 1 && to.product > 0) {
      return [
        tensorType(
          dtype,
          wanted.map((dim) => dim ?? from.product / to.product),
        ),
      ];
    }
  } else if (to.unknown === 0 && (from.product === 0 ? to.product !== 0 : to.product % from.product !== 0)) {
    mismatch();
  }
  return [tensorType(dtype, wanted)];
}

function checkWildcards(context: InferContext): void {
  const value = context.constant(1);
  if (value === null) return;
  const dims = toNumbers(value);
  if (dims.some((dim) => dim < -1) || dims.filter((dim) => dim === -1).length > 1) {
    context.fail(
      `shape [${dims.join(', ')}] has negative dimensions`,
      'only one may be -1, which takes what is left',
    );
  }
}

function transposeType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  const perm = context.attr('perm', 'ints');
  const sorted = perm.toSorted((a, b) => a - b);
  if (perm.length !== shape.length || sorted.some((axis, i) => axis !== i)) {
    context.fail(
      `perm [${perm.join(', ')}] is no order of the ${shape.length} dimensions of ${formatShape(shape)}`,
    );
  }
  return [
    tensorType(
      dtype,
      perm.map((axis) => dimAt(shape, axis)),
    ),
  ];
}

function squeezeType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  const axes = new Set(context.attr('axis', 'ints').map((axis) => axisIn(context, axis, shape.length)));
  if (axes.size === 0) {
    if (shape.includes(null)) {
      context.fail(`which dimensions of ${formatShape(shape)} are 1 is not known`, 'name them in axis');
    }
    return [
      tensorType(
        dtype,
        shape.filter((dim) => dim !== 1),
      ),
    ];
  }
  for (const axis of axes) {
    const dim = dimAt(shape, axis);
    if (dim !== 1 && dim !== null)
      context.fail(`dimension ${axis} of ${formatShape(shape)} is ${dim}, not 1`);
  }
  return [
    tensorType(
      dtype,
      shape.filter((_, axis) => !axes.has(axis)),
    ),
  ];
}

function expandType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  const axis = axisIn(context, context.attr('axis', 'int'), shape.length + 1);
  return [tensorType(dtype, shape.toSpliced(axis, 0, 1))];
}

function padType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = checkKind(context, [...NUMBERS, 'bool']);
  const paddings = context.attr('paddings', 'ints');
  if (paddings.length !== 2 * shape.length) {
    context.fail(
      `paddings has ${paddings.length} numbers, but ${formatShape(shape)} needs ${2 * shape.length}`,
    );
  }
  if (paddings.some((width) => width < 0))
    context.fail(`paddings [${paddings.join(', ')}] has a negative width`);
  const wider = (dim: Dim, i: number): Dim =>
    dim === null ? null : dim + (paddings[2 * i] ?? 0) + (paddings[2 * i + 1] ?? 0);
  return [tensorType(dtype, shape.map(wider))];
}

function sliceType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  const begin = context.attr('begin', 'ints');
  const size = context.attr('size', 'ints');
  if (begin.length !== shape.length || size.length !== shape.length) {
    context.fail(
      `begin has ${begin.length} and size ${size.length} numbers, but ${formatShape(shape)} has ${shape.length} dimensions`,
    );
  }
  return [
    tensorType(
      dtype,
      shape.map((dim, i) => slicedDim(context, dim, begin[i] ?? 0, size[i] ?? 0, i)),
    ),
  ];
}

function slicedDim(context: InferContext, dim: Dim, begin: number, size: number, axis: number): Dim {
  if (begin < 0 || size < -1) {
    context.fail(
      `begin ${begin} and size ${size} of dimension ${axis} must not be negative`,
      'a size of -1 goes to the end',
    );
  }
  if (dim === null) return size === -1 ? null : size;
  const end = size === -1 ? Math.max(begin, dim) : begin + size;
  if (end > dim) context.fail(`begin ${begin} and size ${size} go beyond dimension ${axis}, which is ${dim}`);
  return end - begin;
}

function concatType(context: InferContext): readonly TensorType[] {
  if (context.inputs.length === 0) context.fail('there is nothing to join', 'give at least one input');
  const { dtype, shape } = context.input(0);
  const axis = axisIn(context, context.attr('axis', 'int'), shape.length);
  let out = withDim(shape, axis, 0);
  let length: Dim = 0;
  for (const { shape: next } of context.inputs) {
    out = merged(
      context,
      out,
      next.length > axis ? withDim(next, axis, 0) : next,
      `inputs beside axis ${axis}`,
    );
    const dim = dimAt(next, axis);
    length = length === null || dim === null ? null : length + dim;
  }
  return [tensorType(dtype, withDim(out, axis, length))];
}

function splitType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  const axis = axisIn(context, context.attr('axis', 'int'), shape.length);
  const parts = context.attr('num_split', 'int');
  const dim = dimAt(shape, axis);
  if (parts < 1 || parts > MAX_OUTPUTS) context.fail(`num_split ${parts} must be from 1 to ${MAX_OUTPUTS}`);
  if (dim !== null && dim % parts !== 0) {
    context.fail(`dimension ${axis} of ${formatShape(shape)} cannot be split into ${parts} equal parts`);
  }
  const part = tensorType(dtype, withDim(shape, axis, dim === null ? null : dim / parts));
  return new Array<TensorType>(parts).fill(part);
}

/** More outputs than this are taken for a mistake or an attack. */
const MAX_OUTPUTS = 65_536;

function broadcastType(context: InferContext): readonly TensorType[] {
  const type = context.input(0);
  const wanted = spelledShape(context, 1);
  const value = context.constant(1);
  if (value !== null && toNumbers(value).some((dim) => dim < 0)) {
    context.fail(`shape [${toNumbers(value).join(', ')}] has a negative dimension`);
  }
  const extra = wanted.length - type.shape.length;
  if (extra < 0) context.fail(`${formatType(type)} has more dimensions than ${formatShape(wanted)}`);
  const out = wanted.map((dim, i) => {
    const from = i < extra ? 1 : dimAt(type.shape, i - extra);
    if (from === 1 || from === null) return dim;
    return mergedDim(
      context,
      dim,
      from,
      `dimension ${i} of ${formatShape(type.shape)} and of the wanted shape`,
    );
  });
  return [tensorType(type.dtype, out)];
}
