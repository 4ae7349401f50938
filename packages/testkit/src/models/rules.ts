import {
  builtinRegistry,
  type Cluster,
  type ClusterDevice,
  type Module,
  nodeOf,
  PS_JOB,
  resourceName,
  type TaskName,
  WORKER_JOB,
} from '@placewright/ir';
import { compile, type Facts, factsOf, findStrategy } from '@placewright/passes';
import type { PlacementBounds } from './arbitrary.js';
import { factsByRules } from './facts.js';
import { initialisedBy } from './initialised.js';
import type { PlacementPlan, SitePlan } from './plan.js';
import { collisions } from './queues.js';
import { placementSource } from './source.js';
import { type MadeVariable, makeVariables } from './variables.js';

/** One thing that the rules say and that lowering did, to be compared. */
export interface Compared {
  readonly what: string;
  readonly got: unknown;
  readonly want: unknown;
}

/** A placement as it was lowered, and as the rules say. */
export interface Tried {
  readonly plan: PlacementPlan;
  readonly module: Module;
  readonly got: Facts;
  readonly want: Facts;
}

/** One rule of the original, as a property of random placements. */
export interface PlacementRule {
  /** Short, for tables. */
  readonly id: string;
  readonly name: string;
  readonly bounds: PlacementBounds;
  /** The pass with which lowering ends; all of it when left out. */
  readonly upTo?: string;
  readonly compare: (tried: Tried) => readonly Compared[];
}

/** Lowers a placement, and asks the rules. */
export function tryPlacement(plan: PlacementPlan, upTo?: string): Tried {
  const module = lowerPlacement(plan, upTo);
  return { plan, module, got: factsOf(module), want: factsByRules(plan) };
}

/** The cluster of a site. */
export function siteCluster({ servers, workers, towers, type }: SitePlan): Cluster {
  const units = (kind: 'CPU' | 'GPU', n: number): ClusterDevice[] =>
    Array.from({ length: n }, (_, index) => ({ type: kind, index }));
  const devices = type === 'CPU' ? units('CPU', towers) : [...units('CPU', 1), ...units('GPU', towers)];
  const job = (name: string, n: number, each: readonly ClusterDevice[]) => ({
    name,
    tasks: Array.from({ length: n }, (_, index) => ({ index, devices: each })),
  });
  const jobs =
    servers === 0
      ? [job('', 1, devices)]
      : [job(PS_JOB, servers, units('CPU', 1)), job(WORKER_JOB, workers, devices)];
  return { jobs, links: [] };
}

/** Lowers a plan by the compiler, unverified: what is lowered is what is looked at. */
export function lowerPlacement(plan: PlacementPlan, upTo?: string): Module {
  const { flags, site } = plan;
  const { variableUpdate, reduction, optimizer: _, ...options } = flags;
  const task: TaskName = { job: WORKER_JOB, index: site.worker };
  return compile(placementSource(plan), {
    ...options,
    ...(reduction === 'own' ? {} : { reduction }),
    strategy: findStrategy(variableUpdate),
    cluster: siteCluster(site),
    ...(site.servers === 0 ? {} : { task }),
    registry: builtinRegistry,
    verify: false,
    pipeline: (calls) => {
      const end = calls.findIndex(({ pass }) => pass.name === upTo);
      return end < 0 ? calls : calls.slice(0, end + 1);
    },
  }).module;
}

type Row = Readonly<Record<string, unknown>>;

/** Some fields of the variables of a table, by name. */
function fieldsOf(rows: readonly Row[], fields: readonly string[]): unknown[] {
  return sorted(rows.map((row) => fields.map((field) => row[field])));
}

/** In an order that does not matter. */
function sorted(rows: readonly unknown[]): unknown[] {
  const keyed = rows.map((row) => ({ row, key: JSON.stringify(row) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ row }) => row);
}

/** `made`: the kinds of variables that there are when lowering ends. */
function compareVariables(
  { plan, got, want }: Tried,
  fields: readonly string[],
  made: readonly MadeVariable['kind'][] = ['outside', 'tower', 'shadow', 'slot'],
): Compared {
  const kinds = makeVariables(plan).variables.map(({ kind }) => kind);
  const rows = (list: Facts['variables']) => fieldsOf(list as unknown as readonly Row[], fields);
  const early = want.variables.filter((_, i) => made.includes(kinds[i] ?? 'slot'));
  return { what: fields.join(', '), got: rows(got.variables), want: rows(early) };
}

