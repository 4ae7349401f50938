import type { Facts } from '@placewright/passes';
import { gradientsOf } from './gradients.js';
import { named } from './parts.js';
import { devicesOf, type PlacementPlan } from './plan.js';
import { queuesOf } from './queues.js';
import { type Made, type MadeVariable, makeVariables, ownVariables } from './variables.js';

/** What lowering must come to, worked out from the rules alone. An op that the rules do not name is the empty string. */
export function factsByRules(plan: PlacementPlan): Facts {
  const made = makeVariables(plan);
  const { variables } = made;
  const gradients = gradientsOf(plan, variables);
  return {
    variables: variables.map((variable) => ({
      name: variable.shown,
      shape: variable.plan.shape,
      dtype: variable.plan.dtype,
      device: named(variable.device),
      trainable: variable.trainable,
      collection: variable.collection,
      readDevice: named(variable.caching ?? variable.device),
    })),
    savable: variables.flatMap(({ key, shown }) => (key === null ? [] : [{ key, variable: shown }])),
    loads: made.loads as Facts['loads'],
    ...stagingOf(plan, made),
    trainableOnDevice: trainableOf(plan, variables),
    applyDevices: gradients.apply.length,
    apply: gradients.apply,
    postInit: copiesOf(plan, variables),
    syncQueues: queuesOf(plan),
    nodeCounts: gradients.counts,
  };
}

/** Every tower stages what it reads, from a copy of its own or from one on the host, and changes of moving averages. */
function stagingOf(
  { flags, site }: PlacementPlan,
  { variables }: Made,
): Pick<Facts, 'staging' | 'stagingDeltas'> {
  if (!flags.stagedVars) return { staging: [], stagingDeltas: { count: 0, devices: [] } };
  const { towers, host } = devicesOf(site);
  const read = variables.filter(({ kind }) => kind === 'tower');
  const staging = towers.flatMap((device, tower) =>
    read.map(({ shown }) => ({
      tower,
      variable: shown,
      stageDevice: named(device),
      unstageDevice: named(device),
      sourceOp: 'Identity',
      sourceDevice: named(site.servers > 0 ? host : device),
    })),
  );
  const averaged = read.filter(({ plan }) => plan.use === 'averaged').length;
  const devices = averaged > 0 ? towers.map(named) : [];
  return { staging, stagingDeltas: { count: averaged * towers.length, devices } };
}

/** A tower's own trainable variables, or all that there are; read through the staging area where there is one. */
function trainableOf(plan: PlacementPlan, variables: readonly MadeVariable[]): Facts['trainableOnDevice'] {
  const { flags, site } = plan;
  const own = ownVariables(flags);
  return Object.fromEntries(
    devicesOf(site).towers.map((device, tower) => {
      const mine = variables.filter(
        (variable) =>
          variable.trainable && (own ? variable.tower === tower && variable.kind === 'tower' : true),
      );
      const handles = mine.map((variable) => ({
        op: 'VarHandleOp',
        variable: variable.shown,
        device: named(variable.device),
      }));
      const read = handles.map((handle, i) =>
        flags.stagedVars && mine[i]?.kind === 'tower'
          ? { ...handle, op: 'Unstage', device: named(device) }
          : handle,
      );
      return [String(tower), { read, write: handles }];
    }),
  );
}

/**
 * Copies after initialisation. `replicated`: every variable of every later tower, slots and moving averages too, from
 * tower 0's. `distributed_replicated`: every trainable variable of every tower from its shadow.
 */
function copiesOf({ flags }: PlacementPlan, variables: readonly MadeVariable[]): Facts['postInit'] {
  const copy = ({ shown, device }: MadeVariable, source: string) => ({
    target: shown,
    device: named(device),
    source,
  });
  switch (flags.variableUpdate) {
    case 'independent':
    case 'parameter_server':
      return [];
    case 'replicated':
      return variables.flatMap((variable) => {
        const { tower, shown } = variable;
        return tower === null || tower === 0 ? [] : [copy(variable, `v0${shown.slice(shown.indexOf('/'))}`)];
      });
    case 'distributed_replicated':
      return variables.flatMap((variable) => {
        const { kind, trainable, plan } = variable;
        return kind === 'tower' && trainable ? [copy(variable, `ps_var/v0/${plan.name}`)] : [];
      });
  }
}
