import type { DType } from '@placewright/ir';
import fc from 'fast-check';
import { record } from '../arbitraries/record.js';
import type { Parts } from './parts.js';
import type { FlagPlan, PlacementPlan, SitePlan, Use, VariablePlan } from './plan.js';

export interface PlacementBounds {
  /** Only these strategies, on what they are for; all when left out. */
  readonly updates?: readonly FlagPlan['variableUpdate'][];
  /** Only such flags; any that are legal when left out. */
  readonly flags?: Partial<FlagPlan>;
  /** On one machine, in a cluster, or either. */
  readonly place?: 'local' | 'cluster';
  readonly maxVariables?: number;
  /** Only such uses of variables; all when left out. */
  readonly uses?: readonly Use[];
  readonly maxWorkers?: number;
  /** Devices of the user's own: on unless turned off. */
  readonly wishes?: boolean;
}

/** Sizes at the edges: nothing, one, what counts as small and what no more does, and many of a kind for ties. */
const SHAPES: readonly (readonly number[])[] = [
  ...[[], [1], [0], [3, 0, 2], [2, 2], [4], [4, 1], [8], [2, 4]],
  ...[[65_535], [3, 5, 17, 257], [65_536], [256, 256], [65_537], [131_072], [1, 65_536]],
];

/** Those of other types are never trained; all are equal in bytes to some shape of another type. */
const DTYPES: readonly DType[] = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int32',
  'int64',
  'uint8',
  'bool',
];

/** Outside of the towers there are names that look like a scope. */
const INSIDE_NAMES: readonly string[] = [
  ...['a', 'b', 'c', 'w', 'w/Momentum', 'vocab/x', 'v0x', 'v', '__proto__', 'constructor', 'conv/0'],
];
const OUTSIDE_NAMES: readonly string[] = ['vocab/y', 'v/y', 'v1/y', 'ps_var/v0/y', 'v0/c/Momentum', 'z'];

/** Placements that are legal: variables, a cluster, and flags. Shrinks to one scalar on one GPU. */
export function placementPlans(bounds: PlacementBounds = {}): fc.Arbitrary<PlacementPlan> {
  return sites(bounds).chain((site) =>
    record({
      variables: variableLists(site, bounds),
      site: fc.constant(site),
      flags: flags(site, bounds),
    }),
  );
}

type Update = FlagPlan['variableUpdate'];
const ON_ONE_MACHINE: readonly Update[] = ['parameter_server', 'independent', 'replicated'];
const IN_A_CLUSTER: readonly Update[] = ['parameter_server', 'distributed_replicated'];

function updatesOn(servers: number, { updates }: PlacementBounds): Update[] {
  const known = servers === 0 ? ON_ONE_MACHINE : IN_A_CLUSTER;
  return known.filter((update) => updates?.includes(update) ?? true);
}

function sites(bounds: PlacementBounds): fc.Arbitrary<SitePlan> {
  const { place, maxWorkers = 13 } = bounds;
  const least = place === 'cluster' || updatesOn(0, bounds).length === 0 ? 1 : 0;
  const most = place === 'local' || updatesOn(1, bounds).length === 0 ? 0 : 4;
  const workers = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: Math.min(3, maxWorkers) }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: maxWorkers }) },
  );
  return record({
    servers: fc.integer({ min: least, max: most }),
    workers,
    worker: fc.nat(12),
    towers: fc.integer({ min: 1, max: 4 }),
    type: fc.oneof(
      { weight: 3, arbitrary: fc.constant('GPU' as const) },
      { weight: 1, arbitrary: fc.constant('CPU' as const) },
    ),
  }).map((site) =>
    site.servers === 0 ? { ...site, workers: 1, worker: 0 } : { ...site, worker: site.worker % site.workers },
  );
}

function flags({ servers }: SitePlan, bounds: PlacementBounds): fc.Arbitrary<FlagPlan> {
  return record<FlagPlan>({
    variableUpdate: fc.constantFrom(...updatesOn(servers, bounds)),
    localParameterDevice: fc.constantFrom('gpu', 'cpu'),
    stagedVars: fc.boolean(),
    useNccl: fc.boolean(),
    crossReplicaSync: fc.boolean(),
    reduction: fc.constantFrom('own', 'own', 'sum', 'mean'),
    optimizer: fc.constantFrom('sgd', 'momentum', 'rmsprop'),
  }).map((any) => legal({ ...any, ...bounds.flags }));
}

/** Without what a strategy has no sense for. */
function legal(plan: FlagPlan): FlagPlan {
  const shared = plan.variableUpdate === 'parameter_server';
  return {
    ...plan,
    stagedVars: plan.stagedVars && shared,
    crossReplicaSync: plan.crossReplicaSync || !shared,
    reduction: plan.variableUpdate === 'independent' ? 'own' : plan.reduction,
  };
}

const USES: fc.Arbitrary<Use> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Use>('trained') },
  { weight: 2, arbitrary: fc.constant<Use>('averaged') },
  { weight: 1, arbitrary: fc.constantFrom<Use>('frozen', 'inference') },
);

function variableLists(site: SitePlan, bounds: PlacementBounds): fc.Arbitrary<readonly VariablePlan[]> {
  const { maxVariables = 6, wishes = true, uses } = bounds;
  const variable = record({
    shape: fc.constantFrom(...SHAPES),
    dtype: fc.constantFrom(...DTYPES),
    use: uses === undefined ? USES : fc.constantFrom(...uses),
    collection: fc.oneof(
      { weight: 4, arbitrary: fc.constant('global' as const) },
      { weight: 1, arbitrary: fc.constant('local' as const) },
    ),
    device: wishes
      ? fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: wishFor(site) })
      : fc.constant(null),
    name: fc.nat(99),
  });
  return fc
    .array(variable, { minLength: 1, maxLength: maxVariables, size: 'max' })
    .map((list) => withNames(list));
}

/** Names that differ; what is trained is float32; one that is trained, so that there is something to do. */
function withNames(list: readonly (Omit<VariablePlan, 'name'> & { name: number })[]): VariablePlan[] {
  const free = { inside: [...INSIDE_NAMES], outside: [...OUTSIDE_NAMES] };
  const trains = list.some(({ use }) => use === 'trained');
  return list.map((plan, i) => {
    const use = !trains && i === 0 ? 'trained' : plan.use;
    const names = use === 'inference' ? free.outside : free.inside;
    const [name = `more/${i}`] = names.splice(plan.name % Math.max(1, names.length), 1);
    return { ...plan, use, name, dtype: use === 'trained' ? 'float32' : plan.dtype };
  });
}

/** Devices that are there, whole or in part, by the rules of every strategy. */
function wishFor({ servers, workers, worker, towers, type }: SitePlan): fc.Arbitrary<Parts> {
  const unit = { type, index: towers - 1 };
  if (servers === 0)
    return fc.constantFrom<Parts[]>(unit, { type }, { type: 'CPU', index: 0 }, { type: 'CPU' });
  const mine = { job: 'worker', task: worker };
  const other = { job: 'worker', task: workers - 1 };
  const server = { job: 'ps', task: servers - 1 };
  return fc.constantFrom<Parts[]>(
    ...[{ job: 'ps' }, server, { ...server, type: 'CPU', index: 0 } as const, { type: 'CPU' } as const],
    ...[{ job: 'worker' }, mine, other, { ...mine, ...unit }, { ...mine, type: 'CPU' } as const],
  );
}