function compareLoads({ got, want }: Tried): Compared {
  return { what: 'loads', got: got.loads, want: want.loads };
}

/** Rows of updates; where the rules name no op, the lowered graph's counts for nothing. */
function compareUpdates({ got, want }: Tried): Compared {
  const rows = got.apply.map((list, i) =>
    list.map((row, k) => (want.apply[i]?.[k]?.gradientOp === '' ? { ...row, gradientOp: '' } : row)),
  );
  return { what: 'updates', got: rows, want: want.apply };
}

function compareCounts({ got, want }: Tried): Compared {
  const rows = ({ nodeCounts }: Facts): unknown[] =>
    sorted(Object.entries(nodeCounts).map(([op, row]) => [op, sorted(Object.entries(row))]));
  return { what: 'counts', got: rows(got), want: rows(want) };
}

function compareList({ got, want }: Tried, field: 'postInit' | 'staging' | 'savable'): Compared {
  return { what: field, got: sorted(got[field]), want: sorted(want[field]) };
}

/** Names and places; where the original would give two queues one name, that there are as many, all different. */
function compareQueues({ got, want }: Tried): readonly Compared[] {
  const names = ({ syncQueues }: Facts): string[] => syncQueues.map(({ sharedName }) => sharedName);
  const places = ({ syncQueues }: Facts) => syncQueues.map(({ device, capacity }) => [device, capacity]);
  const collide = collisions(want.syncQueues).length > 0;
  return [
    { what: 'places of queues', got: places(got), want: places(want) },
    { what: 'names that differ', got: new Set(names(got)).size, want: want.syncQueues.length },
    ...(collide ? [] : [{ what: 'names', got: names(got), want: names(want) }]),
  ];
}

/** Variables that a run of `init` sets. */
function initialised({ graph, entries, resources }: Module): string[] {
  return (entries.init?.rounds.flat() ?? []).flatMap((id) =>
    nodeOf(graph, id).resources.flatMap((resource) => {
      const found = resources.get(resource);
      return found === undefined ? [] : [resourceName(found)];
    }),
  );
}

function compareInitialised({ plan, module }: Tried): Compared {
  const want = initialisedBy(plan, makeVariables(plan).variables);
  return { what: 'initialised', got: sorted(initialised(module)), want: sorted(want) };
}

function compareSaved(tried: Tried): readonly Compared[] {
  const keys = tried.got.savable.map(({ key }) => key);
  return [
    compareList(tried, 'savable'),
    { what: 'keys that differ', got: new Set(keys).size, want: keys.length },
  ];
}

function compareStaging(tried: Tried): readonly Compared[] {
  const { got, want } = tried;
  const access = ({ trainableOnDevice }: Facts): unknown[] =>
    Object.values(trainableOnDevice).map(({ read, write }) => ({ read: sorted(read), write: sorted(write) }));
  return [
    compareList(tried, 'staging'),
    { what: 'stagingDeltas', got: got.stagingDeltas, want: want.stagingDeltas },
    { what: 'trainableOnDevice', got: access(got), want: access(want) },
  ];
}

const PLACED = ['name', 'device'];
const EARLY = ['outside', 'tower'] as const;

