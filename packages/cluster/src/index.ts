export * from './addresses.js';
export { type CallOptions, type ConnectOptions, MAX_MESSAGE_BYTES } from './client/channel.js';
export * from './client/master.js';
export * from './client/watch.js';
export { type SessionConfig, taskDevice } from './proto/config.js';
export type { CallableRequest, NodeStats, ServerDevice, StepOptions } from './proto/messages.js';
export { findTensorFlow, type PythonOptions } from './servers/python.js';
export * from './servers/start.js';
