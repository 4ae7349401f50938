/**
 * A model of one's own, written with the builder, compiled for two devices, trained and tested on handwritten digits.
 *
 *     node examples/dist/own-model.js
 */
import {
  type Batch,
  batches,
  compile,
  defineModel,
  evaluate,
  type Feeds,
  findEngine,
  formatBinding,
  mnist,
  sequentialBatches,
  summarisePlacement,
  train,
} from 'placewright';

const PIXELS = 28 * 28;

/** Two layers, the second half linear: `affine(relu(affine(x)))`. */
export const model = defineModel({
  name: 'two-layers',
  inputs: { images: { dtype: 'float32', shape: [28, 28, 1] }, labels: { dtype: 'int32', shape: [] } },
  build(b, { images, labels }) {
    const pixels = b.mul(b.flatten(images), b.constant(1 / 255));
    const hidden = b.group('hidden', () => {
      const weights = b.variable('weights', { shape: [PIXELS, 64] });
      const biases = b.variable('biases', { shape: [64], initializer: { kind: 'zeros' } });
      return b.relu(b.biasAdd(b.matMul(pixels, weights.value), biases.value));
    });
    const logits = b.group('logits', () =>
      b.matMul(hidden, b.variable('weights', { shape: [64, 10] }).value),
    );
    return {
      loss: b.mean(b.sparseSoftmaxCrossEntropy(logits, labels)),
      metrics: { correctCount: b.correctCount(logits, labels) },
    };
  },
});

/** Batches as a session takes them: tensors by the names of the model's inputs. */
function* feeds(from: Iterable<Batch>): Generator<Feeds> {
  for (const { images, labels } of from) {
    yield new Map([
      ['images', images],
      ['labels', labels],
    ]);
  }
}

/** Trains for so many steps; gives the accuracy on digits that training has not seen. */
export async function trainOwnModel(steps: number, say: (line: string) => void): Promise<number> {
  const digits = mnist();
  const { module } = compile(model, {
    strategy: 'parameter_server',
    localParameterDevice: 'gpu',
    numGpus: 2,
    training: { optimizer: { kind: 'sgd', learningRate: 0.2 }, weightDecay: 0, clip: { kind: 'none' } },
  });
  for (const { device, variables, variableBytes } of summarisePlacement(module, { batch: 64 }).devices) {
    say(`${device} holds ${variables} variables, ${variableBytes} bytes`);
  }
  const session = await findEngine('embedded').load(module);
  try {
    say(formatBinding(session.bindings));
    const result = await train(session, {
      module,
      steps,
      feeds: feeds(batches(digits.train, { batchSize: 2 * 64 })),
    });
    say(`last loss ${result.reports.at(-1)?.loss.toFixed(3)}`);
    const { accuracy } = await evaluate(session, { feeds: feeds(sequentialBatches(digits.test, 1000)) });
    return accuracy ?? 0;
  } finally {
    await session.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const accuracy = await trainOwnModel(400, console.log);
  console.log(`accuracy on unseen digits: ${(100 * accuracy).toFixed(1)} %`);
}