/** Every rule, each to be tried on its own. A new one is a line here. */
export const PLACEMENT_RULES: readonly PlacementRule[] = [
  {
    id: 'fewest-elements',
    name: 'ParamServerDeviceSetter: the tower device with the fewest elements',
    bounds: { place: 'local', updates: ['parameter_server'], flags: { localParameterDevice: 'gpu' } },
    upTo: 'place-variables',
    compare: (tried) => [compareVariables(tried, PLACED, EARLY), compareLoads(tried)],
  },
  {
    id: 'fewest-bytes',
    name: 'the greedy strategy: the server with the fewest bytes',
    bounds: { place: 'cluster', updates: ['parameter_server'], flags: { stagedVars: true }, wishes: false },
    upTo: 'place-variables',
    compare: (tried) => [compareVariables(tried, PLACED, EARLY), compareLoads(tried)],
  },
  {
    id: 'wishes',
    name: 'the greedy strategy with devices of the user, whole and in part',
    bounds: { place: 'cluster', updates: ['parameter_server'], flags: { stagedVars: true } },
    upTo: 'place-variables',
    compare: (tried) => [compareVariables(tried, PLACED, EARLY), compareLoads(tried)],
  },
  {
    id: 'in-turn',
    name: 'replica_device_setter: the servers in turn, and shadows go on after global_step',
    bounds: { updates: ['distributed_replicated'] },
    upTo: 'shadow-variables',
    compare: (tried) => [compareVariables(tried, PLACED, [...EARLY, 'shadow']), compareLoads(tried)],
  },
  {
    id: 'caching',
    name: 'OverrideCachingDevice: small ones on the host, others where the fewest elements are kept',
    bounds: { place: 'cluster', updates: ['parameter_server'], flags: { stagedVars: false } },
    upTo: 'cache-reads',
    compare: (tried) => [compareVariables(tried, ['name', 'readDevice'], EARLY), compareLoads(tried)],
  },
  {
    id: 'copies-in-turn',
    name: 'gradients are copied to the tower devices in turn',
    bounds: {
      updates: ['replicated', 'distributed_replicated'],
      flags: { localParameterDevice: 'gpu', useNccl: false },
    },
    upTo: 'apply-gradients',
    compare: (tried) => [compareUpdates(tried)],
  },
  {
    id: 'copies-beside',
    name: 'gradients are copied beside the variable on one machine',
    bounds: { place: 'local', updates: ['parameter_server'] },
    upTo: 'apply-gradients',
    compare: (tried) => [compareUpdates(tried)],
  },
  {
    id: 'copies-on-host',
    name: 'gradients are copied to the host of a worker, and with localParameterDevice=cpu',
    bounds: {
      updates: ['parameter_server', 'replicated', 'distributed_replicated'],
      flags: { localParameterDevice: 'cpu', useNccl: false },
    },
    upTo: 'apply-gradients',
    compare: (tried) => [compareUpdates(tried)],
  },
  {
    id: 'barriers',
    name: 'barriers: counted up before the modulo, queues by prefix and worker, no name twice',
    bounds: { place: 'cluster', maxVariables: 14, uses: ['trained'] },
    upTo: 'expand-barriers',
    compare: compareQueues,
  },
  {
    id: 'initial-copies',
    name: 'what is copied after initialisation',
    bounds: { updates: ['replicated', 'distributed_replicated', 'independent'] },
    upTo: 'post-init',
    compare: (tried) => [compareList(tried, 'postInit')],
  },
  {
    id: 'keys',
    name: 'the keys of a checkpoint',
    bounds: {},
    upTo: 'apply-gradients',
    compare: compareSaved,
  },
  {
    id: 'chief',
    name: 'the chief initialises what is shared, every worker what is its own',
    bounds: { place: 'cluster' },
    upTo: 'initialise-once',
    compare: (tried) => [compareInitialised(tried)],
  },
  {
    id: 'collections',
    name: 'collections: the given one kept, local for the towers of distributed_replicated',
    bounds: {},
    upTo: 'apply-gradients',
    compare: (tried) => [compareVariables(tried, ['name', 'collection', 'trainable'])],
  },
  {
    id: 'slots',
    name: 'slots live beside their variable, past every balancer',
    bounds: { flags: { optimizer: 'rmsprop' } },
    upTo: 'apply-gradients',
    compare: (tried) => [compareVariables(tried, PLACED), compareLoads(tried)],
  },
  {
    id: 'staging',
    name: 'staging areas of variables, and of what moving averages change by',
    bounds: { updates: ['parameter_server'], flags: { stagedVars: true } },
    compare: compareStaging,
  },
  {
    id: 'facts',
    name: 'all facts of a whole compilation',
    bounds: {},
    compare: (tried) => [
      compareVariables(tried, ['name', 'shape', 'dtype', 'device', 'trainable', 'collection', 'readDevice']),
      compareLoads(tried),
      ...compareSaved(tried),
      ...compareStaging(tried),
      compareUpdates(tried),
      compareCounts(tried),
      compareList(tried, 'postInit'),
      ...compareQueues(tried),
    ],
  },
];
