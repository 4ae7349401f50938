import { PlacewrightError } from '@placewright/ir';
import { channelAxis, type Floats, type LayerContext } from './context.js';
import { type ConvOptions, conv } from './conv.js';
import { apool, mpool, type PoolOptions } from './pool.js';

/** One layer of a column of an inception module; `share` is the layer at its place in the column before. */
export type ColumnLayer =
  | ({ readonly kind: 'conv' } & ConvOptions)
  | ({ readonly kind: 'mpool' | 'apool' } & PoolOptions)
  | { readonly kind: 'share' };
export type Column = readonly ColumnLayer[];

/**
 * `KIND0`: columns of layers, each over `x`, put together along the channels. All modules of a kind have the number 0, as
 * in tf_cnn_benchmarks, whose counter of them stands still; the layers within are numbered over the whole graph.
 * Throws PW_MODEL_LAYER where there is nothing to share or to put together.
 */
export function inceptionModule(
  layers: LayerContext,
  kind: string,
  x: Floats,
  columns: readonly Column[],
): Floats {
  const { b } = layers;
  return b.group(`${kind}0`, () => {
    let before: readonly Floats[] = [];
    const tops = columns.map((column) => {
      before = buildColumn(layers, x, column, before);
      return before.at(-1) ?? x;
    });
    if (tops.length === 0) throw moduleError(`the module ${kind} has no columns`, 'give it one at least');
    return b.op('ConcatV2', tops, { name: 'concat', attrs: { axis: channelAxis(layers) }, dtype: 'float32' });
  });
}

/** What each layer of a column gives. */
function buildColumn(
  layers: LayerContext,
  x: Floats,
  column: Column,
  before: readonly Floats[],
): readonly Floats[] {
  const built: Floats[] = [];
  for (const [place, layer] of column.entries()) {
    const input = built.at(-1) ?? x;
    built.push(layer.kind === 'share' ? sharedLayer(before, place) : buildLayer(layers, input, layer));
  }
  return built;
}

function buildLayer(
  layers: LayerContext,
  x: Floats,
  layer: Exclude<ColumnLayer, { readonly kind: 'share' }>,
): Floats {
  switch (layer.kind) {
    case 'conv':
      return conv(layers, x, layer);
    case 'mpool':
      return mpool(layers, x, layer);
    case 'apool':
      return apool(layers, x, layer);
  }
}

function sharedLayer(before: readonly Floats[], place: number): Floats {
  const layer = before[place];
  if (layer !== undefined) return layer;
  throw moduleError(
    `the column before has no layer ${place} to share`,
    'share only layers at the same place of the column before',
  );
}

function moduleError(message: string, hint: string): PlacewrightError {
  return new PlacewrightError('PW_MODEL_LAYER', message, { hint });
}
