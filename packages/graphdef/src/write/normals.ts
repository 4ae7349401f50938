import { entry, intAttr, tensorAttr, typeAttr } from '../attr.js';
import { DTYPE_NUMBERS, UINT32, UINT64 } from '../dtype.js';
import { FUNCTION_PREFIX } from '../marks.js';
import type { ArgDef, AttrCase, AttrEntry, FunctionDef, NodeDef } from '../proto/messages.js';
import { float64Constant, rawConstant } from './constants.js';

/** The two functions of the loop that draws normals until all are within a limit. */
export const NORMALS_MORE = `${FUNCTION_PREFIX}normals_more`;
export const NORMALS_DRAW = `${FUNCTION_PREFIX}normals_draw`;

const { float64, int32, bool } = DTYPE_NUMBERS;

/** What goes round in the loop, in order. */
export const LOOP_VARIABLES = [
  { name: 'attempt', type: UINT64 },
  { name: 'normals', type: float64 },
  { name: 'key', type: UINT64 },
  { name: 'block', type: UINT64 },
  { name: 'shape', type: int32 },
  { name: 'limit', type: float64 },
] as const satisfies readonly ArgDef[];

/** Philox by its number in TensorFlow. */
export const PHILOX = 1;
const WORD = 2 ** 32;

const type = (number: number): AttrCase => ({ case: 'type', value: number });
const T = (number: number): AttrEntry => entry('T', type(number));

/** A node of a function's body; tensors there are `argument` or `node:output:0`. */
function bodyNode(name: string, op: string, input: readonly string[], attr: readonly AttrEntry[]): NodeDef {
  return { name, op, input, device: '', attr };
}

const constant = (name: string, attr: readonly AttrEntry[]): NodeDef => bodyNode(name, 'Const', [], attr);
const ints = (...values: number[]): AttrEntry[] => [
  entry('dtype', typeAttr('int32')),
  entry('value', tensorAttr({ dtype: 'int32', shape: [values.length], data: Int32Array.from(values) })),
];
const intScalar = (value: number): AttrEntry[] => [
  entry('dtype', typeAttr('int32')),
  entry('value', tensorAttr({ dtype: 'int32', shape: [], data: Int32Array.of(value) })),
];

/** Which numbers need no further attempt. Before the first one they are NaN, which is within no limit. */
const WITHIN: readonly NodeDef[] = [
  bodyNode('size', 'Abs', ['normals'], [T(float64)]),
  bodyNode('within', 'LessEqual', ['size:y:0', 'limit'], [T(float64)]),
];

function signature(name: string, outputArg: readonly ArgDef[]) {
  return { name, inputArg: LOOP_VARIABLES, outputArg };
}

const MORE: FunctionDef = {
  signature: signature(NORMALS_MORE, [{ name: 'more', type: bool }]),
  nodeDef: [
    ...WITHIN,
    constant('axes', ints(0)),
    bodyNode('beyond', 'LogicalNot', ['within:z:0'], []),
    bodyNode('any', 'Any', ['beyond:y:0', 'axes:output:0'], [entry('Tidx', type(int32))]),
  ],
  ret: [{ key: 'more', value: 'any:output:0' }],
};

const mul = (name: string, a: string, b: string): NodeDef => bodyNode(name, 'Mul', [a, b], [T(float64)]);
const unary = (name: string, op: string, x: string): NodeDef => bodyNode(name, op, [x], [T(float64)]);
const concat = (name: string, inputs: readonly string[], element: number): NodeDef =>
  bodyNode(name, 'ConcatV2', inputs, [entry('N', intAttr(2)), T(element), entry('Tidx', type(int32))]);
const reshape = (name: string, inputs: readonly string[], element: number): NodeDef =>
  bodyNode(name, 'Reshape', inputs, [T(element), entry('Tshape', type(int32))]);

/** Box and Muller's two normals of two words, as `randomValues` of the IR computes them, in float64. */
const BOX_MULLER: readonly NodeDef[] = [
  bodyNode('floats', 'Cast', ['words:output:0'], [entry('SrcT', type(UINT32)), entry('DstT', type(float64))]),
  constant('axis', intScalar(1)),
  bodyNode('pair', 'Split', ['axis:output:0', 'floats:y:0'], [entry('num_split', intAttr(2)), T(float64)]),
  constant('one', float64Constant(1)),
  bodyNode('first', 'AddV2', ['pair:output:0', 'one:output:0'], [T(float64)]),
  constant('unit', float64Constant(1 / WORD)),
  mul('uniform', 'first:z:0', 'unit:output:0'),
  unary('logarithm', 'Log', 'uniform:z:0'),
  constant('minus_two', float64Constant(-2)),
  mul('square', 'logarithm:y:0', 'minus_two:output:0'),
  unary('radius', 'Sqrt', 'square:z:0'),
  constant('turn', float64Constant((2 * Math.PI) / WORD)),
  mul('angle', 'pair:output:1', 'turn:output:0'),
  unary('cosine', 'Cos', 'angle:z:0'),
  unary('sine', 'Sin', 'angle:z:0'),
  mul('x', 'radius:y:0', 'cosine:y:0'),
  mul('y', 'radius:y:0', 'sine:y:0'),
  concat('both', ['x:z:0', 'y:z:0', 'axis:output:0'], float64),
  constant('flat_shape', ints(-1)),
  reshape('drawn', ['both:output:0', 'flat_shape:output:0'], float64),
];

const DRAW: FunctionDef = {
  signature: signature(
    NORMALS_DRAW,
    LOOP_VARIABLES.map(({ name, type: element }) => ({ name: `next_${name}`, type: element })),
  ),
  nodeDef: [
    ...WITHIN,
    // The counter: the block in its lower half, the attempt in its upper one.
    constant('one_long', ints(1)),
    reshape('attempt_vector', ['attempt', 'one_long:output:0'], UINT64),
    constant('zero', intScalar(0)),
    concat('counter', ['block', 'attempt_vector:output:0', 'zero:output:0'], UINT64),
    constant('algorithm', intScalar(PHILOX)),
    bodyNode(
      'words',
      'StatelessRandomUniformFullIntV2',
      ['shape', 'key', 'counter:output:0', 'algorithm:output:0'],
      [entry('dtype', type(UINT32)), entry('Tshape', type(int32))],
    ),
    ...BOX_MULLER,
    bodyNode('kept', 'SelectV2', ['within:z:0', 'normals', 'drawn:output:0'], [T(float64)]),
    constant('step', rawConstant(UINT64, [], new Uint8Array(BigUint64Array.of(1n).buffer))),
    bodyNode('later', 'AddV2', ['attempt', 'step:output:0'], [T(UINT64)]),
  ],
  ret: [
    { key: 'next_attempt', value: 'later:z:0' },
    { key: 'next_normals', value: 'kept:output:0' },
    ...(['key', 'block', 'shape', 'limit'] as const).map((name) => ({ key: `next_${name}`, value: name })),
  ],
};

export const NORMALS_FUNCTIONS: readonly FunctionDef[] = [MORE, DRAW];
