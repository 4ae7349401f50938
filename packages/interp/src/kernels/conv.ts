import { sameShape, type TensorValue, toNumbers } from '@placewright/ir';
import { fromFloat64, type NumberArray, transpose } from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';
import { matrixOf, multiplyAdd, multiplyTransposedAdd } from './matrix.js';
import { byAxis, type DataFormat, formatOf, inFormat, type Sliding, sliding } from './window.js';

// All three ops work on NHWC data, image by image and some rows of outputs at a time: their windows are laid out as the
// rows of a matrix [outputs, kernel height · kernel width · input channels], which meets the filter as a matrix with as
// many rows. Sums run in float64 and are rounded once.

interface Plan {
  readonly format: DataFormat;
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly rows: Sliding;
  readonly cols: Sliding;
  /** Places of the window in one image. */
  readonly places: number;
  /** Numbers under one window. */
  readonly taps: number;
}

const TO_NHWC = [0, 2, 3, 1];
const TO_NCHW = [0, 3, 1, 2];

function toNhwc(value: TensorValue, format: DataFormat): NumberArray {
  return (format === 'NHWC' ? value : transpose(value, TO_NHWC)).data as NumberArray;
}

/** A result in the op's format. */
function inOpFormat(
  dtype: TensorValue['dtype'],
  shape: readonly number[],
  data: Float64Array,
  plan: Plan,
): TensorValue {
  const value = fromFloat64(dtype, shape, data);
  return plan.format === 'NHWC' ? value : transpose(value, TO_NCHW);
}

function planOf(context: KernelContext, inputShape: readonly number[], filterShape: readonly number[]): Plan {
  const format = formatOf(context);
  const size = byAxis(context, inputShape, format, 'the input');
  const stride = byAxis(context, context.attr('strides', 'ints'), format, 'strides');
  const dilation = byAxis(context, context.attr('dilations', 'ints'), format, 'dilations');
  const [height, width, inputs, outputs] = filterShape;
  if (height === undefined || width === undefined || inputs === undefined || outputs === undefined) {
    return context.fail(`the filter must have four dimensions, not [${filterShape.join(', ')}]`);
  }
  if (inputs !== size.channels)
    context.fail(`the filter takes ${inputs} channels and the input has ${size.channels}`);
  if (stride.batch !== 1 || stride.channels !== 1 || dilation.batch !== 1 || dilation.channels !== 1) {
    context.fail('strides and dilations over batch and channels must be 1');
  }
  const rows = sliding(context, size.height, height, stride.height, dilation.height);
  const cols = sliding(context, size.width, width, stride.width, dilation.width);
  const places = rows.output * cols.output;
  return { format, batch: size.batch, inputs, outputs, rows, cols, places, taps: height * width * inputs };
}

function checkBackprop(context: KernelContext, plan: Plan, shape: readonly number[]): void {
  const { batch, rows, cols, outputs, format } = plan;
  const want = inFormat({ batch, height: rows.output, width: cols.output, channels: outputs }, format);
  if (!sameShape(shape, want)) {
    context.fail(`the gradient by the output is [${shape.join(', ')}], not [${want.join(', ')}]`);
  }
}

/** Some rows of the outputs of one image. */
interface Band {
  readonly image: number;
  readonly top: number;
  readonly bottom: number;
  /** Windows in it. */
  readonly places: number;
  /** These places of all images with as many numbers for each. */
  part(data: Float64Array, perPlace: number): Float64Array;
}

/** Numbers of the windows that are laid out at once: they are to fit a core's cache. */
const BAND = 1 << 17;

function bandsOf({ batch, rows, cols, places, taps }: Plan): Band[] {
  const height = Math.max(1, Math.floor(BAND / Math.max(1, cols.output * taps)));
  const bands: Band[] = [];
  for (let image = 0; image < batch; image++) {
    for (let top = 0; top < rows.output; top += height) {
      const bottom = Math.min(top + height, rows.output);
      const from = image * places + top * cols.output;
      const count = (bottom - top) * cols.output;
      const part = (data: Float64Array, perPlace: number): Float64Array =>
        data.subarray(from * perPlace, (from + count) * perPlace);
      bands.push({ image, top, bottom, places: count, part });
    }
  }
  return bands;
}

/** Room for the windows of the largest band. */
function windowsFor(bands: readonly Band[], { taps }: Plan): Float64Array {
  return new Float64Array(bands.reduce((most, { places }) => Math.max(most, places), 0) * taps);
}

