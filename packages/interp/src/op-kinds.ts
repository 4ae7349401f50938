import type { BuiltinOp } from '@placewright/ir';

/** Ops that act on variables, staging areas and queues. */
export type StateOp =
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
  | 'QueueDequeueManyV2';

/** Ops whose nodes run together. */
export type GroupOp = 'NcclAllReduce' | 'Barrier';

/** Built-in ops that need nothing but a kernel. A new op in ir lands here, and lacks its kernel at compile time. */
export type PureBuiltinOp = Exclude<BuiltinOp, StateOp | GroupOp | 'Placeholder'>;
