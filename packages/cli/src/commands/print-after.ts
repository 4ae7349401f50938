import { type Cluster, distributedCluster, isLocal, localCluster, PlacewrightError } from '@placewright/ir';
import {
  CHOICE_VALUES,
  combinationOf,
  completeOptions,
  findStrategy,
  legalityOf,
  pipelineFor,
  STRATEGIES,
} from '@placewright/passes';
import { type ModelSettings, pickWord } from '../options/settings.js';
import { flagName } from '../options/table.js';
import { PASS_NAMES } from './passes.js';

/** What of the settings decides which passes run. */
export type PipelineSettings = Pick<ModelSettings, 'strategy' | 'strategyOptions' | 'training' | 'cluster'>;

/**
 * The pass of `--print-after`, or `all`. Throws PW_PASS_UNKNOWN for none, and for one that the settings do not run, with
 * those that they do and with what makes it run.
 */
export function pickPass(given: string, settings: PipelineSettings): string {
  const pass = pickWord('PW_PASS_UNKNOWN', 'pass', given, ['all', ...PASS_NAMES]);
  const runs = passesOf(settings);
  if (pass === 'all' || runs.includes(pass)) return pass;
  throw new PlacewrightError('PW_PASS_UNKNOWN', `the pass ${pass} does not run with these options`, {
    hint: `it runs with ${waysTo(pass, settings).join(', or with ')}; with these, ${settings.strategy} runs ${runs.join(', ')}`,
  });
}

/** Names of the passes that run, in order. Of the devices, only whether they are of a cluster decides. */
export function passesOf({ strategy: name, strategyOptions, training, cluster }: PipelineSettings): string[] {
  const strategy = findStrategy(name);
  const context = { host: '', clipping: training.clip, distributed: !isLocal(cluster) };
  const choices = strategy.choices(completeOptions(strategy, strategyOptions), context);
  return pipelineFor(choices, training, [], { collectives: 'nccl' }).map(({ pass }) => pass.name);
}

/** A change of the settings, and the flags that make it. */
interface Change {
  readonly flags: string;
  readonly apply: (settings: PipelineSettings) => PipelineSettings;
}

const AS_IT_IS: Change = { flags: '', apply: (settings) => settings };

const OPTIONS: readonly Change[] = [
  AS_IT_IS,
  ...(['stagedVars', 'useNccl', 'crossReplicaSync'] as const).flatMap((option) =>
    [true, false].map(
      (value): Change => ({
        flags: `${flagName(option)} ${value}`,
        apply: (settings) => ({
          ...settings,
          strategyOptions: { ...settings.strategyOptions, [option]: value },
        }),
      }),
    ),
  ),
  {
    flags: `${flagName('gradientClip')} 1`,
    apply: (settings) => ({
      ...settings,
      training: { ...settings.training, clip: { kind: 'value', limit: 1 } },
    }),
  },
];

const PLACES: readonly Change[] = [
  AS_IT_IS,
  {
    flags: `${flagName('numPs')} 1 ${flagName('numWorkers')} 2`,
    apply: (settings) => ({ ...settings, cluster: CLUSTER }),
  },
  { flags: '', apply: (settings) => ({ ...settings, cluster: localCluster({ numGpus: 1 }) }) },
];
const CLUSTER: Cluster = distributedCluster({ numGpus: 1, psHosts: ['a:1'], workerHosts: ['b:1', 'c:1'] });

/**
 * Flags that make the pass run: with the strategy that is named and where it is, or else with other strategies, and
 * elsewhere.
 */
export function waysTo(pass: string, settings: PipelineSettings): string[] {
  const names = STRATEGIES.map(({ name }) => name);
  for (const place of PLACES) {
    const there = place.apply(settings);
    const same = wayWith(settings.strategy, pass, there);
    if (same !== undefined) return [`${place.flags} ${same}`.trim()];
    const others = names.flatMap((name) => {
      const flags = wayWith(name, pass, there);
      return flags === undefined ? [] : [`${flagName('strategy')} ${name} ${place.flags} ${flags}`];
    });
    if (others.length > 0) return others.map((way) => way.replace(/ +/g, ' ').trim());
  }
  return [];
}

function wayWith(strategy: string, pass: string, settings: PipelineSettings): string | undefined {
  return OPTIONS.find(({ apply }) => {
    const changed = apply({ ...settings, strategy });
    return isLegal(changed) && passesOf(changed).includes(pass);
  })?.flags;
}

function isLegal({ strategy, strategyOptions: options, cluster, training }: PipelineSettings): boolean {
  const name = CHOICE_VALUES.strategy.find((known) => known === strategy);
  return name === undefined || legalityOf(combinationOf(name, { options, cluster, training })).legal;
}
