import type { ClipSpec, OptimizerSpec, TrainingSpec } from '@placewright/ir';
import fc from 'fast-check';
import { record } from './record.js';

/** Optimizers with rates at which a few steps change much and do not diverge. */
export function optimizers(): fc.Arbitrary<OptimizerSpec> {
  const learningRate = fc.constantFrom(0.05, 0.01, 0.1);
  const momentum = fc.constantFrom(0.9, 0.5, 0);
  return fc.oneof(
    record({ kind: fc.constant('sgd' as const), learningRate }),
    record({ kind: fc.constant('momentum' as const), learningRate, momentum, nesterov: fc.boolean() }),
    record({
      kind: fc.constant('rmsprop' as const),
      learningRate,
      decay: fc.constantFrom(0.9, 0.5),
      momentum,
      epsilon: fc.constantFrom(1, 0.1),
    }),
  );
}

/** Clipping by limits that gradients of small models do reach. */
export function clips(): fc.Arbitrary<ClipSpec> {
  return fc.oneof(
    fc.constant({ kind: 'none' as const }),
    record({ kind: fc.constant('value' as const), limit: fc.constantFrom(0.05, 0.01, 1) }),
    record({ kind: fc.constant('globalNorm' as const), limit: fc.constantFrom(0.2, 1, 10) }),
  );
}

/** Optimizer, weight decay and clipping. Shrinks to plain gradient descent. */
export function trainings(): fc.Arbitrary<TrainingSpec> {
  return record({ optimizer: optimizers(), weightDecay: fc.constantFrom(0, 0.1, 0.004), clip: clips() });
}
