import { createInterpreter } from '@placewright/interp';
import {
  type ClipSpec,
  DEFAULT_TRAINING,
  type Module,
  type OpRegistry,
  type TensorValue,
  unreachable,
} from '@placewright/ir';
import type { Choices, Contract } from '@placewright/passes';
import type { Feeds, RunFeeds } from '../lowered.js';
import { sizeOf } from '../random.js';
import { towerVariables } from '../wishes.js';
import { applyUpdate, slotStarts } from './optimizer.js';
import { initialValues, type TowerModel, type TowerResult, towerModel } from './tower.js';

/** What the oracle knows of a compilation: the data of its strategy, never its name, and never its graph. */
export interface OracleWorld {
  readonly choices: Choices;
  readonly contract: Contract;
  readonly towers: number;
  readonly registry: OpRegistry;
  /**
   * Numbers in [0, 1): each reading of a weight is off by up to two of its last bits. Runs that differ in nothing else
   * show how far rounding alone carries.
   */
  readonly shake?: () => number;
}

/** One set of variables: all towers', or one tower's. By logical name; `values[0]` is the variable, then its slots. */
export type VariableSet = ReadonlyMap<string, readonly Float32Array[]>;

export interface OracleStep {
  readonly fetches: ReadonlyMap<string, TensorValue>;
  /** After the step's updates. */
  readonly sets: readonly VariableSet[];
}

export interface OracleRun {
  /** After initialisation and its copies. */
  readonly start: readonly VariableSet[];
  readonly steps: readonly OracleStep[];
  readonly eval: ReadonlyMap<string, TensorValue>;
  /** Variables that belong to no tower, which stay as they began. */
  readonly outside: ReadonlyMap<string, TensorValue>;
  /** The largest magnitude that was met: runs that blow up prove nothing. */
  readonly largest: number;
}

type MutableSet = Map<string, Float32Array[]>;

/** All towers' results of one step, and the weights that they were computed with. */
interface Computed {
  readonly results: readonly TowerResult[];
  readonly read: readonly VariableSet[];
}

/**
 * What training means, worked out without the passes: the source module is differentiated and run for each tower on
 * one device, and everything around it (weight decay, staleness, aggregation, clipping, optimizer, moving averages,
 * initial copies) is plain arithmetic on arrays.
 */
export function simulate(source: Module, world: OracleWorld, feeds: RunFeeds): OracleRun {
  const { contract, registry } = world;
  const model = towerModel(source, registry);
  const sets = initialSets(source, world, model);
  const start = sets.map(copySet);
  // weights[k] are those before step k; computed[k] is what step k computed; before the first step, the warm-up's.
  const weights: VariableSet[][] = [start];
  const warm = compute(model, world, start, feeds.warmUp);
  const computed: Computed[] = [];
  const steps = feeds.steps.map((batch, k): OracleStep => {
    const read = weights[Math.max(0, k - contract.staleReads)] ?? start;
    const now = compute(model, world, read, batch);
    computed.push(now);
    applyStep(source, model, world, sets, computed[k - contract.staleGradients] ?? warm);
    weights.push(sets.map(copySet));
    return { fetches: combineFetches(source, model, now), sets: sets.map(copySet) };
  });
  return {
    start,
    steps,
    eval: runEval(source, registry, model, sets, feeds.eval),
    outside: outsideVariables(source, registry),
    largest: Math.max(...sets.flatMap((set) => [...set.values()].flat().map(largest)), 0),
  };
}

function initialSets(source: Module, world: OracleWorld, model: TowerModel): MutableSet[] {
  const { choices, towers, registry } = world;
  const count = choices.variables === 'perTower' ? towers : 1;
  const starts = slotStarts(trainingOf(source).optimizer);
  const trainable = new Set(model.trainable);
  const common = initialValues(source, registry, 0);
  return Array.from({ length: count }, (_, tower) => {
    const own = initialValues(source, registry, tower);
    return new Map(
      model.variables.map(({ name }) => {
        const values = isCopied(choices, trainable.has(name)) ? common : own;
        const value = Float32Array.from(values.get(name)?.data as Float32Array);
        const slots = trainable.has(name)
          ? starts.map((fill) => new Float32Array(value.length).fill(fill))
          : [];
        return [name, [value, ...slots]];
      }),
    );
  });
}

