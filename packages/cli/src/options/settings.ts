import {
  type ClipSpec,
  nearest,
  type OptimizerSpec,
  PlacewrightError,
  type TrainingSpec,
} from '@placewright/ir';
import { type ImageInput, lookupModel, MODELS, type ModelEntry } from '@placewright/models';
import { checkLegal, checkSilenced, findStrategy, type StrategyOptions } from '@placewright/passes';
import { usageError } from '../errors.js';
import { changeFlags } from './change-flags.js';
import { type ClusterSettings, clusterSettings } from './cluster.js';
import type { OptionValues } from './table.js';

/** Where the images come from; they also decide the size of the model's input. */
export type DataSource = 'mnist' | 'synthetic' | 'tensors';

/** What to compile, complete and checked. */
export interface ModelSettings extends ClusterSettings {
  readonly model: ModelEntry;
  readonly input: ImageInput;
  readonly dataFormat: 'NHWC' | 'NCHW';
  readonly data: DataSource;
  readonly strategy: string;
  readonly strategyOptions: StrategyOptions;
  /** Towers of one worker. */
  readonly numGpus: number;
  /** Images of one tower. */
  readonly batchSize: number;
  readonly training: TrainingSpec;
  readonly seed: number;
  /** Whether dropout drops anything. */
  readonly realDropout: boolean;
  /** Whether what the original leaves undefined is compiled, too. */
  readonly allowUndefined: boolean;
  /** Codes of warnings that are not to be given. */
  readonly silence: readonly string[];
  /** Whether the user said a learning rate. */
  readonly ownLearningRate: boolean;
}

