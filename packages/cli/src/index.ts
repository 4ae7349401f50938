/**
 * The npm API: compile a model for a cluster with a strategy, look at the lowered graph, run it.
 * Everything of the packages underneath is here under one name.
 */
export * from '@placewright/cluster';
export * from '@placewright/graphdef';
export * from '@placewright/ir';
export * from '@placewright/models';
// Both packages have a summary of a device: of its part of the graph, and of what it did.
export type { DeviceSummary } from '@placewright/passes';
export * from '@placewright/passes';
export type { DeviceSummary as TraceDeviceSummary } from '@placewright/runtime';
export * from '@placewright/runtime';
export type { Io, Output } from './io.js';
export { processIo } from './io.js';
export { reportPage } from './report/page.js';
export { run } from './run.js';
export type { PassRow, RunReport } from './train/run-report.js';
