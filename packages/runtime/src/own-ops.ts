// What a user writes an op of their own with, beside its declaration: a kernel for the reference engine, an emitter for
// the embedded one. And in which order the reference engine runs.
export { type EmitContext, type Emitter, emitter } from './engines/embedded/emit/context.js';
export type { AttrArgs, GraphBuilder } from './engines/embedded/onnx/builder.js';
export type { Kernel, KernelContext, Schedule } from './engines/reference/engine.js';
