import { builtinRegistry, extendRegistry, type Module, type TensorValue, tensorOf } from '@placewright/ir';
import type { EngineCheck } from './property.js';
import { mustRefuse, type Refusal } from './refusal.js';
import { type Load, type SessionLike, withSession } from './session.js';
import { floats, ints, type SmallBuild, smallModule } from './small.js';

/** A module, what is done with it, and what must come of it. */
interface ErrorCase {
  readonly name: string;
  readonly want: Refusal;
  readonly build: (b: SmallBuild) => void;
  readonly body: (session: SessionLike) => unknown;
}

type Feeds = readonly (readonly [string, TensorValue])[];

const step =
  (...feeds: Feeds) =>
  (session: SessionLike): unknown =>
    session.run('step', new Map(feeds));

/** `in/x` (float32[?, 2]) through `neg`; the variable `v` is float32[2], and `reader` of tower 1 reads it in `eval`. */
function simple(b: SmallBuild): void {
  const v = b.variable('v', floats(1, 2));
  b.entry('step', { y: b.op('Neg', 'neg', [b.feed('x', 'float32', [null, 2])]) });
  const read = b.op('ReadVariableOp', 'reader', [], {}, { resources: [v], replica: 1 });
  b.entry('eval', { v: read });
}

/** The loss of a row of 3 logits, in tower 0. */
function labelled(b: SmallBuild): void {
  const logits = b.feed('logits', 'float32', [null, 3]);
  const labels = b.feed('labels', 'int32', [null]);
  const op = 'SparseSoftmaxCrossEntropyWithLogits';
  b.entry('step', { loss: b.op(op, 'loss', [logits, labels], {}, { replica: 0 }) });
}

function unequal(b: SmallBuild): void {
  const [x, y] = [b.feed('x', 'float32', [null]), b.feed('y', 'float32', [null])];
  b.entry('step', { sum: b.op('AddV2', 'sum', [x, y]) });
}

const row = tensorOf('float32', [1, 2], [1, 2]);
const logits = tensorOf('float32', [1, 3], [1, 2, 3]);
const write = (name: string, value: TensorValue) => (session: SessionLike) =>
  session.writeVariables(new Map([[name, value]]));
const of = (code: string, node?: string): Refusal =>
  node === undefined ? { codes: [code] } : { codes: [code], node };

const CASES: readonly ErrorCase[] = [
  { name: 'no such feed', want: of('PW_FEED_UNKNOWN'), build: simple, body: step(['x', row], ['z', row]) },
  { name: 'a feed is missing', want: of('PW_FEED_MISSING', 'in/x'), build: simple, body: step() },
  {
    name: 'a feed of another type',
    want: of('PW_FEED_DTYPE', 'in/x'),
    build: simple,
    body: step(['x', tensorOf('int32', [1, 2], [1, 2])]),
  },
  {
    name: 'a feed of another shape',
    want: of('PW_FEED_SHAPE', 'in/x'),
    build: simple,
    body: step(['x', floats(1, 2)]),
  },
  {
    name: 'a feed with too few elements',
    want: of('PW_FEED_DATA', 'in/x'),
    build: simple,
    body: step(['x', { ...row, shape: [2, 2] }]),
  },
  {
    name: 'no such entry',
    want: of('PW_ENTRY_UNKNOWN'),
    build: simple,
    body: (session) => session.run('warmUp'),
  },
  {
    name: 'no such tensor',
    want: of('PW_FETCH_UNKNOWN'),
    build: simple,
    body: (session) => session.run('step', new Map([['x', row]]), { fetch: ['neg:1'] }),
  },
  {
    name: 'a variable without a value',
    want: of('PW_VARIABLE_UNINITIALIZED', 'tower_1/reader'),
    build: simple,
    body: (session) => session.run('eval', new Map([['x', row]])),
  },
  { name: 'no such variable', want: of('PW_VARIABLE_UNKNOWN'), build: simple, body: write('w', row) },
  {
    name: 'a variable of another type',
    want: of('PW_VARIABLE_DTYPE'),
    build: simple,
    body: write('v', ints(1, 2)),
  },
  {
    name: 'a variable of another shape',
    want: of('PW_VARIABLE_SHAPE'),
    build: simple,
    body: write('v', floats(1)),
  },
  {
    name: 'a variable with too few elements',
    want: of('PW_VARIABLE_DATA'),
    build: simple,
    body: write('v', { ...floats(1), shape: [2] }),
  },
  {
    name: 'a label that is no class',
    want: of('PW_KERNEL_INPUT', 'tower_0/loss'),
    build: labelled,
    body: step(['logits', logits], ['labels', ints(3)]),
  },
  {
    name: 'shapes that do not fit at the run',
    want: { codes: ['PW_SHAPE_MISMATCH', 'PW_KERNEL_INPUT', 'PW_ENGINE_REGION'], node: 'sum' },
    build: unequal,
    body: step(['x', floats(1, 2)], ['y', floats(1, 2, 3)]),
  },
];

/** One check for each way to go wrong. */
export function errorChecks(load: Load): readonly EngineCheck[] {
  const checks = CASES.map(({ name, want, build, body }) => ({
    name: `refuses ${name}`,
    run: () => withSession(load, smallModule(build), (session) => mustRefuse(want, () => body(session))),
  }));
  return [...checks, { name: 'refuses an op that it cannot run', run: () => refusesUnknownOp(load) }];
}

function refusesUnknownOp(load: Load): Promise<void> {
  const want = { codes: ['PW_KERNEL_MISSING', 'PW_ENGINE_OP'], node: 'mystery' };
  return mustRefuse(want, () => withSession(load, mysterious(), async () => undefined));
}

/** A module with an op that no engine has. */
function mysterious(): Module {
  const registry = extendRegistry(builtinRegistry, [
    {
      op: 'OpOfNoEngine',
      summary: 'its input',
      inputs: [{ name: 'x', dtype: ['float32'] }],
      attrs: {},
      effect: { kind: 'pure' },
      infer: ({ input }) => [input(0)],
      gradient: 'none',
    },
  ]);
  const build = (b: SmallBuild): void =>
    b.entry('step', { y: b.op('OpOfNoEngine', 'mystery', [b.feed('x', 'float32', [2])]) });
  return smallModule(build, registry);
}
