import {
  type Module,
  PlacewrightError,
  type Role,
  resourceName,
  type VariableResource,
} from '@placewright/ir';

export type RoleOf<K extends Role['kind']> = Extract<Role, { kind: K }>;

/** Roles of one kind, in order. */
export function rolesOf<K extends Role['kind']>(
  holder: { readonly roles: readonly Role[] },
  kind: K,
): RoleOf<K>[] {
  return holder.roles.filter((role): role is RoleOf<K> => role.kind === kind);
}

/** Gradients of each variable, in the order of the first tower's, each list by tower. */
export function gradientsByVariable(module: Pick<Module, 'roles'>): Map<string, RoleOf<'gradient'>[]> {
  const out = new Map<string, RoleOf<'gradient'>[]>();
  for (const role of rolesOf(module, 'gradient')) {
    const list = out.get(role.variable);
    if (list === undefined) out.set(role.variable, [role]);
    else list.push(role);
  }
  for (const list of out.values()) list.sort((a, b) => (a.replica ?? 0) - (b.replica ?? 0));
  return out;
}

/**
 * Finds the variable that a role is about: the tower's own, or the one that all share.
 * The finder throws PW_VARIABLE_UNKNOWN.
 */
export function variableFinder(
  module: Module,
): (role: { readonly variable: string; readonly replica: number | null }) => VariableResource {
  const byName = new Map<string, VariableResource>();
  const key = (name: string, replica: number | null): string => `${replica ?? ''} ${name}`;
  for (const resource of module.resources.values()) {
    if (resource.kind === 'variable') byName.set(key(resource.name, resource.replica), resource);
  }
  return ({ variable, replica }) => {
    const found = byName.get(key(variable, replica)) ?? byName.get(key(variable, null));
    if (found !== undefined) return found;
    throw new PlacewrightError('PW_VARIABLE_UNKNOWN', `there is no variable ${JSON.stringify(variable)}`);
  };
}

/** The variables that all towers share, by logical name: the one set of `v/`, or shadows. Slots are none. */
export function sharedVariables(module: Pick<Module, 'resources'>): ReadonlyMap<string, VariableResource> {
  const out = new Map<string, VariableResource>();
  for (const resource of module.resources.values()) {
    if (resource.kind === 'variable' && resource.replica === null && resource.slotOf === null)
      out.set(resource.name, resource);
  }
  return out;
}

/** The towers' own variables by logical name, each list by tower. Slots are none. */
export function towerVariables(
  module: Pick<Module, 'resources'>,
): ReadonlyMap<string, readonly VariableResource[]> {
  const out = new Map<string, VariableResource[]>();
  for (const resource of module.resources.values()) {
    if (resource.kind !== 'variable' || resource.replica === null || resource.slotOf !== null) continue;
    const list = out.get(resource.name);
    if (list === undefined) out.set(resource.name, [resource]);
    else list.push(resource);
  }
  for (const list of out.values()) list.sort((a, b) => (a.replica ?? 0) - (b.replica ?? 0));
  return out;
}

/** Shown names of all variables and slots. */
export function shownVariableNames(module: Pick<Module, 'resources'>): Set<string> {
  const variables = [...module.resources.values()].filter(({ kind }) => kind === 'variable');
  return new Set(variables.map(resourceName));
}
