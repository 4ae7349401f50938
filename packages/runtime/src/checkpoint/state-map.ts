import { createHash } from 'node:crypto';
import {
  type BufferResource,
  isBuffer,
  type Module,
  PlacewrightError,
  type Resource,
  type ResourceId,
  resourceName,
  sameShape,
  type VariableResource,
} from '@placewright/ir';
import { METADATA } from './header.js';

/** Begins the names of tensors that only the same strategy and cluster can use. */
export const RESUME = 'placewright.resume/';

/** A logical variable that checkpoints hold. */
export interface SavedVariable {
  /** Its name in a checkpoint, the same under every strategy: `conv0/biases`, `conv0/biases/Momentum`. */
  readonly name: string;
  /** Whose value is saved: a shadow, or tower 0's, or the only one. */
  readonly source: VariableResource;
  /** All that have the name, the source among them: each takes the value of a checkpoint. */
  readonly holders: readonly VariableResource[];
  /** The variable whose optimizer slot it is. */
  readonly slotOf: string | null;
}

/** How a module's state stands in a checkpoint. It is read off the resources alone, whatever runs them. */
export interface StateMap {
  /** In the order of the module. */
  readonly saved: readonly SavedVariable[];
  /** Variables that no strategy saves. */
  readonly unsaved: readonly VariableResource[];
  readonly buffers: readonly BufferResource[];
  /** Names that are unique in the module: of the resource and its device. */
  readonly keys: ReadonlyMap<ResourceId, string>;
}

/** Throws PW_CHECKPOINT_NAME where two resources would have one name. */
export function mapState(module: Module): StateMap {
  const resources = [...module.resources.values()];
  const variables = resources.filter((r): r is VariableResource => r.kind === 'variable');
  const groups = new Map<string, VariableResource[]>();
  for (const variable of variables) {
    const group = groups.get(variable.name);
    if (group === undefined) groups.set(variable.name, [variable]);
    else group.push(variable);
  }
  const saved: SavedVariable[] = [];
  const unsaved: VariableResource[] = [];
  for (const [name, holders] of groups) {
    const source = sourceOf(holders);
    if (source === undefined) {
      unsaved.push(...holders);
      continue;
    }
    for (const holder of holders) checkAlike(module, source, holder);
    checkName(name);
    saved.push({ name, source, holders, slotOf: slotName(module, source) });
  }
  return { saved, unsaved, buffers: resources.filter(isBuffer), keys: keysOf(resources) };
}

/** The saved one of the lowest tower; what belongs to no tower, as shadows do, goes first. */
function sourceOf(holders: readonly VariableResource[]): VariableResource | undefined {
  const saved = holders.filter(({ savedAs }) => savedAs !== null);
  return saved.toSorted((a, b) => (a.replica ?? -1) - (b.replica ?? -1))[0];
}

function slotName(module: Module, { slotOf }: VariableResource): string | null {
  const of = slotOf === null ? undefined : module.resources.get(slotOf);
  return of?.kind === 'variable' ? of.name : null;
}

/** Two towers' variables of one name are one variable; one inside and one outside of the towers are not. */
function checkAlike(module: Module, source: VariableResource, other: VariableResource): void {
  const alike =
    (source.scope === '') === (other.scope === '') &&
    source.dtype === other.dtype &&
    sameShape(source.shape, other.shape) &&
    slotName(module, source) === slotName(module, other);
  if (!alike) throw sameName(source, other, source.name);
}

function checkName(name: string): void {
  const taken = name === METADATA || name.startsWith(RESUME);
  if (!taken && !/\p{Surrogate}/u.test(name)) return;
  throw new PlacewrightError(
    'PW_CHECKPOINT_NAME',
    taken
      ? `the name ${JSON.stringify(name)} has a meaning of its own in checkpoints`
      : `the name ${JSON.stringify(name)} is no whole text, which a checkpoint needs`,
    { hint: 'rename the variable' },
  );
}

function sameName(a: Resource, b: Resource, name: string): PlacewrightError {
  const both = [a, b].map((resource) => JSON.stringify(resourceName(resource))).join(' and ');
  return new PlacewrightError(
    'PW_CHECKPOINT_NAME',
    `${both} would both be called ${JSON.stringify(name)} in a checkpoint`,
    { hint: 'rename one of the two' },
  );
}

/** Each optimizer slot with its variable, both by their names in a checkpoint. */
export function slotsOf({ saved }: StateMap): Map<string, string> {
  return new Map(saved.flatMap(({ name, slotOf }) => (slotOf === null ? [] : [[name, slotOf] as const])));
}

function keysOf(resources: readonly Resource[]): Map<ResourceId, string> {
  const keys = new Map<ResourceId, string>();
  const owners = new Map<string, Resource>();
  for (const resource of resources) {
    // No device has an @ in its name, so that the last one parts the two.
    const key = `${resourceName(resource)}@${resource.device}`;
    const kind = `${resource.kind} ${key}`;
    const owner = owners.get(kind);
    if (owner !== undefined) throw sameName(owner, resource, key);
    owners.set(kind, resource);
    keys.set(resource.id, key);
  }
  return keys;
}

/**
 * What two modules have in common when one can go on exactly where the other stopped: the strategy's choices, and all
 * resources with their places. As a hash.
 */
export function identityOf(module: Module, { keys }: StateMap, choices: string): string {
  const rows = [...module.resources.values()].map((resource) =>
    JSON.stringify([resource.kind, keys.get(resource.id), resource.container, formOf(resource)]),
  );
  const text = JSON.stringify([choices, module.towers, rows.sort()]);
  return createHash('sha256').update(text).digest('hex');
}

function formOf(resource: Resource): readonly unknown[] {
  switch (resource.kind) {
    case 'variable':
      return [resource.dtype, resource.shape, resource.savedAs];
    case 'stagingArea':
    case 'queue':
      return [resource.capacity, resource.types.map(({ dtype, shape }) => [dtype, shape])];
    case 'barrier':
      return [resource.parties];
  }
}