interface Defaults {
  readonly optimizer: OptimizerSpec['kind'];
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** tf_cnn_benchmarks' own, for options files and recorded tensors. */
const RECORDED: Defaults = { optimizer: 'sgd', learningRate: 0.05, momentum: 0.9, weightDecay: 4e-5 };
/** For a run that is to learn well without a further word: LeNet reads digits after a few hundred steps. */
const PLAIN: Defaults = { optimizer: 'momentum', learningRate: 0.02, momentum: 0.95, weightDecay: 4e-5 };

const DEFAULT_STRATEGY = 'parameter_server';
/** Models whose own input is that of handwritten digits. */
const DIGIT_MODELS: readonly string[] = ['lenet', 'mlp'];
const DATA_NAMES = { imagenet: 1001, cifar10: 11 } as const;
const MNIST_INPUT: ImageInput = { imageSize: 28, channels: 1, classes: 10 };

/**
 * Fills in what was not given. `recorded` says that the options come from a recorded run, whose defaults then hold.
 * Throws PW_OPTION_MISSING, PW_OPTION_CONFLICT, PW_MODEL_UNKNOWN, PW_STRATEGY_UNKNOWN, PW_STRATEGY_ILLEGAL,
 * PW_CLUSTER_*.
 */
export function modelSettings(values: OptionValues, recorded: boolean): ModelSettings {
  if (values.model === undefined) throw missingModel();
  const model = lookupModel(values.model, values.dataName);
  const defaults = recorded ? RECORDED : { ...PLAIN, learningRate: model.momentumRate ?? PLAIN.learningRate };
  const data = dataSource(values, model, recorded);
  const strategy = findStrategy(values.strategy ?? DEFAULT_STRATEGY);
  const options = strategyOptions(values);
  const place = clusterSettings(values);
  const training: TrainingSpec = {
    optimizer: optimizerOf(values, defaults),
    weightDecay: values.weightDecay ?? defaults.weightDecay,
    clip: clipOf(values),
  };
  checkLegal(
    strategy,
    { options, cluster: place.cluster, training },
    {
      allowUndefined: values.allowUndefined ?? false,
      show: changeFlags,
    },
  );
  return {
    model,
    input: inputOf(model, data, values),
    dataFormat: values.dataFormat ?? 'NHWC',
    data,
    strategy: strategy.name,
    strategyOptions: options,
    numGpus: values.numGpus ?? 1,
    ...place,
    batchSize: values.batchSize ?? model.batchSize,
    training,
    seed: values.seed ?? 0,
    realDropout: values.realDropout ?? false,
    allowUndefined: values.allowUndefined ?? false,
    silence: silenced(values),
    ownLearningRate: values.learningRate !== undefined,
  };
}

function missingModel(): PlacewrightError {
  const names = MODELS.map(({ name }) => name).join(', ');
  return usageError('PW_OPTION_MISSING', 'no model is named', `add --model with one of ${names}`);
}

function dataSource(values: OptionValues, model: ModelEntry, recorded: boolean): DataSource {
  if (values.tensors !== undefined) {
    if (values.data !== undefined) throw conflict('--tensors', '--data');
    return 'tensors';
  }
  if (values.data !== undefined) {
    if (values.dataName !== undefined && values.data === 'mnist')
      throw conflict('--data mnist', '--data-name');
    return values.data;
  }
  // A recorded run of a model of the original had images of its data set.
  const asRecorded = values.dataName !== undefined || (recorded && model.dataSets.length > 0);
  return DIGIT_MODELS.includes(model.name) && !asRecorded ? 'mnist' : 'synthetic';
}

function inputOf(model: ModelEntry, data: DataSource, { dataName }: OptionValues): ImageInput {
  if (data === 'mnist') return MNIST_INPUT;
  // A model of the original comes with its data set; the recorded tiny ones take any, and its number of outputs.
  if (dataName === undefined || model.dataSets.length > 0) return model.input;
  return { ...model.input, classes: DATA_NAMES[dataName] };
}

function strategyOptions(values: OptionValues): StrategyOptions {
  const { localParameterDevice, stagedVars, useNccl, crossReplicaSync, reduction } = values;
  const given = Object.entries({ localParameterDevice, stagedVars, useNccl, crossReplicaSync, reduction });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function optimizerOf(values: OptionValues, defaults: Defaults): OptimizerSpec {
  const kind = values.optimizer ?? defaults.optimizer;
  const learningRate =
    values.learningRate ?? (kind === defaults.optimizer ? defaults : RECORDED).learningRate;
  switch (kind) {
    case 'sgd':
      return { kind, learningRate };
    case 'momentum':
      return { kind, learningRate, momentum: values.momentum ?? defaults.momentum, nesterov: true };
    case 'rmsprop':
      return {
        kind,
        learningRate,
        decay: values.rmspropDecay ?? 0.9,
        momentum: values.rmspropMomentum ?? 0.9,
        epsilon: values.rmspropEpsilon ?? 1,
      };
  }
}

function clipOf({ gradientClip, clipGlobalNorm }: OptionValues): ClipSpec {
  if (gradientClip !== undefined && clipGlobalNorm !== undefined) {
    throw conflict('--gradient-clip', '--clip-global-norm');
  }
  if (gradientClip !== undefined) return { kind: 'value', limit: gradientClip };
  return clipGlobalNorm === undefined ? { kind: 'none' } : { kind: 'globalNorm', limit: clipGlobalNorm };
}

export function conflict(a: string, b: string): PlacewrightError {
  return usageError('PW_OPTION_CONFLICT', `${a} and ${b} contradict each other`, 'keep one of the two');
}

/** The word of `words` that equals `given`, or a PW error with the nearest one. */
export function pickWord(code: string, what: string, given: string, words: readonly string[]): string {
  if (words.includes(given)) return given;
  const near = nearest(given, words);
  const all = `there are ${words.join(', ')}`;
  throw new PlacewrightError(code, `there is no ${what} ${JSON.stringify(given)}`, {
    hint: near === undefined ? all : `did you mean ${near}? ${all}`,
  });
}

/** Warnings of rates that the user has chosen with the number of towers and workers in mind. */
const OF_RATES = ['PW_REDUCTION_SUM', 'PW_WORKERS_ADD'];

/** Throws PW_WARNING_UNKNOWN. */
function silenced({ silence = '', learningRate }: OptionValues): string[] {
  const codes = silence.split(',').map((code) => code.trim());
  const given = codes.filter((code) => code !== '');
  checkSilenced(given);
  return learningRate === undefined ? given : [...given, ...OF_RATES];
}
