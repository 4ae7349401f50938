import type { AttrInput, DataFormat, Padding } from '@placewright/ir';
import fc from 'fast-check';
import { record } from '../record.js';
import { floatTensors, intTensors } from '../tensor.js';
import {
  type DerivedInput,
  empty,
  type GeneratorTable,
  type OpGenerator,
  opCase,
  unary,
  vector,
} from './case.js';

interface ImagePlan {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly format: DataFormat;
}

/** A window over an image: its size, strides and padding, and what comes out. */
interface WindowPlan extends ImagePlan {
  readonly size: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilation: number;
  readonly padding: Padding;
  readonly dynamic: boolean;
}

const count = (max: number) => fc.integer({ min: 1, max });

function images(side = 6): fc.Arbitrary<ImagePlan> {
  return record({
    batch: count(2),
    height: count(side),
    width: count(side),
    channels: count(3),
    format: fc.constantFrom<DataFormat[]>('NHWC', 'NCHW'),
  });
}

function imageShape({ batch, height, width, channels, format }: ImagePlan): number[] {
  return format === 'NHWC' ? [batch, height, width, channels] : [batch, channels, height, width];
}

function windows(options: { readonly dilated?: boolean } = {}): fc.Arbitrary<WindowPlan> {
  const window = record({
    // Beside small windows such as real networks have, which at times are larger than the image.
    size: fc.oneof(
      { weight: 4, arbitrary: fc.tuple(count(3), count(3)) },
      { weight: 1, arbitrary: fc.constantFrom([1, 7] as const, [7, 1] as const, [5, 5] as const) },
    ),
    strides: fc.tuple(count(3), count(3)),
    dilation: options.dilated === true ? fc.constantFrom(1, 1, 2) : fc.constant(1),
    padding: fc.constantFrom<Padding[]>('SAME', 'VALID'),
    dynamic: fc.boolean(),
  });
  return fc.tuple(images(8), window).map(([image, { size, strides, dilation, ...rest }]) => {
    const fitted = (length: number, side: number): number =>
      rest.padding === 'SAME' ? length : Math.min(length, 1 + Math.floor((side - 1) / dilation));
    const inside = [fitted(size[0], image.height), fitted(size[1], image.width)] as const;
    // TensorFlow knows no strides of dilated windows.
    return { ...image, ...rest, dilation, size: inside, strides: dilation > 1 ? [1, 1] : strides };
  });
}

function outputSide(side: number, size: number, stride: number, { padding, dilation }: WindowPlan): number {
  const span = (size - 1) * dilation + 1;
  return Math.ceil((padding === 'SAME' ? side : side - span + 1) / stride);
}

function outputShape(plan: WindowPlan, channels: number): number[] {
  const height = outputSide(plan.height, plan.size[0], plan.strides[0], plan);
  const width = outputSide(plan.width, plan.size[1], plan.strides[1], plan);
  return imageShape({ ...plan, height, width, channels });
}

function inFormat([height, width]: readonly [number, number], format: DataFormat): number[] {
  return format === 'NHWC' ? [1, height, width, 1] : [1, 1, height, width];
}

function windowAttrs({ strides, padding, format }: WindowPlan): AttrInput {
  return { strides: inFormat(strides, format), padding, data_format: format };
}

function convAttrs(plan: WindowPlan): AttrInput {
  return { ...windowAttrs(plan), dilations: inFormat([plan.dilation, plan.dilation], plan.format) };
}

function poolAttrs(plan: WindowPlan): AttrInput {
  return { ...windowAttrs(plan), ksize: inFormat(plan.size, plan.format) };
}

const convs = () => fc.tuple(windows({ dilated: true }), count(3));

const filterShape = (plan: WindowPlan, filters: number): number[] => [...plan.size, plan.channels, filters];

function poolGradient(op: 'MaxPool' | 'AvgPool'): OpGenerator {
  return windows().chain((plan) =>
    fc
      .tuple(floatTensors(imageShape(plan)), floatTensors(outputShape(plan, plan.channels)))
      .map(([x, grad]) => {
        const attrs = poolAttrs(plan);
        const output: DerivedInput = { op, inputs: [0], attrs, port: 0 };
        const { dynamic } = plan;
        if (op === 'MaxPool') return opCase([x, output, grad], attrs, { dynamic });
        return opCase([vector(imageShape(plan)), grad], attrs, { constants: [0] });
      }),
  );
}

interface NormPlan extends ImagePlan {
  readonly training: boolean;
}

/** At least two values a channel, so that there is a variance. */
function norms(): fc.Arbitrary<NormPlan> {
  return record({ image: images(), training: fc.boolean() }).map(({ image, training }) => ({
    ...image,
    batch: image.batch + 1,
    training,
  }));
}

function batchNorm(): OpGenerator {
  return norms().chain((plan) => {
    const channel = (range: readonly [number, number]) => floatTensors([plan.channels], range);
    const attrs = { epsilon: 0.01, is_training: plan.training, data_format: plan.format };
    return fc
      .tuple(
        floatTensors(imageShape(plan)),
        channel([0.5, 2]),
        channel([-1, 1]),
        channel([-1, 1]),
        channel([0.5, 2]),
      )
      .map(([x, scale, offset, mean, variance]) =>
        opCase([x, scale, offset, ...(plan.training ? [empty(), empty()] : [mean, variance])], attrs),
      );
  });
}