/** Writes the windows of a band as rows of `windows`; zeros outside of the image. */
function layOut({ rows, cols, inputs }: Plan, x: NumberArray, band: Band, windows: Float64Array): void {
  const start = band.image * rows.input * cols.input * inputs;
  let to = 0;
  for (let oy = band.top; oy < band.bottom; oy++) {
    for (let ox = 0; ox < cols.output; ox++) {
      for (let ky = 0; ky < rows.kernel; ky++) {
        const y = oy * rows.stride - rows.before + ky * rows.dilation;
        for (let kx = 0; kx < cols.kernel; kx++) {
          const at = ox * cols.stride - cols.before + kx * cols.dilation;
          if (y < 0 || y >= rows.input || at < 0 || at >= cols.input) {
            for (let c = 0; c < inputs; c++) windows[to++] = 0;
          } else {
            let from = start + (y * cols.input + at) * inputs;
            for (let c = 0; c < inputs; c++) windows[to++] = x[from++] as number;
          }
        }
      }
    }
  }
}

/** Adds the rows of `windows` to where `layOut` takes them from. */
function addBack({ rows, cols, inputs }: Plan, windows: Float64Array, band: Band, x: Float64Array): void {
  const start = band.image * rows.input * cols.input * inputs;
  let from = 0;
  for (let oy = band.top; oy < band.bottom; oy++) {
    for (let ox = 0; ox < cols.output; ox++) {
      for (let ky = 0; ky < rows.kernel; ky++) {
        const y = oy * rows.stride - rows.before + ky * rows.dilation;
        for (let kx = 0; kx < cols.kernel; kx++, from += inputs) {
          const at = ox * cols.stride - cols.before + kx * cols.dilation;
          if (y < 0 || y >= rows.input || at < 0 || at >= cols.input) continue;
          const to = start + (y * cols.input + at) * inputs;
          for (let c = 0; c < inputs; c++) x[to + c] = (x[to + c] as number) + (windows[from + c] as number);
        }
      }
    }
  }
}

export const conv2D: Kernel = (context) => {
  const input = context.input(0);
  const filter = context.input(1);
  const plan = planOf(context, input.shape, filter.shape);
  const { batch, rows, cols, places, taps, outputs } = plan;
  const x = toNhwc(input, plan.format);
  const weights = matrixOf(filter.data as NumberArray, taps, outputs, false);
  const bands = bandsOf(plan);
  const windows = windowsFor(bands, plan);
  const y = new Float64Array(batch * places * outputs);
  for (const band of bands) {
    layOut(plan, x, band, windows);
    multiplyAdd(band.part(y, outputs), windows, weights, band.places, taps, outputs);
  }
  return [inOpFormat(input.dtype, [batch, rows.output, cols.output, outputs], y, plan)];
};

/** Inputs: sizes of the input, filter, gradient by the output. */
export const conv2DBackpropInput: Kernel = (context) => {
  const filter = context.input(1);
  const gradient = context.input(2);
  const plan = planOf(context, toNumbers(context.input(0)), filter.shape);
  checkBackprop(context, plan, gradient.shape);
  const { batch, rows, cols, taps, inputs, outputs } = plan;
  const dy = Float64Array.from(toNhwc(gradient, plan.format));
  const weights = matrixOf(filter.data as NumberArray, taps, outputs, true);
  const bands = bandsOf(plan);
  const windows = windowsFor(bands, plan);
  const dx = new Float64Array(batch * rows.input * cols.input * inputs);
  for (const band of bands) {
    windows.fill(0);
    multiplyAdd(windows, band.part(dy, outputs), weights, band.places, outputs, taps);
    addBack(plan, windows, band, dx);
  }
  return [inOpFormat(gradient.dtype, [batch, rows.input, cols.input, inputs], dx, plan)];
};

/** Inputs: input, sizes of the filter, gradient by the output. */
export const conv2DBackpropFilter: Kernel = (context) => {
  const input = context.input(0);
  const gradient = context.input(2);
  const filterShape = toNumbers(context.input(1));
  const plan = planOf(context, input.shape, filterShape);
  checkBackprop(context, plan, gradient.shape);
  const { taps, outputs } = plan;
  const x = toNhwc(input, plan.format);
  const dy = Float64Array.from(toNhwc(gradient, plan.format));
  const bands = bandsOf(plan);
  const windows = windowsFor(bands, plan);
  const dw = new Float64Array(taps * outputs);
  for (const band of bands) {
    layOut(plan, x, band, windows);
    multiplyTransposedAdd(dw, windows, band.part(dy, outputs), taps, band.places, outputs);
  }
  return [fromFloat64(gradient.dtype, filterShape, dw)];
};
