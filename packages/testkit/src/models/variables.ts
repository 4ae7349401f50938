import { meets, type Parts } from './parts.js';
import { type Devices, devicesOf, type FlagPlan, type PlacementPlan, type VariablePlan } from './plan.js';
import {
  type Asking,
  always,
  cachingGetter,
  fewestBytes,
  fewestElements,
  oneAfterTheOther,
  type Setter,
} from './setters.js';

/** A variable of the lowered graph, as the rules make it. */
export interface MadeVariable {
  readonly plan: VariablePlan;
  /** With its scope: `v/w`, `v1/w`, `ps_var/v0/w`. */
  readonly shown: string;
  /** The tower that it belongs to; null where none or all do. */
  readonly tower: number | null;
  readonly kind: 'outside' | 'tower' | 'shadow' | 'slot';
  readonly trainable: boolean;
  readonly collection: 'global' | 'local';
  readonly device: Parts;
  readonly caching: Parts | null;
  /** The key in a checkpoint; null for none. */
  readonly key: string | null;
}

/** All variables, and what was counted on the way. */
export interface Made {
  readonly variables: readonly MadeVariable[];
  readonly loads: Readonly<Record<string, readonly unknown[]>>;
}

const BYTES: Readonly<Record<string, number>> = {
  ...{ float64: 8, int64: 8, float32: 4, int32: 4, float16: 2, bfloat16: 2, uint8: 1, bool: 1 },
};
const SLOTS: Readonly<Record<FlagPlan['optimizer'], readonly string[]>> = {
  sgd: [],
  momentum: ['Momentum'],
  rmsprop: ['RMSProp', 'RMSProp_1'],
};

export const GLOBAL_STEP: VariablePlan = {
  name: 'global_step',
  shape: [],
  dtype: 'int64',
  use: 'inference',
  collection: 'global',
  device: null,
};

/** Whether every tower has variables of its own. */
export function ownVariables({ variableUpdate }: FlagPlan): boolean {
  return variableUpdate !== 'parameter_server';
}

export function trainedBy({ variables }: PlacementPlan): VariablePlan[] {
  return variables.filter(({ use }) => use === 'trained');
}

/**
 * Makes the variables as the original's driver does: `global_step`, then tower by tower what the model asks for, then
 * shadows, then slots. A shared variable is made by the first tower and used again by the others.
 */
export function makeVariables(plan: PlacementPlan): Made {
  const world = worldOf(plan);
  const outside = [GLOBAL_STEP, ...plan.variables]
    .filter(({ use }) => use === 'inference')
    .map((variable) => outsideVariable(variable, world));
  const towers = world.devices.towers.flatMap((_, tower) => towerVariables(tower, world));
  const shadows = plan.flags.variableUpdate === 'distributed_replicated' ? shadowsOf(towers, world) : [];
  const before = [...outside, ...towers, ...shadows].map((variable) =>
    shadows.length > 0 && variable.kind === 'tower' && variable.trainable
      ? { ...variable, key: null }
      : variable,
  );
  return { variables: [...before, ...slotsOf(before, plan)], loads: loadsOf(world) };
}

/** The original's objects, as they are made anew for each graph. */
interface World {
  readonly plan: PlacementPlan;
  readonly devices: Devices;
  /** For what stands outside of the towers; shadows go on with it. */
  readonly outer: Setter;
  /** One for each tower; with parameter servers, one for all. */
  readonly setters: readonly Setter[];
  /** One for each tower, where variables have caching devices. */
  readonly getters: readonly Setter[];
}

function worldOf(plan: PlacementPlan): World {
  const { flags, site } = plan;
  const devices = devicesOf(site);
  const { host, towers, servers } = devices;
  const outer = site.servers === 0 ? always(host) : oneAfterTheOther(servers, host);
  const kept = flags.localParameterDevice === 'gpu' ? towers : [host];
  const caches = site.servers > 0 && flags.variableUpdate === 'parameter_server' && !flags.stagedVars;
  const getters = caches ? towers.map(() => cachingGetter(kept, host)) : [];
  return { plan, devices, outer, getters, setters: settersOf(plan, devices) };
}

function settersOf({ flags, site }: PlacementPlan, { host, towers, servers }: Devices): Setter[] {
  if (ownVariables(flags)) return towers.map((device) => always(device));
  if (site.servers > 0) {
    const shared = fewestBytes(servers, towers[0] ?? host);
    return towers.map(() => shared);
  }
  return flags.localParameterDevice === 'cpu'
    ? towers.map(() => always(host))
    : towers.map(() => fewestElements(towers));
}

