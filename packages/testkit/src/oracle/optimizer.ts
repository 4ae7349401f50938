import { type OptimizerSpec, unreachable } from '@placewright/ir';

// TensorFlow's update rules, written from their formulas, in float32.

const f = Math.fround;

/** Initial values of the slots that an optimizer keeps beside each variable. */
export function slotStarts(optimizer: OptimizerSpec): readonly number[] {
  switch (optimizer.kind) {
    case 'sgd':
      return [];
    case 'momentum':
      return [0];
    case 'rmsprop':
      return [1, 0];
    default:
      return unreachable(optimizer);
  }
}

/** One update: changes `weights` and `slots` in place. All arrays have the same length. */
export function applyUpdate(
  optimizer: OptimizerSpec,
  weights: Float32Array,
  slots: readonly Float32Array[],
  gradient: Float32Array,
): void {
  const [first = gradient, second = gradient] = slots;
  switch (optimizer.kind) {
    case 'sgd':
      for (let i = 0; i < weights.length; i++) {
        weights[i] = at(weights, i) - f(f(optimizer.learningRate) * at(gradient, i));
      }
      return;
    case 'momentum':
      momentumUpdate(optimizer, weights, first, gradient);
      return;
    case 'rmsprop':
      rmspropUpdate(optimizer, weights, first, second, gradient);
      return;
    default:
      unreachable(optimizer);
  }
}

/** `a ← µ·a + g`; `w ← w − η·a`, or with Nesterov `w ← w − (η·g + η·µ·a)`. */
function momentumUpdate(
  spec: Extract<OptimizerSpec, { kind: 'momentum' }>,
  weights: Float32Array,
  sums: Float32Array,
  gradient: Float32Array,
): void {
  const rate = f(spec.learningRate);
  const momentum = f(spec.momentum);
  for (let i = 0; i < weights.length; i++) {
    const g = at(gradient, i);
    const sum = f(f(at(sums, i) * momentum) + g);
    sums[i] = sum;
    const change = spec.nesterov ? f(f(g * rate) + f(f(sum * momentum) * rate)) : f(sum * rate);
    weights[i] = at(weights, i) - change;
  }
}

/** `s ← s + (1−ρ)(g²−s)`; `m ← µ·m + η·g/√(s+ε)`; `w ← w − m`. */
function rmspropUpdate(
  spec: Extract<OptimizerSpec, { kind: 'rmsprop' }>,
  weights: Float32Array,
  squares: Float32Array,
  moments: Float32Array,
  gradient: Float32Array,
): void {
  const rate = f(spec.learningRate);
  const fresh = f(1 - f(spec.decay));
  for (let i = 0; i < weights.length; i++) {
    const g = at(gradient, i);
    const square = f(at(squares, i) + f(f(f(g * g) - at(squares, i)) * fresh));
    squares[i] = square;
    const change = f(f(g * rate) / f(Math.sqrt(f(square + f(spec.epsilon)))));
    const moment = f(f(at(moments, i) * f(spec.momentum)) + change);
    moments[i] = moment;
    weights[i] = at(weights, i) - moment;
  }
}

function at(array: Float32Array, i: number): number {
  return array[i] as number;
}
