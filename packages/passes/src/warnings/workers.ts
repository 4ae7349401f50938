import { jobTasks, type Module, WORKER_JOB } from '@placewright/ir';

/** Workers of the cluster that the module is compiled for; 1 on a local one. */
export function workerCount({ cluster }: Module): number {
  return cluster === null ? 1 : Math.max(1, jobTasks(cluster, WORKER_JOB).length);
}

/** A rate as people write it: `0.05`, not `0.05000000000000001`. */
export function shownRate(rate: number): string {
  return String(Number(rate.toPrecision(4)));
}
