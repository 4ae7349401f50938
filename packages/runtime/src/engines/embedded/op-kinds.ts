import type { BuiltinOp } from '@placewright/ir';

/** Ops that the worker runs itself, between the regions. */
export type RuntimeOp =
  | 'Placeholder'
  | 'NoOp'
  | 'Fill'
  | 'StatelessRandomUniform'
  | 'StatelessRandomNormal'
  | 'StatelessTruncatedNormal'
  | 'StatelessRandomUniformV2'
  | 'ReadVariableOp'
  | 'AssignVariableOp'
  | 'AssignAddVariableOp'
  | 'AssignSubVariableOp'
  | 'ResourceApplyGradientDescent'
  | 'ResourceApplyMomentum'
  | 'ResourceApplyRMSProp'
  | 'Stage'
  | 'Unstage'
  | 'QueueEnqueueV2'
  | 'QueueDequeueV2'
  | 'QueueDequeueManyV2'
  | 'Transfer'
  | 'NcclAllReduce'
  | 'Barrier';

/** Ops that become part of a region. A new op in ir lands here, and lacks its emitter at compile time. */
export type RegionOp = Exclude<BuiltinOp, RuntimeOp>;

const INIT = 'runtime kernel';

/** How each of them runs. */
export const runtimeOps = {
  Placeholder: 'runtime: fed',
  NoOp: 'runtime: order alone',
  Fill: INIT,
  StatelessRandomUniform: INIT,
  StatelessRandomNormal: INIT,
  StatelessTruncatedNormal: INIT,
  StatelessRandomUniformV2: INIT,
  ReadVariableOp: 'runtime: a reference, copied when written to',
  AssignVariableOp: INIT,
  AssignAddVariableOp: INIT,
  AssignSubVariableOp: INIT,
  ResourceApplyGradientDescent: INIT,
  ResourceApplyMomentum: INIT,
  ResourceApplyRMSProp: INIT,
  Stage: 'runtime: staging area',
  Unstage: 'runtime: staging area',
  QueueEnqueueV2: 'runtime: queue',
  QueueDequeueV2: 'runtime: queue',
  QueueDequeueManyV2: 'runtime: queue',
  Transfer: 'runtime: message between workers',
  NcclAllReduce: 'runtime: sum through shared memory',
  Barrier: 'refused: one process has no tasks to wait for',
} satisfies Record<RuntimeOp, string>;

const names: ReadonlySet<string> = new Set(Object.keys(runtimeOps));

export function isRuntimeOp(op: string): op is RuntimeOp {
  return names.has(op);
}
