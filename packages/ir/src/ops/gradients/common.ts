import type { DType } from '../../dtype.js';
import { PlacewrightError } from '../../errors.js';
import type { TensorRef } from '../../graph.js';
import type { GradientContext, GradientFunction } from '../../op.js';
import { formatShape, isStatic } from '../../shape.js';
import { tensorOf } from '../../tensor.js';

/** Input `index` of the node whose gradient is taken. */
export function input(context: GradientContext, index: number): TensorRef {
  const ref = context.inputs[index];
  if (ref === undefined) throw missing('input', index);
  return ref;
}

/** Output `index` of the node whose gradient is taken. */
export function output(context: GradientContext, index: number): TensorRef {
  const ref = context.outputs[index];
  if (ref === undefined) throw missing('output', index);
  return ref;
}

function missing(what: string, index: number): PlacewrightError {
  return new PlacewrightError('PW_GRADIENT_ARITY', `${what} ${index} is missing`, { kind: 'internal' });
}

/** The first output of a new node. */
export function op(context: GradientContext, ...call: Parameters<GradientContext['op']>): TensorRef {
  return context.op(...call)[0];
}

/** An int32 vector with the dimensions of a tensor: a constant where they are all known. */
export function shapeOf(context: GradientContext, tensor: TensorRef): TensorRef {
  const { shape } = context.type(tensor);
  if (!isStatic(shape)) return op(context, 'Shape', [tensor]);
  return op(context, 'Const', [], { value: tensorOf('int32', [shape.length], shape) });
}

/** `tensor · factor` with a constant of its type. */
export function scaled(context: GradientContext, tensor: TensorRef, factor: number): TensorRef {
  return op(context, 'Mul', [tensor, context.constant(context.type(tensor).dtype, factor)]);
}

/** `grad` where the condition holds, zero elsewhere. */
export function where(context: GradientContext, condition: TensorRef, grad: TensorRef): TensorRef {
  return op(context, 'Select', [condition, grad, context.constant(context.type(grad).dtype, 0)]);
}

/** As `where`, with the zeros where the condition holds. */
export function whereNot(context: GradientContext, condition: TensorRef, grad: TensorRef): TensorRef {
  return op(context, 'Select', [condition, context.constant(context.type(grad).dtype, 0), grad]);
}

/** A whole number that is computed in the graph, as a float. Half precision goes by float32, whose range holds counts. */
export function countAs(context: GradientContext, count: TensorRef, dtype: DType): TensorRef {
  return op(context, 'Cast', [count], { DstT: dtype === 'float64' ? 'float64' : 'float32' });
}

/** `tensor` in another type, itself where it has that one. */
export function castTo(context: GradientContext, tensor: TensorRef, dtype: DType): TensorRef {
  return context.type(tensor).dtype === dtype ? tensor : op(context, 'Cast', [tensor], { DstT: dtype });
}

/** Gradient of an op with one float input and one output: what `f` makes of the gradient by the output. */
export function ofOne(f: (context: GradientContext, grad: TensorRef) => TensorRef | null): GradientFunction {
  return (context) => [f(context, context.grad(0)), ...context.inputs.slice(1).map(() => null)];
}

/** Gradients of an op of two broadcast operands: `f` gives both with the shape of the output. */
export function ofTwo(
  f: (
    context: GradientContext,
    grad: TensorRef,
    x: TensorRef,
    y: TensorRef,
  ) => readonly [TensorRef, TensorRef],
): GradientFunction {
  return (context) => {
    const [x, y] = [input(context, 0), input(context, 1)];
    const [dx, dy] = f(context, context.grad(0), x, y);
    return [context.unbroadcast(dx, x), context.unbroadcast(dy, y)];
  };
}

/** The gradient as it came. */
export const passOn: GradientFunction = ofOne((_context, grad) => grad);

/** An error for a gradient that the ops cannot express while a dimension is unknown. */
export function unknownDim(context: GradientContext, what: string, tensor: TensorRef): PlacewrightError {
  return new PlacewrightError(
    'PW_GRADIENT_SHAPE',
    `the gradient of ${what} needs to know more of the shape ${formatShape(context.type(tensor).shape)}`,
    { hint: 'give the model inputs with that dimension known' },
  );
}
