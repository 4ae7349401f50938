import { topologicalOrder } from '@placewright/ir';
import fc from 'fast-check';
import { type TrainingCase, trainingCases } from '../arbitraries/case.js';
import { HOSTILE_NAMES } from '../arbitraries/names.js';
import { sourceOf } from '../prepare.js';

/** How often each answer to a question comes: by question, then by answer. */
export type Distribution = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Counts what `trainingCases` gives. Shares are of the cases, of the layers, and of the nodes. */
export function countCases(options: { readonly seed: number; readonly numRuns: number }): Distribution {
  const counts = new Map<string, Map<string, number>>();
  const count = (question: string, answer: string): void => {
    const answers = counts.get(question) ?? new Map<string, number>();
    counts.set(question, answers.set(answer, (answers.get(answer) ?? 0) + 1));
  };
  for (const plan of fc.sample(trainingCases(), options)) {
    countPlan(plan, count);
    countModule(plan, count);
  }
  return counts;
}

type Count = (question: string, answer: string) => void;

function countPlan({ model, cluster, strategy, training, batch }: TrainingCase, count: Count): void {
  const { wishes } = model;
  count('strategy', strategy.strategy);
  for (const [key, value] of Object.entries(strategy.options)) count(`option ${key}`, String(value));
  count('collectives', strategy.target.collectives);
  count('towers', String(cluster.towers));
  count('tower type', cluster.type);
  count('parameter servers', String(cluster.servers));
  count('rows of a tower', String(batch));
  count('optimizer', training.optimizer.kind);
  if (training.optimizer.kind === 'momentum') count('nesterov', String(training.optimizer.nesterov));
  count('clipping', training.clip.kind);
  count('weight decay', String(training.weightDecay));
  count('input', model.input.kind === 'image' ? model.input.format : 'vector');
  count('layers', String(model.layers.length));
  for (const { kind } of model.layers) count('layer', kind);
  count('loss', model.loss);
  count('hostile names', String(model.names.some((name) => HOSTILE_NAMES.includes(name))));
  const kinds = [
    wishes.ops.length,
    wishes.variables.length,
    wishes.controls.length,
    wishes.colocations.length,
  ];
  count('wishes of the user', kinds.some((length) => length > 0) ? 'some' : 'none');
}

function countModule(plan: TrainingCase, count: Count): void {
  const { graph, resources } = sourceOf(plan);
  const bucket = (n: number, step: number): string => `${Math.floor(n / step) * step}+`;
  count('nodes before the passes', bucket(graph.nodes.size, 50));
  for (const { op } of topologicalOrder(graph)) count('op', op);
  const sizes: number[] = [];
  for (const resource of resources.values()) {
    if (resource.kind !== 'variable' || !resource.trainable) continue;
    sizes.push(resource.shape.reduce<number>((size, dim) => size * (dim ?? 1), 1));
  }
  count('trainable variables', String(sizes.length));
  count('variables of equal size', String(new Set(sizes).size < sizes.length));
  const shared = plan.model.layers.filter(({ kind }) => kind === 'shared').length;
  count('shared variable', shared === 0 ? 'none' : shared === 1 ? 'used once' : 'perhaps used again');
}

/** Share of the answers to one question. */
export function shareOf(distribution: Distribution, question: string, answer: string): number {
  const answers = distribution.get(question) ?? new Map<string, number>();
  const total = [...answers.values()].reduce((sum, n) => sum + n, 0);
  return total === 0 ? 0 : (answers.get(answer) ?? 0) / total;
}
