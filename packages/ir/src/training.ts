/** Optimizers with TensorFlow's update rules. Rates are per step; every field is finite. */
export type OptimizerSpec =
  /** `w ← w − η·g` */
  | { readonly kind: 'sgd'; readonly learningRate: number }
  /** `a ← µ·a + g`, then `w ← w − η·a`, or with Nesterov `w ← w − η·g − η·µ·a` (`ResourceApplyMomentum`). */
  | {
      readonly kind: 'momentum';
      readonly learningRate: number;
      readonly momentum: number;
      readonly nesterov: boolean;
    }
  /** `s ← s + (1−ρ)(g²−s)`, `m ← µ·m + η·g/√(s+ε)`, `w ← w − m` (`ResourceApplyRMSProp`; s starts at 1). */
  | {
      readonly kind: 'rmsprop';
      readonly learningRate: number;
      readonly decay: number;
      readonly momentum: number;
      readonly epsilon: number;
    };

/** Clipping of aggregated gradients. */
export type ClipSpec =
  | { readonly kind: 'none' }
  /** Each element to ±limit, as the original does. */
  | { readonly kind: 'value'; readonly limit: number }
  /** All gradients by limit / max(limit, global norm), as `tf.clip_by_global_norm`. */
  | { readonly kind: 'globalNorm'; readonly limit: number };

export interface TrainingSpec {
  readonly optimizer: OptimizerSpec;
  /** λ of the term λ·Σ‖w‖²/2 over all trainable variables, added to every tower's loss; 0 for none. */
  readonly weightDecay: number;
  readonly clip: ClipSpec;
}

export const DEFAULT_TRAINING: TrainingSpec = {
  optimizer: { kind: 'sgd', learningRate: 0.05 },
  weightDecay: 0,
  clip: { kind: 'none' },
};