/** Whether all towers start from tower 0's value: shadows start from it too, and what is not trained has none. */
function isCopied({ initialCopy }: Choices, trainable: boolean): boolean {
  switch (initialCopy) {
    case 'none':
      return false;
    case 'tower0':
      return true;
    case 'shadows':
      return trainable;
    default:
      return unreachable(initialCopy);
  }
}

function compute(
  model: TowerModel,
  world: OracleWorld,
  read: readonly VariableSet[],
  batch: Feeds,
): Computed {
  const results = Array.from({ length: world.towers }, (_, tower) =>
    model.run(
      shaken(asTensors(model, read[tower] ?? read[0]), world.shake),
      rowsOf(batch, tower, world.towers),
    ),
  );
  return { results, read };
}

function asTensors(model: TowerModel, set: VariableSet | undefined): Map<string, TensorValue> {
  return new Map(
    model.variables.map(({ name, shape }) => {
      const data = set?.get(name)?.[0] ?? new Float32Array();
      return [name, { dtype: 'float32', shape: shape.map((dim) => dim ?? 0), data }];
    }),
  );
}

function shaken(values: Map<string, TensorValue>, shake: OracleWorld['shake']): Map<string, TensorValue> {
  if (shake === undefined) return values;
  const off = (x: number): number => x * (1 + 2 ** -21 * (shake() - 0.5));
  return new Map(
    [...values].map(([name, value]) => [name, { ...value, data: (value.data as Float32Array).map(off) }]),
  );
}

/** Rows t·b to (t+1)·b of every tensor that is fed. */
function rowsOf(batch: Feeds, tower: number, towers: number): Feeds {
  return new Map(
    [...batch].map(([name, { dtype, shape, data }]) => {
      const [rows = 0, ...rest] = shape;
      const count = rows / towers;
      const size = sizeOf(rest);
      return [
        name,
        {
          dtype,
          shape: [count, ...rest],
          data: data.slice(tower * count * size, (tower + 1) * count * size),
        },
      ];
    }),
  );
}

/** Updates every set in place with what the towers computed. */
function applyStep(
  source: Module,
  model: TowerModel,
  world: OracleWorld,
  sets: readonly MutableSet[],
  { results, read }: Computed,
): void {
  const { optimizer, weightDecay, clip } = trainingOf(source);
  const perTower = results.map((result, tower) =>
    model.trainable.map((name) =>
      decayed(result.gradients.get(name), read[tower] ?? read[0], name, weightDecay),
    ),
  );
  sets.forEach((set, i) => {
    const gradients = aggregate(perTower, world.contract.reduction, i);
    clipGradients(gradients, clip);
    model.trainable.forEach((name, v) => {
      const [weights, ...slots] = set.get(name) ?? [];
      const gradient = gradients[v];
      if (weights !== undefined && gradient !== undefined) applyUpdate(optimizer, weights, slots, gradient);
    });
  });
  // Only tower 0's moving averages are run.
  for (const [name, delta] of results[0]?.deltas ?? []) {
    const value = sets[0]?.get(name)?.[0];
    if (value !== undefined) for (let i = 0; i < value.length; i++) value[i] = at(value, i) - at(delta, i);
  }
}

/** `g + λ·w`, the gradient of weight decay included. */
function decayed(
  gradient: Float32Array | undefined,
  set: VariableSet | undefined,
  name: string,
  weightDecay: number,
): Float32Array {
  const weights = set?.get(name)?.[0] ?? new Float32Array();
  const out = Float32Array.from(gradient ?? weights.map(() => 0));
  if (weightDecay === 0) return out;
  for (let i = 0; i < out.length; i++) out[i] = at(out, i) + Math.fround(weightDecay * at(weights, i));
  return out;
}

/** Gradients that set `set` is updated with: its own tower's, or all towers' summed up in order or averaged. */
function aggregate(
  perTower: readonly (readonly Float32Array[])[],
  reduction: Contract['reduction'],
  set: number,
): Float32Array[] {
  if (reduction === 'none') return (perTower[set] ?? []).map((gradient) => gradient.slice());
  const [first = [], ...others] = perTower;
  return first.map((gradient, v) => {
    const sum = gradient.slice();
    for (const other of others) {
      const more = other[v] ?? new Float32Array(sum.length);
      for (let i = 0; i < sum.length; i++) sum[i] = at(sum, i) + at(more, i);
    }
    return reduction === 'sum' ? sum : sum.map((x) => x / perTower.length);
  });
}

