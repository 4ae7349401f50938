import { buildModel, defineModel, type Module, type VariableResource } from '@placewright/ir';

/** A variable of a model for placing: a vector of that many elements. */
export interface Sized {
  readonly name: string;
  readonly elements: number;
  /** Read in training, or in inference alone: then it stands outside of the towers. */
  readonly outside?: boolean;
  readonly trainable?: boolean;
  readonly collection?: 'global' | 'local';
  /** A device of the user's own. */
  readonly device?: string;
}

/** A model of these variables, in this order, whose loss depends on all that are trained. */
export function sized(variables: readonly Sized[]): Module {
  const model = defineModel({
    name: 'sized',
    inputs: { x: { dtype: 'float32', shape: [] } },
    build(b, { x }) {
      let loss = b.mean(x);
      for (const { name, elements, outside = false, trainable = true, collection = 'global' } of variables) {
        if (outside && b.training) continue;
        const shape = [elements];
        const variable = b.variable(name, { shape, trainable, collection, initializer: { kind: 'zeros' } });
        loss = b.add(loss, b.sum(variable.value));
        if (b.training && !trainable) b.assignSub(variable, b.sub(variable.value, variable.value));
      }
      return { loss };
    },
  });
  const module = buildModel(model);
  const wishes = new Map(variables.map(({ name, device = '' }) => [name, device]));
  return {
    ...module,
    resources: new Map(
      [...module.resources].map(([id, r]) => [id, { ...r, device: wishes.get(r.name) ?? '' }]),
    ),
  };
}

/** Variables of a module by name, with their scopes left out. */
export function variablesOf(module: Module): VariableResource[] {
  return [...module.resources.values()].filter((r): r is VariableResource => r.kind === 'variable');
}

/** Where each variable lives, by its name without a scope. */
export function homesOf(module: Module): Record<string, string> {
  return Object.fromEntries(variablesOf(module).map(({ name, device }) => [name, device]));
}
