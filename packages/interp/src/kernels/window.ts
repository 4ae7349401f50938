import type { KernelContext } from '../kernel.js';

export type DataFormat = 'NHWC' | 'NCHW';

export function formatOf(context: KernelContext): DataFormat {
  const format = context.attr('data_format', 'string');
  if (format !== 'NHWC' && format !== 'NCHW')
    return context.fail(`data format ${JSON.stringify(format)} is unknown`);
  return format;
}

/** Four numbers by what they stand for. */
export interface PerAxis {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Four numbers in the order of the format. Throws PW_KERNEL_INPUT when there are not four. */
export function byAxis(
  context: KernelContext,
  numbers: readonly number[],
  format: DataFormat,
  what: string,
): PerAxis {
  const [a, b, c, d] = numbers;
  if (numbers.length !== 4 || a === undefined || b === undefined || c === undefined || d === undefined) {
    return context.fail(`${what} must be four numbers, not [${numbers.join(', ')}]`);
  }
  return format === 'NHWC'
    ? { batch: a, height: b, width: c, channels: d }
    : { batch: a, channels: b, height: c, width: d };
}

/** Four numbers in the order of the format. */
export function inFormat({ batch, height, width, channels }: PerAxis, format: DataFormat): number[] {
  return format === 'NHWC' ? [batch, height, width, channels] : [batch, channels, height, width];
}

/** How a window moves along one dimension. Output `o` covers inputs `o·stride − before + i·dilation` for `i < kernel`. */
export interface Sliding {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
}

/** TensorFlow's rule: SAME has ceil(input/stride) outputs and pads the smaller half in front; VALID does not pad. */
export function sliding(
  context: KernelContext,
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
): Sliding {
  if (kernel < 1 || stride < 1 || dilation < 1) {
    context.fail(`kernel ${kernel}, stride ${stride} and dilation ${dilation} must be at least 1`);
  }
  const reach = (kernel - 1) * dilation + 1;
  const padding = context.attr('padding', 'string');
  switch (padding) {
    case 'SAME': {
      const output = Math.ceil(input / stride);
      const total = Math.max((output - 1) * stride + reach - input, 0);
      return { input, output, kernel, stride, dilation, before: Math.floor(total / 2) };
    }
    case 'VALID':
      if (input < reach) context.fail(`a window of ${reach} does not fit into ${input}`, 'use padding SAME');
      return { input, output: Math.ceil((input - reach + 1) / stride), kernel, stride, dilation, before: 0 };
    default:
      return context.fail(`padding ${JSON.stringify(padding)} is unknown`);
  }
}
