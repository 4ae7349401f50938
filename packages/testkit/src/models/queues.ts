import type { Facts } from '@placewright/passes';
import { named } from './parts.js';
import { devicesOf, type PlacementPlan } from './plan.js';
import { trainedBy } from './variables.js';

/** What the names of a graph's barriers begin with, in the order in which the original makes them. */
export function barriersOf(plan: PlacementPlan): string[] {
  const { flags, site } = plan;
  if (site.servers === 0) return [];
  const copied = flags.variableUpdate === 'distributed_replicated' ? trainedBy(plan) : [];
  return [
    ...copied.map((_, i) => `replicate_variable_${i}`),
    flags.crossReplicaSync ? 'sync_queues_step_end_' : 'execution_barrier_',
  ];
}

/**
 * The queues of all barriers under the original's names, barrier by barrier and worker by worker. Barriers are on the
 * servers in turn; the original counts up before it asks whose turn it is.
 */
export function queuesOf(plan: PlacementPlan): Facts['syncQueues'] {
  const { servers } = devicesOf(plan.site);
  let made = 0;
  return barriersOf(plan).flatMap((prefix) => {
    made += 1;
    const device = named(servers[made % servers.length] ?? {});
    return Array.from({ length: plan.site.workers }, (_, worker) => ({
      sharedName: `${prefix}${worker}`,
      device,
      capacity: plan.site.workers,
    }));
  });
}

/** Names that the original would give to two queues: from 11 workers on there can be some. */
export function collisions(queues: Facts['syncQueues']): string[] {
  const names = queues.map(({ sharedName }) => sharedName);
  return names.filter((name, i) => names.indexOf(name) !== i);
}
