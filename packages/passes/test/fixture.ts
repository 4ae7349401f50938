import {
  buildModel,
  builtinRegistry,
  type Cluster,
  defineModel,
  distributedCluster,
  isLocal,
  LOCAL_TASK,
  localCluster,
  type Module,
  nodeName,
  printNodes,
  type TaskName,
  type TrainingSpec,
  WORKER_JOB,
} from '@placewright/ir';
import {
  type Choices,
  completeOptions,
  findStrategy,
  hostDevice,
  type PassRecord,
  pipelineFor,
  runPipeline,
  type StrategyOptions,
  towerDevices,
} from '../src/index.js';

/** A model small enough to read whole in a golden: one layer, two variables of different sizes, one moving average. */
export const small = defineModel({
  name: 'small',
  inputs: { x: { dtype: 'float32', shape: [4] }, labels: { dtype: 'int32', shape: [] } },
  build(b, { x, labels }) {
    const weights = b.group('affine0', () => b.variable('weights', { shape: [4, 3] }));
    const biases = b.group('affine0', () =>
      b.variable('biases', { shape: [3], initializer: { kind: 'zeros' } }),
    );
    const seen = b.variable('seen', { shape: [], trainable: false, initializer: { kind: 'zeros' } });
    const logits = b.biasAdd(b.matMul(x, weights.value), biases.value);
    if (b.training) b.assignSub(seen, b.mul(b.sub(seen.value, b.mean(logits)), b.constant(0.1)));
    return {
      loss: b.mean(b.sparseSoftmaxCrossEntropy(logits, labels)),
      metrics: { correctCount: b.correctCount(logits, labels) },
    };
  },
});

/** A cluster of that many tasks, with two towers each. */
export function tasks(ps: number, workers: number, towers = 2, device: 'cpu' | 'gpu' = 'gpu'): Cluster {
  const hosts = (n: number, port: number): string[] => Array.from({ length: n }, (_, i) => `h${i}:${port}`);
  return distributedCluster({
    psHosts: hosts(ps, 1),
    workerHosts: hosts(workers, 2),
    numGpus: towers,
    device,
  });
}

export interface Case {
  readonly strategy: string;
  readonly options?: StrategyOptions;
  /** Towers of a local cluster; 2 when left out. */
  readonly towers?: number;
  /** In the place of a local cluster. */
  readonly cluster?: Cluster;
  /** The worker of the cluster; the first when left out. */
  readonly task?: TaskName;
  /** In the place of `small`. */
  readonly module?: Module;
  /** Choices in the place of the strategy's. */
  readonly choices?: Partial<Choices>;
  readonly training?: Partial<TrainingSpec>;
  /** What the target can run; NCCL when left out. */
  readonly collectives?: 'nccl' | 'copies';
}

/** Runs a strategy's pipeline up to and with the named pass; gives that pass's record. */
export function upTo(
  pass: string,
  { strategy, options = {}, training = {}, collectives = 'nccl', ...rest }: Case,
  change?: (module: Module) => Module,
): PassRecord {
  const spec: TrainingSpec = {
    optimizer: { kind: 'sgd', learningRate: 0.05 },
    weightDecay: 0,
    clip: { kind: 'none' },
    ...training,
  };
  const { towers = 2, cluster = localCluster({ numGpus: towers }) } = rest;
  const module = rest.module ?? buildModel(small, { training: spec });
  const site = { cluster, task: rest.task ?? firstTask(cluster) };
  const found = findStrategy(strategy);
  const choices: Choices = {
    ...found.choices(completeOptions(found, options), {
      host: hostDevice(site),
      clipping: spec.clip,
      distributed: !isLocal(cluster),
    }),
    ...rest.choices,
  };
  const calls = pipelineFor(choices, spec, towerDevices(site), { collectives });
  const end = calls.findIndex((call) => call.pass.name === pass);
  if (end < 0) throw new Error(`${strategy} does not run ${pass}`);
  const context = { registry: builtinRegistry, ...site };
  const before = runPipeline(module, calls.slice(0, end), context).module;
  const { records } = runPipeline(change?.(before) ?? before, calls.slice(end, end + 1), context);
  const [record] = records;
  if (record === undefined) throw new Error(`${pass} did not run`);
  return record;
}

function firstTask(cluster: Cluster): TaskName {
  return isLocal(cluster) ? LOCAL_TASK : { job: WORKER_JOB, index: 0 };
}

/** What a pass changed, readable in a diff: each change with its reason, then the nodes that it added or changed. */
export function describeRecord(record: PassRecord): string {
  const changes = record.changes.map(
    ({ kind, name, reason, fields }) =>
      `${kind} ${name}${fields.length > 0 ? ` (${fields.join(', ')})` : ''}: ${reason}`,
  );
  const touched = new Set(record.changes.map(({ subject }) => subject));
  const ids = [...record.after.graph.nodes.keys()].filter((id) => touched.has(id));
  const decisions = record.after.decisions
    .slice(record.before.decisions.length)
    .map(({ about, chosen, rule, option, candidates }) => {
      const loads = candidates.map(({ name, load }) => `${name}=${load}`).join(' ');
      return `${about} ${chosen}: ${rule} [${option}]${loads === '' ? '' : ` of ${loads}`}`;
    });
  return [...changes, '', ...printNodes(record.after, ids), '', ...decisions, ''].join('\n');
}

/** Shown names of all nodes of an op. */
export function namesOf(module: Module, op: string): string[] {
  return [...module.graph.nodes.values()].filter((node) => node.op === op).map(nodeName);
}