/** Clips in place, all gradients of one update together. */
function clipGradients(gradients: readonly Float32Array[], clip: ClipSpec): void {
  switch (clip.kind) {
    case 'none':
      return;
    case 'value':
      for (const gradient of gradients)
        gradient.forEach((x, i) => {
          gradient[i] = Math.min(Math.max(x, -clip.limit), clip.limit);
        });
      return;
    case 'globalNorm': {
      const norm = Math.sqrt(gradients.reduce((sum, g) => sum + g.reduce((s, x) => s + x * x, 0), 0));
      for (const gradient of gradients)
        gradient.forEach((x, i) => {
          gradient[i] = (x * clip.limit) / Math.max(norm, clip.limit);
        });
      return;
    }
    default:
      unreachable(clip);
  }
}

/** Fetches over all towers: counts summed, scalars averaged, tensors with rows put together in the order of the towers. */
function combineFetches(
  source: Module,
  model: TowerModel,
  { results, read }: Computed,
): Map<string, TensorValue> {
  const { weightDecay } = trainingOf(source);
  const losses = results.map(
    ({ loss }, tower) => loss + weightDecay * halfSquares(model, read[tower] ?? read[0]),
  );
  return new Map(
    model.fetchNames.map((name) => {
      const parts = results.map(({ fetches }) => fetches.get(name) as TensorValue);
      if (model.isLoss(name)) return [name, scalarOf(mean(losses))];
      return [name, combine(name, parts)];
    }),
  );
}

function combine(name: string, parts: readonly TensorValue[]): TensorValue {
  const [first] = parts as [TensorValue];
  if (first.shape.length > 0) return concatRows(parts);
  if (first.dtype !== 'float32') return first;
  const values = parts.map(({ data }) => Number(data[0]));
  return scalarOf(name.endsWith('Count') ? mean(values) * values.length : mean(values));
}

function concatRows(parts: readonly TensorValue[]): TensorValue {
  const [first] = parts as [TensorValue];
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const numbers = parts.flatMap(({ data }) => Array.from(data as ArrayLike<number>));
  return { dtype: first.dtype, shape: [rows, ...first.shape.slice(1)], data: Float32Array.from(numbers) };
}

/** Σ‖w‖²/2 over the trainable variables. */
function halfSquares(model: TowerModel, set: VariableSet | undefined): number {
  let sum = 0;
  for (const name of model.trainable) for (const x of set?.get(name)?.[0] ?? []) sum += (x * x) / 2;
  return sum;
}

function runEval(
  source: Module,
  registry: OpRegistry,
  model: TowerModel,
  sets: readonly VariableSet[],
  feeds: Feeds,
): Map<string, TensorValue> {
  if (source.entries.eval === undefined) return new Map();
  const session = createInterpreter(source, { registry });
  session.run('init');
  session.writeVariables(asTensors(model, sets[0]));
  return session.run('eval', feeds);
}

function outsideVariables(source: Module, registry: OpRegistry): Map<string, TensorValue> {
  const inside = new Set(towerVariables(source).map(({ name }) => name));
  const counts = new Set(globalSteps(source));
  return new Map(
    [...initialValues(source, registry, 0)].filter(([name]) => !inside.has(name) && !counts.has(name)),
  );
}

/** Logical names of the variables that count steps. */
export function globalSteps(source: Module): string[] {
  return source.roles.flatMap((role) => {
    if (role.kind !== 'globalStep') return [];
    const [id] = source.graph.nodes.get(role.node)?.resources ?? [];
    const resource = id === undefined ? undefined : source.resources.get(id);
    return resource?.kind === 'variable' ? [resource.name] : [];
  });
}

function trainingOf(source: Module) {
  return source.training ?? DEFAULT_TRAINING;
}

function copySet(set: VariableSet): MutableSet {
  return new Map([...set].map(([name, arrays]) => [name, arrays.map((array) => array.slice())]));
}

function scalarOf(value: number): TensorValue {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function largest(values: Float32Array): number {
  return values.reduce(
    (most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : Number.POSITIVE_INFINITY),
    0,
  );
}

function at(array: Float32Array, i: number): number {
  return array[i] as number;
}
