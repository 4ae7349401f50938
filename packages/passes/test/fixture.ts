import {
  buildModel,
  builtinRegistry,
  defineModel,
  LOCAL_TASK,
  localCluster,
  type Module,
  nodeName,
  printNodes,
  type TrainingSpec,
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

export interface Case {
  readonly strategy: string;
  readonly options?: StrategyOptions;
  readonly towers?: number;
  readonly training?: Partial<TrainingSpec>;
  /** What the target can run; NCCL when left out. */
  readonly collectives?: 'nccl' | 'copies';
}

/** Runs a strategy's pipeline up to and with the named pass; gives that pass's record. */
export function upTo(
  pass: string,
  { strategy, options = {}, towers = 2, training = {}, collectives = 'nccl' }: Case,
  change?: (module: Module) => Module,
): PassRecord {
  const spec: TrainingSpec = {
    optimizer: { kind: 'sgd', learningRate: 0.05 },
    weightDecay: 0,
    clip: { kind: 'none' },
    ...training,
  };
  const module = buildModel(small, { training: spec });
  const cluster = localCluster({ numGpus: towers });
  const site = { cluster, task: LOCAL_TASK };
  const found = findStrategy(strategy);
  const choices: Choices = found.choices(completeOptions(found, options), {
    host: hostDevice(site),
    clipping: spec.clip,
    distributed: false,
  });
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
