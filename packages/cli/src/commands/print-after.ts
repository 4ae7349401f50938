import { LOCAL_TASK, localCluster, PlacewrightError } from '@placewright/ir';
import {
  completeOptions,
  findStrategy,
  hostDevice,
  pipelineFor,
  STRATEGIES,
  type Strategy,
  type StrategyOptions,
} from '@placewright/passes';
import { type ModelSettings, pickWord } from '../options/settings.js';
import { flagName } from '../options/table.js';
import { PASS_NAMES } from './passes.js';

/** What of the settings decides which passes run. */
export type PipelineSettings = Pick<ModelSettings, 'strategy' | 'strategyOptions' | 'training'>;

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

/** Names of the passes that run, in order. Which devices there are decides nothing. */
export function passesOf({ strategy: name, strategyOptions, training }: PipelineSettings): string[] {
  const strategy = findStrategy(name);
  const site = { cluster: localCluster({ numGpus: 1 }), task: LOCAL_TASK };
  const context = { host: hostDevice(site), clipping: training.clip, distributed: false };
  const choices = strategy.choices(completeOptions(strategy, strategyOptions), context);
  return pipelineFor(choices, training, [], { collectives: 'nccl' }).map(({ pass }) => pass.name);
}

/** A change of the settings, and the flags that make it. */
interface Change {
  readonly flags: string;
  readonly apply: (settings: PipelineSettings) => PipelineSettings;
}

const CHANGES: readonly Change[] = [
  { flags: '', apply: (settings) => settings },
  ...(['stagedVars', 'useNccl'] as const).flatMap((option) =>
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

/** Flags that make the pass run: with the strategy that is named, or else with each one that can. */
export function waysTo(pass: string, settings: PipelineSettings): string[] {
  const same = wayWith(findStrategy(settings.strategy), pass, settings);
  if (same !== undefined) return [same];
  return STRATEGIES.flatMap((strategy) => {
    const flags = wayWith(strategy, pass, settings);
    return flags === undefined ? [] : [`${flagName('strategy')} ${strategy.name} ${flags}`.trim()];
  });
}

function wayWith(strategy: Strategy, pass: string, settings: PipelineSettings): string | undefined {
  return CHANGES.find(({ apply }) => {
    const changed = apply({ ...settings, strategy: strategy.name });
    const taken = Object.entries(changed.strategyOptions).filter(
      ([name]) => strategy.options[name as keyof StrategyOptions] !== null,
    );
    return passesOf({ ...changed, strategyOptions: Object.fromEntries(taken) }).includes(pass);
  })?.flags;
}
