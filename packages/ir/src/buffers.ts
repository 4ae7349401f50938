import type { QueueResource, Resource, StagingAreaResource } from './graph.js';

/** What holds tuples from step to step, first in first out: a staging area of one device, or a queue. */
export type BufferResource = StagingAreaResource | QueueResource;

export function isBuffer(resource: Resource | undefined): resource is BufferResource {
  return resource?.kind === 'stagingArea' || resource?.kind === 'queue';
}

/** Whether an op puts a tuple into a buffer, and waits while that is full. */
export function putsIntoBuffer(op: string): boolean {
  return op === 'Stage' || op === 'QueueEnqueueV2';
}

/** Whether an op takes the oldest tuple out of a buffer, and waits while that is empty. */
export function takesFromBuffer(op: string): boolean {
  return op === 'Unstage' || op === 'QueueDequeueV2';
}
