import type { TensorRef } from '../../graph.js';
import type { GradientContext, GradientFunction } from '../../op.js';
import { input, ofOne, ofTwo, op, output, scaled, where, whereNot } from './common.js';

export const addV2 = ofTwo((_context, grad) => [grad, grad]);

export const sub: GradientFunction = (context) => {
  const grad = context.grad(0);
  const dy = context.unbroadcast(grad, input(context, 1));
  return [context.unbroadcast(grad, input(context, 0)), op(context, 'Neg', [dy])];
};

export const mul = ofTwo((context, grad, x, y) => [
  op(context, 'Mul', [grad, y]),
  op(context, 'Mul', [grad, x]),
]);

/** With q = x/y: ∂q/∂x = 1/y, ∂q/∂y = −q/y. */
export const realDiv: GradientFunction = (context) => {
  const [x, y] = [input(context, 0), input(context, 1)];
  const dx = op(context, 'RealDiv', [context.grad(0), y]);
  const dy = context.unbroadcast(op(context, 'Mul', [dx, output(context, 0)]), y);
  return [context.unbroadcast(dx, x), op(context, 'Neg', [dy])];
};

/** Where both are equal, the gradient goes to the first operand, as TensorFlow has it. */
export const maximum = ofTwo((context, grad, x, y) =>
  split(context, op(context, 'GreaterEqual', [x, y]), grad),
);

export const minimum = ofTwo((context, grad, x, y) =>
  split(context, op(context, 'GreaterEqual', [y, x]), grad),
);

function split(context: GradientContext, first: TensorRef, grad: TensorRef): readonly [TensorRef, TensorRef] {
  return [where(context, first, grad), whereNot(context, first, grad)];
}

export const squaredDifference: GradientFunction = (context) => {
  const [x, y] = [input(context, 0), input(context, 1)];
  const full = op(context, 'Mul', [scaled(context, context.grad(0), 2), op(context, 'Sub', [x, y])]);
  return [context.unbroadcast(full, x), op(context, 'Neg', [context.unbroadcast(full, y)])];
};

export const neg = ofOne((context, grad) => op(context, 'Neg', [grad]));

export const exp = ofOne((context, grad) => op(context, 'Mul', [grad, output(context, 0)]));

export const log = ofOne((context, grad) => op(context, 'RealDiv', [grad, input(context, 0)]));

export const square = ofOne((context, grad) =>
  op(context, 'Mul', [grad, scaled(context, input(context, 0), 2)]),
);

export const sqrt = ofOne((context, grad) =>
  op(context, 'RealDiv', [scaled(context, grad, 0.5), output(context, 0)]),
);

/** With y = x^(−1/2): dy/dx = −y³/2. */
export const rsqrt = ofOne((context, grad) => {
  const y = output(context, 0);
  const cube = op(context, 'Mul', [y, op(context, 'Square', [y])]);
  return op(context, 'Mul', [scaled(context, grad, -0.5), cube]);
});

export const tanh = ofOne((context, grad) => {
  const one = context.constant(context.type(grad).dtype, 1);
  const slope = op(context, 'Sub', [one, op(context, 'Square', [output(context, 0)])]);
  return op(context, 'Mul', [grad, slope]);
});

export const sigmoid = ofOne((context, grad) => {
  const y = output(context, 0);
  const one = context.constant(context.type(grad).dtype, 1);
  return op(context, 'Mul', [grad, op(context, 'Mul', [y, op(context, 'Sub', [one, y])])]);
});

/** Zero at zero. */
export const abs = ofOne((context, grad) => {
  const x = input(context, 0);
  const zero = context.constant(context.type(x).dtype, 0);
  const below = where(context, op(context, 'Less', [x, zero]), op(context, 'Neg', [grad]));
  return op(context, 'Select', [op(context, 'Greater', [x, zero]), grad, below]);
});

export const addN: GradientFunction = (context) => context.inputs.map(() => context.grad(0));

export const l2Loss = ofOne((context, grad) => op(context, 'Mul', [input(context, 0), grad]));

export const select: GradientFunction = (context) => {
  const condition = input(context, 0);
  const [dx, dy] = split(context, condition, context.grad(0));
  return [null, context.unbroadcast(dx, input(context, 1)), context.unbroadcast(dy, input(context, 2))];
};

/** Elements between the bounds (both included) pass the gradient on; the others give theirs to the bound. */
export const clipByValue: GradientFunction = (context) => {
  const grad = context.grad(0);
  const [x, lo, hi] = [input(context, 0), input(context, 1), input(context, 2)];
  const below = op(context, 'Less', [x, lo]);
  const above = op(context, 'Greater', [x, hi]);
  return [
    whereNot(context, below, whereNot(context, above, grad)),
    context.unbroadcast(where(context, below, grad), lo),
    context.unbroadcast(where(context, above, grad), hi),
  ];
};

/** Operands of the two products: which tensor (`g` is the gradient), and whether it is turned. */
type Product = readonly [a: 'a' | 'b' | 'g', turnA: boolean, b: 'a' | 'b' | 'g', turnB: boolean];

/** Gradients by a and b of `op(a)·op(b)`, by `transpose_a` and `transpose_b`. */
const MATMUL: Readonly<Record<`${boolean},${boolean}`, readonly [Product, Product]>> = {
  'false,false': [
    ['g', false, 'b', true],
    ['a', true, 'g', false],
  ],
  'true,false': [
    ['b', false, 'g', true],
    ['a', false, 'g', false],
  ],
  'false,true': [
    ['g', false, 'b', false],
    ['g', true, 'a', false],
  ],
  'true,true': [
    ['b', true, 'g', true],
    ['g', true, 'a', true],
  ],
};

export const matMul: GradientFunction = (context) => {
  const tensors = { a: input(context, 0), b: input(context, 1), g: context.grad(0) };
  const product = ([a, turnA, b, turnB]: Product): TensorRef =>
    op(context, 'MatMul', [tensors[a], tensors[b]], { transpose_a: turnA, transpose_b: turnB });
  const [da, db] = MATMUL[`${context.attr('transpose_a', 'bool')},${context.attr('transpose_b', 'bool')}`];
  return [product(da), product(db)];
};
