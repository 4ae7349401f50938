import { type TensorValue, tensorOf } from '@placewright/ir';
import { float } from '../onnx/builder.js';
import { type EmitContext, emitter, FLOATING, summing } from './context.js';

interface Plan {
  readonly radius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

function planOf(context: EmitContext): Plan {
  const attr = (name: string): number => context.attr(name, 'float');
  const radius = context.attr('depth_radius', 'int');
  return { radius, bias: attr('bias'), alpha: attr('alpha'), beta: attr('beta') };
}

/** ONNX has alpha divided by the number of neighbours; ONNX Runtime takes nothing but positive exponents and factors. */
const plainNorm = emitter('LRN', FLOATING, (context) => {
  const { radius, bias, alpha, beta } = planOf(context);
  if (context.type(0).dtype !== 'float32' || !(alpha > 0 && beta > 0)) {
    byBands(context);
    return;
  }
  const size = 2 * radius + 1;
  const attrs = { size, bias: float(bias), alpha: float(alpha * size), beta: float(beta) };
  context.setImage(0, context.builder.op('LRN', [context.image(0)], attrs));
});

function byBands(context: EmitContext): void {
  const { builder } = context;
  const divisor = power(context, norms(context, 0), planOf(context).beta);
  context.set(0, builder.op('Div', [context.input(0), divisor]));
}

/** ONNX Runtime has no float64 form. */
export const lrn = summing(plainNorm, byBands);

/** Inputs: gradient dy, images x, outputs y; with n the norms, dx = dy/n^beta − 2·alpha·beta·x·Σ dy·y/n over the neighbours. */
const backward = emitter('MatMul with a band, arithmetic', FLOATING, (context) => {
  const { builder } = context;
  const { alpha, beta } = planOf(context);
  const [dy, x, y] = [0, 1, 2].map((index) => context.input(index)) as [string, string, string];
  const n = norms(context, 1);
  const shares = neighbourSums(context, builder.op('Div', [builder.op('Mul', [dy, y]), n]));
  const slope = builder.scalar(context.type(0).dtype, 2 * alpha * beta);
  const through = builder.op('Mul', [builder.op('Mul', [x, slope]), shares]);
  context.set(0, builder.op('Sub', [builder.op('Div', [dy, power(context, n, beta)]), through]));
});

export const lrnGrad = summing(backward);

/** bias + alpha·Σ x² of an input. */
function norms(context: EmitContext, index: number): string {
  const { builder } = context;
  const { bias, alpha } = planOf(context);
  const { dtype } = context.type(index);
  const x = context.input(index);
  const sums = neighbourSums(context, builder.op('Mul', [x, x]));
  const scaled = builder.op('Mul', [sums, builder.scalar(dtype, alpha)]);
  return builder.op('Add', [scaled, builder.scalar(dtype, bias)]);
}

/** The sums along the last dimension, as a product with a matrix that has ones near its diagonal. */
function neighbourSums(context: EmitContext, values: string): string {
  const { dtype, shape } = context.type(0);
  const depth = shape[3] ?? null;
  if (depth === null) return context.refuse('the last dimension must be known before the run');
  const band = bandOf(dtype === 'float64' ? 'float64' : 'float32', depth, planOf(context).radius);
  return context.builder.op('MatMul', [values, context.builder.constant(band)]);
}

function bandOf(dtype: 'float32' | 'float64', depth: number, radius: number): TensorValue {
  const near = (_: unknown, i: number): number =>
    Math.abs(Math.floor(i / depth) - (i % depth)) <= radius ? 1 : 0;
  return tensorOf(dtype, [depth, depth], Array.from({ length: depth * depth }, near));
}

/** `base` to the power of beta; square roots take a fraction of the time of a power. */
function power(context: EmitContext, base: string, beta: number): string {
  const { builder } = context;
  if (beta !== 0.75) return builder.op('Pow', [base, builder.scalar(context.type(0).dtype, beta)]);
  const root = builder.op('Sqrt', [base]);
  return builder.op('Mul', [root, builder.op('Sqrt', [root])]);
}
