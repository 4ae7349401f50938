import { createInterpreter, type Interpreter } from '@placewright/interp';
import type { BuiltinOp, TensorValue } from '@placewright/ir';
import { opCases, TESTED_OPS } from '../arbitraries/op.js';
import type { OpCase } from '../arbitraries/ops/case.js';
import { mustBeNear, type Tolerance } from '../compare.js';
import { hasBackward, type OpModule, opModule } from '../op-module.js';
import { type EngineCheck, propertyCheck, type SuiteOptions } from './property.js';
import { type Load, withSession } from './session.js';

/** Ops that give the same bits on every engine: no arithmetic, or integers alone, or the agreed generator. */
const EXACT: ReadonlySet<BuiltinOp> = new Set<BuiltinOp>([
  ...([
    'Const',
    'Identity',
    'StopGradient',
    'Shape',
    'Size',
    'Cast',
    'ZerosLike',
    'OnesLike',
    'Fill',
  ] as const),
  ...([
    'ArgMax',
    'OneHot',
    'Reshape',
    'Transpose',
    'Squeeze',
    'ExpandDims',
    'Pad',
    'Slice',
    'ConcatV2',
    'Split',
  ] as const),
  ...([
    'BroadcastTo',
    'Equal',
    'Greater',
    'GreaterEqual',
    'Less',
    'Select',
    'Neg',
    'Abs',
    'Maximum',
    'Minimum',
  ] as const),
  ...([
    'Relu',
    'ReluGrad',
    'MaxPool',
    'StatelessRandomUniform',
    'StatelessRandomUniformV2',
    'Floor',
    'ReadVariableOp',
    'AssignVariableOp',
  ] as const),
  ...(['Unstage', 'QueueDequeueV2', 'QueueDequeueManyV2', 'Transfer'] as const),
]);

/** Fetches of a backward case, which are sums of products whatever the op. */
const SUMMED = /^(sum|grad\d+)$/;
/** The same numbers. Zeros of either sign are one number: TensorFlow's own kernels differ in it from device to device. */
const SAME_NUMBERS: Tolerance = { relative: 0, absolute: 0 };

/** One check for each op and direction. */
export function opChecks(load: Load, options: SuiteOptions): EngineCheck[] {
  const ops = TESTED_OPS.filter((op) => options.skipOps?.has(op) !== true);
  return ops.flatMap((op) => {
    const numRuns = options.opRuns ?? 5;
    const forward = propertyCheck(`op ${op}`, opCases(op), { ...options, numRuns }, (plan) =>
      compareOp(load, plan, opModule(plan), options.opTolerance),
    );
    const backwardCases = opCases(op).filter(hasBackward);
    const backward = propertyCheck(`gradient of ${op}`, backwardCases, { ...options, numRuns }, (plan) =>
      compareOp(load, plan, opModule(plan, { backward: true }), options.opTolerance),
    );
    return differentiable(op) ? [forward, backward] : [forward];
  });
}

function differentiable(op: BuiltinOp): boolean {
  return (
    hasBackward({ op, inputs: [ONE], attrs: {}, constants: [], variables: [], dynamic: false }) &&
    !STATE_OPS.has(op)
  );
}

const ONE: TensorValue = { dtype: 'float32', shape: [1], data: Float32Array.of(1) };
const STATE_OPS: ReadonlySet<BuiltinOp> = new Set<BuiltinOp>([
  'Unstage',
  'QueueDequeueV2',
  'QueueDequeueManyV2',
  'NcclAllReduce',
  'Transfer',
]);

async function compareOp(
  load: Load,
  plan: OpCase,
  { module, feeds }: OpModule,
  tolerance: Tolerance,
): Promise<void> {
  const reference = createInterpreter(module);
  const want = runInterpreter(reference, module.entries.warmUp !== undefined, feeds);
  await withSession(load, module, async (session) => {
    await session.run('init');
    if (module.entries.warmUp !== undefined) await session.run('warmUp', feeds);
    const got = await session.run('step', feeds);
    const variables = await session.readVariables();
    const exact = EXACT.has(plan.op);
    const compare = (what: string, a: TensorValue | undefined, b: TensorValue): void => {
      mustBeNear(what, a, b, exact && !SUMMED.test(what) ? SAME_NUMBERS : tolerance);
    };
    for (const [name, value] of want) compare(name, got.get(name), value);
    for (const [name, value] of reference.readVariables()) compare(name, variables.get(name), value);
  });
}

function runInterpreter(
  reference: Interpreter,
  staged: boolean,
  feeds: ReadonlyMap<string, TensorValue>,
): ReadonlyMap<string, TensorValue> {
  reference.run('init');
  if (staged) reference.run('warmUp', feeds);
  return reference.run('step', feeds);
}
