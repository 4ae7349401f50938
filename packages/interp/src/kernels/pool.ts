import { allocate, sameShape, type TensorValue, toNumbers } from '@placewright/ir';
import { fromFloat64, type NumberArray, rowMajorStrides, sizeOf } from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';
import { byAxis, formatOf, inFormat, type PerAxis, type Sliding, sliding } from './window.js';

interface Plan {
  readonly rows: Sliding;
  readonly cols: Sliding;
  readonly batch: number;
  readonly channels: number;
  readonly outputShape: readonly number[];
  /** Distances in the input and in the output. */
  readonly from: PerAxis;
  readonly to: PerAxis;
}

function planOf(context: KernelContext, inputShape: readonly number[]): Plan {
  const format = formatOf(context);
  const size = byAxis(context, inputShape, format, 'the input');
  const kernel = byAxis(context, context.attr('ksize', 'ints'), format, 'ksize');
  const stride = byAxis(context, context.attr('strides', 'ints'), format, 'strides');
  if (kernel.batch !== 1 || kernel.channels !== 1 || stride.batch !== 1 || stride.channels !== 1) {
    context.fail('ksize and strides over batch and channels must be 1');
  }
  const rows = sliding(context, size.height, kernel.height, stride.height, 1);
  const cols = sliding(context, size.width, kernel.width, stride.width, 1);
  const outputShape = inFormat({ ...size, height: rows.output, width: cols.output }, format);
  return {
    rows,
    cols,
    batch: size.batch,
    channels: size.channels,
    outputShape,
    from: byAxis(context, rowMajorStrides(inputShape), format, 'the input'),
    to: byAxis(context, rowMajorStrides(outputShape), format, 'the output'),
  };
}

function firstInside({ stride, before }: Sliding, output: number): number {
  return Math.max(output * stride - before, 0);
}

function endInside({ stride, before, kernel, input }: Sliding, output: number): number {
  return Math.min(output * stride - before + kernel, input);
}

/** Offset in the input of the first maximum of every window, by the output's offset. NaN counts as the largest. */
function maxima(plan: Plan, x: NumberArray): Int32Array {
  const { rows, cols, from, to } = plan;
  const at = new Int32Array(sizeOf(plan.outputShape));
  for (let n = 0; n < plan.batch; n++) {
    for (let oy = 0; oy < rows.output; oy++) {
      const top = firstInside(rows, oy);
      const bottom = endInside(rows, oy);
      for (let ox = 0; ox < cols.output; ox++) {
        const left = firstInside(cols, ox);
        const right = endInside(cols, ox);
        for (let c = 0; c < plan.channels; c++) {
          const plane = n * from.batch + c * from.channels;
          let best = plane + top * from.height + left * from.width;
          for (let y = top; y < bottom; y++) {
            for (let col = left; col < right; col++) {
              const offset = plane + y * from.height + col * from.width;
              const value = x[offset] as number;
              if (value > (x[best] as number) || Number.isNaN(value)) best = offset;
            }
          }
          at[n * to.batch + oy * to.height + ox * to.width + c * to.channels] = best;
        }
      }
    }
  }
  return at;
}

export const maxPool: Kernel = (context) => {
  const value = context.input(0);
  const plan = planOf(context, value.shape);
  const x = value.data as NumberArray;
  const at = maxima(plan, x);
  const data = allocate(value.dtype, at.length);
  for (let i = 0; i < at.length; i++) data[i] = x[at[i] as number] as number;
  return [{ dtype: value.dtype, shape: plan.outputShape, data }];
};

/** Inputs: input, output, gradient by the output. Sums of overlapping windows in float64. */
export const maxPoolGrad: Kernel = (context) => {
  const input = context.input(0);
  const gradient = context.input(2);
  const plan = planOf(context, input.shape);
  checkShape(context, context.input(1), plan.outputShape, 'the output');
  checkShape(context, gradient, plan.outputShape, 'the gradient by the output');
  const at = maxima(plan, input.data as NumberArray);
  const dy = gradient.data as NumberArray;
  const dx = new Float64Array(input.data.length);
  for (let i = 0; i < at.length; i++) {
    const offset = at[i] as number;
    dx[offset] = (dx[offset] as number) + (dy[i] as number);
  }
  return [fromFloat64(gradient.dtype, input.shape, dx)];
};

function checkShape(context: KernelContext, value: TensorValue, want: readonly number[], what: string): void {
  if (!sameShape(value.shape, want))
    context.fail(`${what} is [${value.shape.join(', ')}], not [${want.join(', ')}]`);
}

/** Mean over the cells of the window that are inside of the image. */
export const avgPool: Kernel = (context) => {
  const value = context.input(0);
  const plan = planOf(context, value.shape);
  const { rows, cols, from, to } = plan;
  const x = value.data as NumberArray;
  const out = new Float64Array(sizeOf(plan.outputShape));
  for (let n = 0; n < plan.batch; n++) {
    for (let oy = 0; oy < rows.output; oy++) {
      const top = firstInside(rows, oy);
      const bottom = endInside(rows, oy);
      for (let ox = 0; ox < cols.output; ox++) {
        const left = firstInside(cols, ox);
        const right = endInside(cols, ox);
        for (let c = 0; c < plan.channels; c++) {
          const plane = n * from.batch + c * from.channels;
          let total = 0;
          for (let y = top; y < bottom; y++) {
            for (let col = left; col < right; col++)
              total += x[plane + y * from.height + col * from.width] as number;
          }
          const offset = n * to.batch + oy * to.height + ox * to.width + c * to.channels;
          out[offset] = total / ((bottom - top) * (right - left));
        }
      }
    }
  }
  return [fromFloat64(value.dtype, plan.outputShape, out)];
};

/** Inputs: shape of the input, gradient by the output. */
export const avgPoolGrad: Kernel = (context) => {
  const gradient = context.input(1);
  const inputShape = toNumbers(context.input(0));
  const plan = planOf(context, inputShape);
  checkShape(context, gradient, plan.outputShape, 'the gradient by the output');
  const { rows, cols, from, to } = plan;
  const dy = gradient.data as NumberArray;
  const dx = new Float64Array(sizeOf(inputShape));
  for (let n = 0; n < plan.batch; n++) {
    for (let oy = 0; oy < rows.output; oy++) {
      const top = firstInside(rows, oy);
      const bottom = endInside(rows, oy);
      for (let ox = 0; ox < cols.output; ox++) {
        const left = firstInside(cols, ox);
        const right = endInside(cols, ox);
        const cells = (bottom - top) * (right - left);
        for (let c = 0; c < plan.channels; c++) {
          const share =
            (dy[n * to.batch + oy * to.height + ox * to.width + c * to.channels] as number) / cells;
          const plane = n * from.batch + c * from.channels;
          for (let y = top; y < bottom; y++) {
            for (let col = left; col < right; col++) {
              const offset = plane + y * from.height + col * from.width;
              dx[offset] = (dx[offset] as number) + share;
            }
          }
        }
      }
    }
  }
  return [fromFloat64(gradient.dtype, inputShape, dx)];
};
