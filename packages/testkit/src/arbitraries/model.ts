import type { DataFormat, Padding } from '@placewright/ir';
import type { Activation } from '@placewright/models';
import fc from 'fast-check';
import { names } from './names.js';
import { record } from './record.js';

/** One layer of a random model. A layer of images is left out once the model has flattened them. */
export type LayerPlan =
  | {
      readonly kind: 'conv';
      readonly filters: number;
      readonly size: number;
      readonly stride: number;
      readonly padding: Padding;
      readonly norm: 'bias' | 'batchNorm' | 'scaledBatchNorm';
      readonly activation: Activation;
    }
  | { readonly kind: 'pool'; readonly pool: 'max' | 'avg'; readonly size: number; readonly padding: Padding }
  | { readonly kind: 'batchNorm'; readonly scale: boolean }
  | { readonly kind: 'affine'; readonly units: number; readonly activation: Activation }
  /** `x + f(x)` with an f of a layer of its own. */
  | { readonly kind: 'residual'; readonly activation: Activation }
  /** `tanh(x)·sigmoid(x) + x`: one tensor used three times. */
  | { readonly kind: 'diamond' }
  /** Channels times a variable that all such layers of as many channels share. */
  | { readonly kind: 'shared' };
export type LayerKind = LayerPlan['kind'];

/** A random model as plain data: it shrinks to few layers, and prints as what it is. `modelOf` makes the definition. */
export interface ModelPlan {
  readonly input:
    | {
        readonly kind: 'image';
        readonly size: number;
        readonly channels: number;
        readonly format: DataFormat;
      }
    | { readonly kind: 'vector'; readonly features: number };
  readonly layers: readonly LayerPlan[];
  /** Names of the layers' groups, the input, and the shared variable: hostile ones among them, no two the same. */
  readonly names: readonly string[];
  readonly loss: 'crossEntropy' | 'squares';
  readonly classes: number;
  /** A variable that inference alone reads: it is no tower's. */
  readonly evalOnly: boolean;
  /** What a user has asked for beside the model: devices, order, colocation. Numbers are taken modulo what there is. */
  readonly wishes: WishesPlan;
}

export interface WishesPlan {
  /** Devices of single ops; `partial` gives the type without the index. */
  readonly ops: readonly { readonly at: number; readonly device: number; readonly partial: boolean }[];
  readonly variables: readonly { readonly at: number; readonly device: number }[];
  readonly controls: readonly { readonly from: number; readonly to: number }[];
  readonly colocations: readonly { readonly a: number; readonly b: number }[];
}

export interface ModelBounds {
  readonly maxLayers?: number;
  /** Hostile names; on unless turned off. */
  readonly hostile?: boolean;
  /** Devices, control edges and colocation of the user's own; on unless turned off. */
  readonly wishes?: boolean;
}

const activations = fc.constantFrom<Activation[]>('linear', 'relu', 'tanh');
const paddings = fc.constantFrom<Padding[]>('SAME', 'VALID');

function layers(): fc.Arbitrary<LayerPlan> {
  const kind = <K extends LayerKind>(name: K): fc.Arbitrary<K> => fc.constant(name);
  return fc.oneof(
    record({ kind: kind('affine'), units: fc.integer({ min: 1, max: 4 }), activation: activations }),
    record({
      kind: kind('conv'),
      filters: fc.integer({ min: 1, max: 3 }),
      size: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 2 }),
      padding: paddings,
      norm: fc.constantFrom('bias' as const, 'batchNorm' as const, 'scaledBatchNorm' as const),
      activation: activations,
    }),
    record({
      kind: kind('pool'),
      pool: fc.constantFrom('max' as const, 'avg' as const),
      size: fc.integer({ min: 1, max: 3 }),
      padding: paddings,
    }),
    record({ kind: kind('batchNorm'), scale: fc.boolean() }),
    record({ kind: kind('residual'), activation: activations }),
    record({ kind: kind('diamond') }),
    { weight: 2, arbitrary: record({ kind: kind('shared') }) },
  );
}

function inputs(): fc.Arbitrary<ModelPlan['input']> {
  return fc.oneof(
    {
      weight: 2,
      arbitrary: record({
        kind: fc.constant('vector' as const),
        features: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 3,
      arbitrary: record({
        kind: fc.constant('image' as const),
        size: fc.integer({ min: 2, max: 5 }),
        channels: fc.integer({ min: 1, max: 3 }),
        format: fc.constantFrom<DataFormat[]>('NHWC', 'NCHW'),
      }),
    },
  );
}

function wishes(): fc.Arbitrary<WishesPlan> {
  const at = fc.nat(999);
  const few = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 2, size: 'max' });
  return record({
    ops: few(record({ at, device: fc.nat(9), partial: fc.boolean() })),
    variables: few(record({ at, device: fc.nat(9) })),
    controls: few(record({ from: at, to: at })),
    colocations: few(record({ a: at, b: at })),
  });
}

const NO_WISHES: WishesPlan = { ops: [], variables: [], controls: [], colocations: [] };

/** Random small models: stacks of layers, residual sums, shared variables, diamonds. Shrinks to one affine layer. */
export function modelPlans(bounds: ModelBounds = {}): fc.Arbitrary<ModelPlan> {
  const { maxLayers = 4, hostile = true } = bounds;
  const count = maxLayers + 2;
  return record({
    input: inputs(),
    layers: fc.array(layers(), { maxLength: maxLayers, size: 'max' }),
    names: fc
      .uniqueArray(names({ hostile }), { minLength: Math.min(count, 8), maxLength: count })
      .map((list) => [...list]),
    loss: fc.constantFrom('crossEntropy' as const, 'squares' as const),
    classes: fc.integer({ min: 2, max: 3 }),
    evalOnly: fc.boolean(),
    wishes:
      bounds.wishes === false
        ? fc.constant(NO_WISHES)
        : fc.oneof({ weight: 2, arbitrary: fc.constant(NO_WISHES) }, { weight: 1, arbitrary: wishes() }),
  });
}
