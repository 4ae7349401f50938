import type { BuiltinOp } from '@placewright/ir';

/** Ops that act on variables and staging areas. */
export type StateOp =
  | 'ReadVariableOp'
  | 'AssignVariableOp'
  | 'AssignAddVariableOp'
  | 'AssignSubVariableOp'
  | 'ResourceApplyGradientDescent'
  | 'ResourceApplyMomentum'
  | 'ResourceApplyRMSProp'
  | 'Stage'
  | 'Unstage';

/** Ops whose nodes run together. */
export type GroupOp = 'NcclAllReduce' | 'Barrier';

/** Built-in ops that need nothing but a kernel. A new op in ir lands here, and lacks its kernel at compile time. */
export type PureBuiltinOp = Exclude<BuiltinOp, StateOp | GroupOp | 'Placeholder'>;
