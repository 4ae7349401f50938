import {
  builtinRegistry,
  type Module,
  nodeName,
  opaqueOps,
  parseModule,
  printModule,
  type TensorValue,
  tensorOf,
} from '@placewright/ir';
import { sameModule } from '@placewright/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  decodeGraphDef,
  encodeGraphDef,
  fromGraphDef,
  type GraphDef,
  parseGraphDef,
  printGraphDef,
  toGraphDef,
} from '../src/index.js';
import { hasTensorFlow, startTensorFlow, type TensorFlow } from './tensorflow/python.js';

// TensorFlow takes its time to start, more so where other tests run beside this one.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

describe.skipIf(!hasTensorFlow())("needs TensorFlow: graphs of TensorFlow's own", () => {
  let tensorflow: TensorFlow;
  beforeAll(() => {
    tensorflow = startTensorFlow();
  });
  afterAll(() => tensorflow.close());

  async function foreign(header: Readonly<Record<string, unknown>>): Promise<GraphDef> {
    const { blobs } = await tensorflow.ask('foreign', header);
    return decodeGraphDef(blobs[0] ?? new Uint8Array(0));
  }

  const opsOf = ({ graph }: Module): Map<string, string> =>
    new Map([...graph.nodes.values()].map((node) => [nodeName(node), node.op]));

  /** Runs a GraphDef: initialises it, trains two steps, and gives `y` after each. */
  async function run(graph: GraphDef): Promise<unknown[]> {
    const session = 10_000;
    await tensorflow.ask('load', { session, devices: 2 }, [encodeGraphDef(graph)]);
    const x: TensorValue = tensorOf('float32', [2, 4], [1, 2, -3, 0.5, 4, -1, 2, 0.25]);
    const data = x.data as Float32Array;
    const blob = new Uint8Array(data.buffer);
    const feeds = [{ tensor: 'x:0', dtype: 'float32', shape: [2, 4] }];
    const out: unknown[] = [];
    await tensorflow.ask('run', { session, feeds: [], fetches: [], targets: ['init'] });
    for (const _ of [1, 2]) {
      const { blobs } = await tensorflow.ask(
        'run',
        { session, feeds, fetches: ['y:0', 'best:0'], targets: [] },
        [blob],
      );
      out.push(...blobs.map((each) => [...each]));
      await tensorflow.ask('run', { session, feeds, fetches: [], targets: ['train'] }, [blob]);
    }
    await tensorflow.ask('close', { session });
    return out;
  }

  test.for([true, false])(
    'are read, printed, written again, and run as before (resource=%s)',
    async (resource) => {
      const graph = await foreign({ resource });
      const module = fromGraphDef(graph, { name: 'foreign' });
      const { text, constants } = printModule(module);
      expect(sameModule(parseModule(text, { constants, registry: builtinRegistry }), module)).toBe(true);
      const ops = opsOf(module);
      // What the IR has is read as such; the rest is opaque.
      expect(ops.get('transpose')).toBe('Transpose');
      expect(ops.get('hidden')).toBe('Softplus');
      expect(ops.get('best')).toBe('tf.ArgMax');
      expect(ops.get('y')).toBe('Sum');
      const opaque = opaqueOps(module, builtinRegistry).map(({ op }) => op);
      expect(opaque).toEqual(expect.arrayContaining(['Softplus', 'StridedSlice', 'tf.ArgMax']));
      if (resource) {
        const variables = [...module.resources.values()].map((each) => ('name' in each ? each.name : ''));
        expect(variables).toEqual(expect.arrayContaining(['w', 'w/Momentum']));
      }
      expect(await run(toGraphDef(module).graph)).toEqual(await run(graph));
    },
  );

  test('without shapes are read only where nothing needs them', async () => {
    const graph = await foreign({ resource: true, shapes: false });

    expect(() => fromGraphDef(graph)).toThrow(
      expect.objectContaining({
        code: 'PW_GRAPHDEF_SHAPE',
        hint: expect.stringContaining('add_shapes=True'),
      }),
    );
  });

  test('with loops or functions are refused, with what to do', async () => {
    const loop = await foreign({ resource: true, loop: true });
    expect(() => fromGraphDef(loop)).toThrow(expect.objectContaining({ code: 'PW_GRAPHDEF_LIBRARY' }));
    const old = await foreign({ resource: true, v1_loop: true });
    expect(() => fromGraphDef(old)).toThrow(
      expect.objectContaining({ code: 'PW_GRAPHDEF_CYCLE', hint: expect.stringContaining('loops') }),
    );
  });

  test('our text form is the same message for TensorFlow, and we read its own', async () => {
    const graph = await foreign({ resource: true });
    const binary = encodeGraphDef(graph);
    const { header, blobs } = await tensorflow.ask('same', {}, [binary, Buffer.from(printGraphDef(graph))]);
    expect(header.same).toBe(true);
    const theirs = parseGraphDef(Buffer.from(blobs[0] ?? []).toString());
    const again = await tensorflow.ask('same', {}, [binary, Buffer.from(printGraphDef(theirs))]);
    expect(again.header.same).toBe(true);
  });
});

test('a graph without TensorFlow at hand', () => {
  const module = fromGraphDef(
    parseGraphDef(`
      node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
             attr { key: "shape" value { shape { dim { size: -1 } dim { size: 3 } } } } }
      node { name: "axes" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
             attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: 1 } } } }
      node { name: "sum" op: "Sum" input: "x" input: "axes" device: "/job:worker/replica:0/task:1/device:GPU:0" }
      node { name: "odd" op: "Odd" input: "sum" input: "^x" }`),
    { name: 'by hand' },
  );
  expect(printModule(module).text).toBe(`placewright 1
module "by hand" towers=0 next=4
%n0 = Placeholder() {dtype=float32, shape=shape[?, 3]} -> float32[?, 3] "x" by=import why="read from a GraphDef"
%n2 = Sum(%n0) {axis=[1], keep_dims=false} -> float32[?] @/job:worker/task:1/device:GPU:0 "sum" by=import why="read from a GraphDef"
%n3 = Odd(%n2, ^%n0) "odd" by=import why="read from a GraphDef"
end
`);
});