function batchNormGradient(): OpGenerator {
  return norms().chain((plan) => {
    const shape = imageShape(plan);
    const channel = (range: readonly [number, number]) => floatTensors([plan.channels], range);
    const attrs = { epsilon: 0.01, is_training: plan.training, data_format: plan.format };
    return fc
      .tuple(floatTensors(shape), floatTensors(shape), channel([0.5, 2]), channel([-1, 1]), channel([0.5, 2]))
      .map(([grad, x, scale, mean, variance]) => {
        const given = plan.training ? [empty(), empty()] : [mean, variance];
        const reserve = (port: number): DerivedInput => ({
          op: 'FusedBatchNormV3',
          inputs: [1, 2, mean, ...given],
          attrs,
          port,
        });
        return opCase([grad, x, scale, reserve(3), reserve(4)], attrs);
      });
  });
}

/** The attributes of TensorFlow's defaults and of its users: bias 1 or 2, and a radius beyond the channels at times. */
function responseNorms(gradient: boolean): OpGenerator {
  const attrs = record({
    depth_radius: fc.integer({ min: 0, max: 5 }),
    bias: fc.constantFrom(1, 2),
    alpha: fc.constantFrom(1, 0.5, 0.001 / 9),
    beta: fc.constantFrom(0.5, 0.75, 1),
  });
  return fc
    .tuple(images(), count(6), attrs, fc.boolean())
    .chain(([{ batch, height, width }, depth, given, dynamic]) => {
      const values = () => floatTensors([batch, height, width, depth]);
      const output: DerivedInput = { op: 'LRN', inputs: [1], attrs: given, port: 0 };
      return fc
        .tuple(values(), values())
        .map(([x, grad]) => opCase(gradient ? [grad, x, output] : [x], given, { dynamic }));
    });
}

const logits = () => fc.tuple(count(4), count(5)).chain((shape) => floatTensors(shape));

export const nnCases = {
  BiasAdd: images().chain((plan) =>
    fc
      .tuple(floatTensors(imageShape(plan)), floatTensors([plan.channels]), fc.boolean())
      .map(([x, bias, dynamic]) =>
        opCase([x, bias], { data_format: plan.format }, { dynamic: dynamic && plan.channels === 1 }),
      ),
  ),
  BiasAddGrad: images().chain((plan) =>
    floatTensors(imageShape(plan)).map((x) => opCase([x], { data_format: plan.format }, { dynamic: true })),
  ),
  Relu: unary(),
  ReluGrad: images().chain((plan) =>
    fc
      .tuple(floatTensors(imageShape(plan)), floatTensors(imageShape(plan)))
      .map((inputs) => opCase(inputs, {}, { dynamic: true })),
  ),
  LRN: responseNorms(false),
  LRNGrad: responseNorms(true),
  Softmax: logits().map((x) => opCase([x], {}, { dynamic: true })),
  LogSoftmax: logits().map((x) => opCase([x], {}, { dynamic: true })),
  SparseSoftmaxCrossEntropyWithLogits: fc
    .tuple(logits(), fc.constantFrom('int32' as const, 'int64' as const))
    .chain(([x, dtype]) =>
      intTensors(dtype, [x.shape[0] ?? 1], [0, (x.shape[1] ?? 1) - 1]).map((labels) =>
        opCase([x, labels], {}, { dynamic: true }),
      ),
    ),
} satisfies GeneratorTable;

export const convCases = {
  Conv2D: convs().chain(([plan, filters]) =>
    fc
      .tuple(floatTensors(imageShape(plan)), floatTensors(filterShape(plan, filters)))
      .map((inputs) => opCase(inputs, convAttrs(plan))),
  ),
  Conv2DBackpropInput: convs().chain(([plan, filters]) =>
    fc
      .tuple(floatTensors(filterShape(plan, filters)), floatTensors(outputShape(plan, filters)))
      .map((inputs) => opCase([vector(imageShape(plan)), ...inputs], convAttrs(plan), { constants: [0] })),
  ),
  Conv2DBackpropFilter: convs().chain(([plan, filters]) =>
    fc.tuple(floatTensors(imageShape(plan)), floatTensors(outputShape(plan, filters))).map(([x, grad]) =>
      opCase([x, vector(filterShape(plan, filters)), grad], convAttrs(plan), {
        constants: [1],
        dynamic: plan.dynamic,
      }),
    ),
  ),
} satisfies GeneratorTable;

export const poolCases = {
  MaxPool: windows().chain((plan) =>
    floatTensors(imageShape(plan)).map((x) => opCase([x], poolAttrs(plan), { dynamic: plan.dynamic })),
  ),
  MaxPoolGrad: poolGradient('MaxPool'),
  AvgPool: windows().chain((plan) =>
    floatTensors(imageShape(plan)).map((x) => opCase([x], poolAttrs(plan), { dynamic: plan.dynamic })),
  ),
  AvgPoolGrad: poolGradient('AvgPool'),
} satisfies GeneratorTable;

export const normCases = {
  FusedBatchNormV3: batchNorm(),
  FusedBatchNormGradV3: batchNormGradient(),
} satisfies GeneratorTable;
