import { createInterpreter } from '@placewright/interp';
import { buildModel, type Module, type TensorValue, tensorValue, toNumbers } from '@placewright/ir';
import { type Batch, lookupModel, readTensors } from '@placewright/models';
import { describe, expect, test } from 'vitest';
import golden from '../data/goldens/training/tiny_sgd_ps_n1.json' with { type: 'json' };
import goldenBn from '../data/goldens/training/tinybn_sgd_ps_n1.json' with { type: 'json' };
import goldenBn2 from '../data/goldens/training/tinybn_sgd_ps_n2.json' with { type: 'json' };

const WEIGHT_DECAY = 4e-5;

const tensorsOf = (model: string) =>
  readTensors(new URL(`../data/goldens/training/${model}.tensors.json`, import.meta.url).pathname, {
    classes: 11,
  });

const squares = (value: TensorValue): number => toNumbers(value).reduce((sum, x) => sum + x * x, 0);

/** What the recorded losses have beside the cross entropy. */
function decayOf(module: Module, initial: ReadonlyMap<string, TensorValue>): number {
  const trained = [...module.resources.values()].flatMap((resource) =>
    resource.kind === 'variable' && resource.trainable ? [initial.get(resource.name)] : [],
  );
  return (
    trained.reduce((sum, value) => sum + (value === undefined ? Number.NaN : squares(value) / 2), 0) *
    WEIGHT_DECAY
  );
}

/** The loss of one step from those values, weight decay included, and what the step leaves behind. */
function firstStep(module: Module, initial: ReadonlyMap<string, TensorValue>, { images, labels }: Batch) {
  const interpreter = createInterpreter(module);
  interpreter.run('init');
  interpreter.writeVariables(initial);
  const loss = interpreter.run('step', { images, labels }).get('loss');
  return {
    loss: Number(loss?.data[0]) + decayOf(module, initial),
    variables: interpreter.readVariables(),
  };
}

/** Rows of a batch. */
function rows({ images, labels }: Batch, from: number, to: number): Batch {
  const cut = ({ dtype, shape, data }: TensorValue): TensorValue => {
    const size = data.length / (shape[0] ?? 1);
    return tensorValue(dtype, [to - from, ...shape.slice(1)], data.slice(from * size, to * size));
  };
  return { images: cut(images), labels: cut(labels) };
}

/** `affine0/weights` for features that lie channel by channel: rows (h, w, c) to (c, h, w). */
function channelsFirst(initial: ReadonlyMap<string, TensorValue>, size: number, channels: number) {
  const weights = initial.get('affine0/weights');
  if (weights === undefined) throw new Error('no affine0/weights');
  const units = weights.shape[1] ?? 0;
  const values = toNumbers(weights);
  const data = new Float32Array(values.length);
  for (let c = 0; c < channels; c++) {
    for (let at = 0; at < size * size; at++) {
      const from = (at * channels + c) * units;
      data.set(values.slice(from, from + units), (c * size * size + at) * units);
    }
  }
  return new Map([...initial, ['affine0/weights', tensorValue('float32', weights.shape, data)]]);
}

describe('the first loss is the recorded one', () => {
  test('of tiny, and the same with channels first', () => {
    const { initial, batch } = tensorsOf('tiny');
    const { factory } = lookupModel('tiny');
    expect(golden.losses[0]).toBeCloseTo(2.929178, 6);
    const loss = firstStep(buildModel(factory()), initial, batch).loss;
    expect(Math.abs(loss / Number(golden.losses[0]) - 1)).toBeLessThan(1e-6);
    const nchw = firstStep(
      buildModel(factory({ dataFormat: 'NCHW' })),
      channelsFirst(initial, 3, 16),
      batch,
    ).loss;
    expect(Math.abs(nchw / loss - 1)).toBeLessThan(1e-6);
  });

  test('of tinybn, over the whole batch and as the mean of two towers', () => {
    const { initial, batch } = tensorsOf('tinybn');
    const module = buildModel(lookupModel('tinybn').factory());
    const whole = firstStep(module, initial, batch).loss;
    expect(Math.abs(whole / Number(goldenBn.losses[0]) - 1)).toBeLessThan(1e-6);
    const towers = [0, 8].map((from) => firstStep(module, initial, rows(batch, from, from + 8)).loss);
    const mean = towers.reduce((sum, loss) => sum + loss, 0) / 2;
    expect(Math.abs(mean / Number(goldenBn2.losses[0]) - 1)).toBeLessThan(1e-6);
  });
});

test('a step of tinybn moves the averages a tenth of the way to the batch, and inference reads them', () => {
  const { initial, batch } = tensorsOf('tinybn');
  const module = buildModel(lookupModel('tinybn').factory());
  const interpreter = createInterpreter(module);
  interpreter.run('init');
  interpreter.writeVariables(initial);
  const before = Number(interpreter.run('eval', batch).get('loss')?.data[0]);
  const norm = [...module.graph.nodes.values()].find(
    (node) => node.name === 'conv0/batchnorm0/FusedBatchNormV3',
  );
  if (norm === undefined) throw new Error('no batch normalisation');
  const moments = [1, 2].map((port) => ({ node: norm.id, port }));
  const fetched = interpreter.run('step', batch, { fetch: moments });
  const after = interpreter.readVariables();
  [['mean', 0] as const, ['variance', 1] as const].forEach(([what, start], i) => {
    const moment = toNumbers(fetched.get(`conv0/batchnorm0/FusedBatchNormV3:${i + 1}`) as TensorValue);
    const average = toNumbers(after.get(`conv0/batchnorm0/moving_${what}`) as TensorValue);
    average.forEach((value, c) => {
      expect(value).toBeCloseTo(0.9 * start + 0.1 * Number(moment[c]), 6);
    });
  });
  expect(Number(interpreter.run('eval', batch).get('loss')?.data[0])).not.toBe(before);
});
