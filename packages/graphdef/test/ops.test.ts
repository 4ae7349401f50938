import { createInterpreter } from '@placewright/interp';
import { builtinRegistry, type TensorValue } from '@placewright/ir';
import {
  mustBeNear,
  OP_TOLERANCE,
  type OpCase,
  opCases,
  opModule,
  TESTED_OPS,
  type Tolerance,
} from '@placewright/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, test, vi } from 'vitest';
import { hasTensorFlow, startTensorFlow, type TensorFlow } from './tensorflow/python.js';
import { openSession } from './tensorflow/session.js';

// TensorFlow takes its time to start, more so where other tests run beside this one.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

// Every op on its own, forward and backward: what TensorFlow computes of the GraphDef, and the interpreter of the module.

const SEED = 6;
const RUNS = 6;
const SMALLEST_NORMAL = 2 ** -126;
/** Ops whose results are the same to the bit; those in float64 are rounded to float32 once. */
const EXACT: Tolerance = { relative: 0, absolute: 0 };
const EXACT_OPS = new Set(['StatelessRandomUniform', 'StatelessRandomUniformV2']);

/** TensorFlow takes numbers that are too small to be normal for zeros. */
const isSubnormal = (x: number | bigint): boolean =>
  typeof x === 'number' && x !== 0 && Math.abs(x) < SMALLEST_NORMAL;

const hasSubnormals = ({ inputs, variables }: OpCase): boolean =>
  [...inputs, ...variables].some(
    (value) => 'data' in value && Array.from(value.data as ArrayLike<number>).some(isSubnormal),
  );

/** Kernels for CPUs that take channels before height and width, or dilated filters backwards, are oneDNN's alone. */
const needsOneDnn = ({ attrs }: OpCase): boolean =>
  attrs.data_format === 'NCHW' ||
  (Array.isArray(attrs.dilations) && attrs.dilations.some((step) => step !== 1));

const hasGradient = ({ op, variables, inputs }: OpCase): boolean =>
  typeof builtinRegistry.ops.get(op)?.gradient === 'function' &&
  variables.length === 0 &&
  inputs.some((value) => 'data' in value && value.dtype === 'float32' && value.data.length > 0) &&
  !['Transfer', 'NcclAllReduce'].includes(op);

async function compareOp(tensorflow: TensorFlow, plan: OpCase, backward: boolean): Promise<void> {
  const { module, feeds } = opModule(plan, { backward });
  const reference = createInterpreter(module);
  const session = await openSession(tensorflow, module, { collectives: 'collective' });
  try {
    reference.run('init');
    await session.run('init');
    if (module.entries.warmUp !== undefined) {
      reference.run('warmUp', feeds);
      await session.run('warmUp', feeds);
    }
    const got = await session.run('step', feeds);
    const tolerance = EXACT_OPS.has(plan.op) ? EXACT : OP_TOLERANCE;
    const compare = (all: ReadonlyMap<string, TensorValue>, want: ReadonlyMap<string, TensorValue>): void => {
      for (const [name, value] of want) mustBeNear(name, all.get(name), value, tolerance);
    };
    compare(got, reference.run('step', feeds));
    compare(await session.readVariables(), reference.readVariables());
  } finally {
    await session.close();
  }
}

describe.skipIf(!hasTensorFlow())('needs TensorFlow: every op as the interpreter computes it', () => {
  let plain: TensorFlow;
  let oneDnn: TensorFlow;
  beforeAll(() => {
    plain = startTensorFlow();
    oneDnn = startTensorFlow({ TF_ENABLE_ONEDNN_OPTS: '1' });
  });
  afterAll(async () => {
    await Promise.all([plain.close(), oneDnn.close()]);
  });

  const check = async (cases: fc.Arbitrary<OpCase>, backward: boolean): Promise<void> => {
    const usual = cases.filter((plan) => !hasSubnormals(plan));
    await fc.assert(
      fc.asyncProperty(usual, (plan) => compareOp(needsOneDnn(plan) ? oneDnn : plain, plan, backward)),
      { seed: SEED, numRuns: RUNS },
    );
  };

  test.for(TESTED_OPS)('%s', (op) => check(opCases(op), false));

  const differentiable = TESTED_OPS.filter((op) =>
    fc.sample(opCases(op), { seed: SEED, numRuns: 20 }).some(hasGradient),
  );
  test.for(differentiable)('gradient of %s', (op) => check(opCases(op).filter(hasGradient), true));
});
