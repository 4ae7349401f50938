import { createRegistry, type OpRegistry } from './op.js';
import { arrayOps } from './ops/array.js';
import { communicationOps } from './ops/communication.js';
import { convOps } from './ops/conv.js';
import { layoutOps } from './ops/layout.js';
import { mathOps } from './ops/math.js';
import { nnOps } from './ops/nn.js';
import { normOps } from './ops/norm.js';
import { poolOps } from './ops/pool.js';
import { randomOps } from './ops/random.js';
import { stagingOps } from './ops/staging.js';
import { stateOps } from './ops/state.js';

/** Every built-in op by name. Tables of kernels and emitters are checked against these names. */
export const builtinOps = {
  ...arrayOps,
  ...layoutOps,
  ...mathOps,
  ...nnOps,
  ...convOps,
  ...poolOps,
  ...normOps,
  ...randomOps,
  ...stateOps,
  ...stagingOps,
  ...communicationOps,
};
export type BuiltinOp = keyof typeof builtinOps;

export const builtinRegistry: OpRegistry = createRegistry(Object.values(builtinOps));
