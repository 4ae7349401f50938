// The table of the zoo: what each model is, counted on the graphs that are built.
import {
  autodiff,
  buildModel,
  builtinRegistry,
  elementCount,
  LOCAL_TASK,
  localCluster,
  MODELS,
} from 'placewright';
import { code, table } from './markdown.mjs';

const SITE = { registry: builtinRegistry, cluster: localCluster({ numGpus: 1 }), task: LOCAL_TASK };
const WEIGHT_DECAY = 4e-5;

/** `1,663,370`. */
const thousands = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

function counts(factory) {
  const module = buildModel(factory());
  const variables = [...module.resources.values()].filter(({ name }) => name !== 'global_step');
  const sum = (list) => list.reduce((n, { shape }) => n + elementCount(shape), 0);
  const named = (suffix) => variables.filter(({ name }) => name.endsWith(suffix)).length;
  return {
    convolutions: named('/kernel'),
    affine: named('/weights'),
    trained: sum(variables.filter(({ trainable }) => trainable)),
    averages: sum(variables.filter(({ trainable }) => !trainable)),
    nodes: autodiff.run(module, { weightDecay: WEIGHT_DECAY }, SITE).module.graph.nodes.size,
  };
}

export function models() {
  const headings = [
    'model',
    'what it is',
    'images',
    'classes',
    'convolutions',
    'affine',
    'trained',
    'averages',
  ];
  const rows = MODELS.map(({ name, summary, input, batchSize, learningRate, factory }) => {
    const { convolutions, affine, trained, averages, nodes } = counts(factory);
    return [
      ...[code(name), summary, `${input.imageSize}×${input.imageSize}×${input.channels}`, input.classes],
      ...[convolutions, affine, thousands(trained), thousands(averages)],
      ...[batchSize, learningRate ?? '–', thousands(nodes)],
    ];
  });
  return table([...headings, 'batch', 'rate', 'nodes'], rows);
}
