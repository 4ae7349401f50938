import { type Cluster, DEFAULT_TRAINING, distributedCluster, localCluster } from '@placewright/ir';
import { MODELS } from '@placewright/models';
import {
  CHOICE_VALUES,
  type Combination,
  combinationOf,
  compile,
  findStrategy,
  legalityOf,
  STRATEGIES,
  type Strategy,
} from '@placewright/passes';
import type { Command } from 'commander';
import { type Output, printJson, printLine } from '../io.js';
import { flagName } from '../options/table.js';
import { formatTable, hanging, wrap } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';
import { legalJson, legalText } from './legal.js';

/** `placewright strategies [name]`. */
export function strategiesCommand({ io }: CommandContext): Command {
  return createCommand('strategies', 'list the strategies, or show the choices and passes of one', [
    ['placewright strategies', 'what there is'],
    [
      'placewright strategies replicated',
      'its options, its table of choices, its contract, and the passes that follow from it',
    ],
    ['placewright strategies --legal', 'which choices go together, and what to choose in place of others'],
  ])
    .argument('[name]', 'a strategy')
    .option('--legal', 'show every combination of choices: legal, or refused and why')
    .option('--json', 'print JSON')
    .action((name: string | undefined, { json, legal }: { json?: boolean; legal?: boolean }) => {
      if (legal) {
        if (json) printJson(io.stdout, legalJson());
        else printLine(io.stdout, legalText(io.stdout.columns));
        return;
      }
      const shown = name === undefined ? STRATEGIES : [findStrategy(name)];
      if (json) printJson(io.stdout, { strategies: shown.map(describe) });
      else if (name === undefined) printLine(io.stdout, list(io.stdout));
      else for (const strategy of shown) printLine(io.stdout, detail(strategy, io.stdout));
    });
}

function list({ columns }: Output): string {
  return formatTable(
    [
      { title: 'strategy', text: ({ name }: Strategy) => name },
      {
        title: 'options',
        text: (strategy) =>
          takenOptions(strategy)
            .map(([name]) => flagName(name))
            .join(' ') || '–',
      },
      { title: 'what it does', text: ({ summary }) => summary },
    ],
    STRATEGIES,
    columns,
  );
}

/** Options that the strategy takes, with their defaults. */
function takenOptions({ options }: Strategy): [string, string | boolean][] {
  return Object.entries(options).flatMap(([name, value]): [string, string | boolean][] =>
    value === null ? [] : [[name, value]],
  );
}

function describe(strategy: Strategy) {
  const places = placesOf(strategy);
  return {
    name: strategy.name,
    summary: strategy.summary,
    options: Object.fromEntries(takenOptions(strategy)),
    ...places[0]?.lowered,
    places: Object.fromEntries(places.map(({ place, lowered }) => [place, lowered])),
  };
}

const CLUSTERS: { readonly [P in Combination['place']]: Cluster } = {
  local: localCluster({ numGpus: 2 }),
  cluster: distributedCluster({ numGpus: 2, psHosts: ['ps0:1', 'ps1:1'], workerHosts: ['w0:1', 'w1:1'] }),
};

/** What the strategy makes of a small model on two towers, at its defaults, in each place where it is legal. */
function placesOf(strategy: Strategy) {
  return CHOICE_VALUES.place
    .filter((place) => isLegal(strategy, place))
    .map((place) => ({
      place,
      lowered: sample(strategy, CLUSTERS[place]),
    }));
}

function isLegal({ name }: Strategy, place: Combination['place']): boolean {
  const strategy = CHOICE_VALUES.strategy.find((known) => known === name);
  if (strategy === undefined) return place === 'local';
  const asked = { options: {}, cluster: CLUSTERS[place], training: DEFAULT_TRAINING };
  return legalityOf(combinationOf(strategy, asked)).legal;
}

function sample(strategy: Strategy, cluster: Cluster) {
  const model = MODELS.find(({ name }) => name === 'trivial') ?? MODELS[0];
  if (model === undefined) throw new Error('there is no model');
  const definition = model.factory({ imageSize: 4, channels: 1, classes: 2 });
  const { choices, contract, records } = compile(definition, { strategy, cluster });
  return { choices, contract, passes: records.map(({ pass }) => pass) };
}

function detail(strategy: Strategy, { columns }: Output): string {
  const rows = (values: object): string =>
    Object.entries(values)
      .map(([name, value]) => hanging(`  ${name.padEnd(18)}  `, valueText(value), columns))
      .join('\n');
  const options = takenOptions(strategy).map(([name, value]) => `  ${flagName(name).padEnd(24)}  ${value}`);
  return [
    wrap(`${strategy.name}: ${strategy.summary}`, columns),
    ...(options.length === 0 ? [] : ['', 'options and their defaults', ...options]),
    ...placesOf(strategy).flatMap(({ place, lowered: { choices, contract, passes } }) => [
      '',
      `choices at the defaults, for two towers ${place === 'local' ? 'of one machine' : 'of a worker in a cluster'}`,
      rows(choices),
      '',
      'what its lowered graph keeps to',
      rows(contract),
      '',
      'passes that follow from the choices',
      ...passes.map((pass) => `  ${pass}`),
    ]),
  ].join('\n');
}

/** A choice or a promise, so that a list of devices can be broken between them. */
function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
