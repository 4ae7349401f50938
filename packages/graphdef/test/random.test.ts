import {
  type BuiltinOp,
  builtinRegistry,
  edit,
  emptyModule,
  localCluster,
  randomValues,
} from '@placewright/ir';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasTensorFlow, startTensorFlow, type TensorFlow } from './tensorflow/python.js';
import { openSession } from './tensorflow/session.js';

// TensorFlow takes its time to start, more so where other tests run beside this one.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** More elements than are drawn in one piece, and no multiple of a block. */
const SHAPE = [2 ** 21 + 3, 2];
const WHY = { reason: 'a test' };
const DEVICE = '/device:GPU:0';

describe.skipIf(!hasTensorFlow())('needs TensorFlow: random numbers', () => {
  let tensorflow: TensorFlow;
  beforeAll(() => {
    tensorflow = startTensorFlow();
  });
  afterAll(() => tensorflow.close());

  /** Elements that differ from ours, and by how many units in the last place at most. */
  async function compare(op: BuiltinOp, attrs: Readonly<Record<string, number>>) {
    const { module } = edit(emptyModule('random'), builtinRegistry, 'build', (editor) => {
      const all = { shape: SHAPE, seed: 2 ** 31 + 5, seed2: 7, ...attrs };
      const node = editor.addNode({ op, name: 'numbers', attrs: all, device: DEVICE }, WHY);
      const tensor = { node, port: 0 };
      editor.setEntry({ name: 'step', feeds: [], fetches: [{ name: 'numbers', tensor }], rounds: [[]] });
      editor.setFrame({ cluster: localCluster({ numGpus: 1 }) });
    });
    const [node] = module.graph.nodes.values();
    if (node === undefined) throw new Error('there is no node');
    const session = await openSession(tensorflow, module);
    try {
      const got = (await session.run('step')).get('numbers');
      return difference(got?.data as Float32Array, randomValues(node).data as Float32Array);
    } finally {
      await session.close();
    }
  }

  function difference(got: Float32Array, want: Float32Array): { differing: number; most: number } {
    const [a, b] = [got, want].map((data) => new Int32Array(data.buffer, data.byteOffset, data.length));
    let [differing, most] = [0, 0];
    for (let i = 0; i < want.length; i++) {
      const apart = Math.abs((a?.[i] ?? 0) - (b?.[i] ?? 0));
      if (apart > 0) differing += 1;
      most = Math.max(most, apart);
    }
    return { differing, most };
  }

  test('uniform ones are ours to the bit', async () => {
    const attrs = { minval: -0.7, maxval: 1.3 };
    expect(await compare('StatelessRandomUniform', attrs)).toEqual({ differing: 0, most: 0 });
  });

  // A logarithm, sine or cosine in float64 may be off by its last bit, which seldom shows in float32.
  test.for(['StatelessRandomNormal', 'StatelessTruncatedNormal'] as const)(
    '%s: hardly one differs',
    async (op) => {
      const { differing, most } = await compare(op, { mean: 0.1, stddev: 0.3 });
      expect(differing).toBeLessThan(20);
      expect(most).toBeLessThanOrEqual(1);
    },
  );
});