function loadsOf({ plan: { flags, site }, setters, getters }: World): Made['loads'] {
  if (ownVariables(flags)) return {};
  if (site.servers > 0)
    return {
      'greedyLoadBalancing.bytes': setters[0]?.counted ?? [],
      ...(getters.length > 0
        ? { 'overrideCachingDevice.elements': getters.map(({ counted }) => counted) }
        : {}),
    };
  if (flags.localParameterDevice === 'cpu') return {};
  return Object.fromEntries(
    setters.map(({ counted }, tower) => [`paramServerDeviceSetter[${tower}].elements`, counted]),
  );
}

function asking({ shape, dtype, device }: VariablePlan): Asking {
  const elements = shape.reduce((product, dim) => product * dim, 1);
  return { elements, bytes: elements * (BYTES[dtype] ?? 0), wish: device };
}

/** A device that is there: the one that a setter gives, or where that is none the first that the user's wish is met by. */
function settled({ device: wish }: VariablePlan, given: Parts, { all }: Devices): Parts {
  const found = all.find((device) => meets(device, given));
  return found ?? all.find((device) => meets(device, wish ?? {})) ?? {};
}

function outsideVariable(variable: VariablePlan, { outer, devices }: World): MadeVariable {
  return {
    plan: variable,
    shown: variable.name,
    tower: null,
    kind: 'outside',
    trainable: variable !== GLOBAL_STEP,
    collection: variable.collection,
    device: settled(variable, outer.place(asking(variable)), devices),
    caching: null,
    key: variable.name,
  };
}

/** What one tower makes; where variables are shared, the later ones make none, but their getters count. */
function towerVariables(tower: number, { plan, devices, setters, getters }: World): MadeVariable[] {
  const own = ownVariables(plan.flags);
  const { variableUpdate } = plan.flags;
  return plan.variables.flatMap((variable): MadeVariable[] => {
    if (variable.use === 'inference') return [];
    const ask = asking(variable);
    const caching = getters[tower]?.place(ask) ?? null;
    if (!own && tower > 0) return [];
    const scope = own ? `v${tower}` : 'v';
    const shown = `${scope}/${variable.name}`;
    const given = setters[tower]?.place(ask) ?? {};
    const saved = !own || tower === 0 || variableUpdate === 'independent';
    return [
      {
        plan: variable,
        shown,
        tower: own ? tower : null,
        kind: 'tower',
        trainable: variable.use === 'trained',
        collection: variableUpdate === 'distributed_replicated' ? 'local' : variable.collection,
        device: settled(variable, given, devices),
        caching,
        key: saved ? shown : null,
      },
    ];
  });
}

/** A shadow of each trainable variable of tower 0, on the servers in turn, whatever the user has asked for its variable. */
function shadowsOf(towers: readonly MadeVariable[], { outer }: World): MadeVariable[] {
  return towers
    .filter(({ tower, trainable }) => tower === 0 && trainable)
    .map((variable) => ({
      ...variable,
      shown: `ps_var/${variable.shown}`,
      tower: null,
      kind: 'shadow',
      collection: 'global',
      device: outer.place({ ...asking(variable.plan), wish: null }),
    }));
}

/**
 * Slots of what the optimizer changes, each beside its variable. A slot is called the same in every set of variables: by
 * a name that nothing has in any of them.
 */
function slotsOf(variables: readonly MadeVariable[], { flags }: PlacementPlan): MadeVariable[] {
  const shadowed = variables.some(({ kind }) => kind === 'shadow');
  const changed = variables.filter(
    ({ kind, trainable }) => trainable && kind === (shadowed ? 'shadow' : 'tower'),
  );
  const taken = new Set(variables.flatMap(({ shown, key }) => [shown, key]));
  return changed.flatMap((variable) =>
    SLOTS[flags.optimizer].map((slot): MadeVariable => {
      const sets = variables.filter(({ plan }) => plan === variable.plan);
      const suffix = [`/${slot}`, `/${slot}_1`, `/${slot}_2`].find((each) =>
        sets.every(({ shown }) => !taken.has(shown + each)),
      );
      return {
        ...variable,
        shown: `${variable.shown}${suffix}`,
        kind: 'slot',
        trainable: false,
        caching: null,
        key: variable.key === null ? null : `${variable.key}${suffix}`,
      };
    }),
  );
}
