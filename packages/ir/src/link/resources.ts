import { taskText } from '../cluster.js';
import { type Resource, type ResourceId, resourceName } from '../graph.js';
import { formatType } from '../shape.js';
import { linkError, type TaskModule } from './check.js';

/** The resources of a linked module, and where those of each task's module went. */
export interface MergedResources {
  readonly resources: ReadonlyMap<ResourceId, Resource>;
  /** One map for each task. */
  readonly ids: readonly ReadonlyMap<ResourceId, ResourceId>[];
  /** The number of the task whose resource it was. */
  readonly owners: ReadonlyMap<ResourceId, number>;
  /** Those that several tasks have. */
  readonly shared: ReadonlySet<ResourceId>;
}

/** What resources of several tasks are one by: `kind`, container, shown name and device. */
export function sharedIdentity(resource: Resource): string {
  return JSON.stringify([resource.kind, resource.container, resourceName(resource), resource.device]);
}

/**
 * Makes the same resources of several tasks one, as the first task has them; `next` gives new ids, `towerOf` numbers
 * towers through the cluster. Throws PW_LINK_RESOURCE where they are the same by name but differ.
 */
export function mergeResources(
  tasks: readonly TaskModule[],
  next: () => number,
  towerOf: (task: number, replica: number | null) => number | null,
): MergedResources {
  const known = new Map<
    string,
    { readonly id: ResourceId; readonly resource: Resource; readonly of: TaskModule }
  >();
  const shared = new Set<ResourceId>();
  const ids = tasks.map((of) => {
    const own = new Map<ResourceId, ResourceId>();
    for (const resource of of.module.resources.values()) {
      const identity = sharedIdentity(resource);
      const found = known.get(identity);
      const id: ResourceId = found?.id ?? `r${next()}`;
      own.set(resource.id, id);
      if (found === undefined) known.set(identity, { id, resource, of });
      else if (found.of === of) throw twice(resource, of);
      else {
        checkSame(found, { resource, of });
        shared.add(id);
      }
    }
    return own;
  });
  const resources = new Map<ResourceId, Resource>();
  const owners = new Map<ResourceId, number>();
  for (const { id, resource, of } of known.values()) {
    const at = tasks.indexOf(of);
    owners.set(id, at);
    resources.set(id, withSlot({ ...resource, id, replica: towerOf(at, resource.replica) }, ids[at]));
  }
  return { resources, ids, owners, shared };
}

function withSlot(resource: Resource, ids: ReadonlyMap<ResourceId, ResourceId> | undefined): Resource {
  if (resource.kind !== 'variable' || resource.slotOf === null) return resource;
  return { ...resource, slotOf: ids?.get(resource.slotOf) ?? resource.slotOf };
}

interface Owned {
  readonly resource: Resource;
  readonly of: TaskModule;
}

function twice(resource: Resource, { task }: TaskModule): Error {
  const what = `${resource.kind} ${JSON.stringify(resourceName(resource))}`;
  return linkError(
    'PW_LINK_RESOURCE',
    `${taskText(task)} has two of the ${what} on ${resource.device}`,
    'rename one of the two',
  );
}

function checkSame(first: Owned, other: Owned): void {
  const [a, b] = [first, other].map(({ resource, of }) => likeness(resource, of));
  if (a === b) return;
  const { resource } = first;
  const what = `${resource.kind} ${JSON.stringify(resourceName(resource))} on ${resource.device}`;
  const says = `${taskText(first.of.task)} has it as ${a}, ${taskText(other.of.task)} as ${b}`;
  throw linkError(
    'PW_LINK_RESOURCE',
    `the ${what} is not the same: ${says}`,
    'compile one model for all workers',
  );
}

/** What must be the same of a shared resource, in words. */
function likeness(resource: Resource, { module }: TaskModule): string {
  switch (resource.kind) {
    case 'variable': {
      const { trainable, collection, slotOf, savedAs } = resource;
      const owner = slotOf === null ? undefined : module.resources.get(slotOf);
      return [
        formatType(resource),
        trainable ? 'trainable' : 'not trainable',
        collection,
        ...(owner === undefined ? [] : [`a slot of ${JSON.stringify(resourceName(owner))}`]),
        savedAs === null ? 'not saved' : `saved as ${JSON.stringify(savedAs)}`,
      ].join(', ');
    }
    case 'stagingArea':
    case 'queue':
      return `(${resource.types.map(formatType).join(', ')}) with room for ${resource.capacity}`;
    case 'barrier':
      return `${resource.parties} parties`;
  }
}
