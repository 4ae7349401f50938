export * from './engine.js';
export * from './engines/registry.js';
export * from './evaluate.js';
export * from './own-ops.js';
export * from './partition.js';
export * from './regions.js';
export * from './trace.js';
export * from './train-loop.js';
