import { localCluster } from '@placewright/ir';
import { MODELS } from '@placewright/models';
import { compile, findStrategy, STRATEGIES, type Strategy } from '@placewright/passes';
import type { Command } from 'commander';
import { type Output, printJson, printLine } from '../io.js';
import { flagName } from '../options/table.js';
import { formatTable, hanging, wrap } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';

/** `placewright strategies [name]`. */
export function strategiesCommand({ io }: CommandContext): Command {
  return createCommand('strategies', 'list the strategies, or show the choices and passes of one', [
    ['placewright strategies', 'what there is'],
    [
      'placewright strategies replicated',
      'its options, its table of choices and the passes that follow from it',
    ],
  ])
    .argument('[name]', 'a strategy')
    .option('--json', 'print JSON')
    .action((name: string | undefined, { json }: { json?: boolean }) => {
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
  const { choices, contract, passes } = sample(strategy);
  return {
    name: strategy.name,
    summary: strategy.summary,
    options: Object.fromEntries(takenOptions(strategy)),
    choices,
    contract,
    passes,
  };
}

/** What the strategy makes of a small model on two towers, at its defaults. */
function sample(strategy: Strategy) {
  const model = MODELS.find(({ name }) => name === 'trivial') ?? MODELS[0];
  if (model === undefined) throw new Error('there is no model');
  const definition = model.factory({ imageSize: 4, channels: 1, classes: 2 });
  const cluster = localCluster({ numGpus: 2 });
  const { choices, contract, records } = compile(definition, { strategy, cluster });
  return { choices, contract, passes: records.map(({ pass }) => pass) };
}

function detail(strategy: Strategy, { columns }: Output): string {
  const { choices, contract, passes } = describe(strategy);
  const rows = (values: object): string =>
    Object.entries(values)
      .map(([name, value]) => hanging(`  ${name.padEnd(18)}  `, valueText(value), columns))
      .join('\n');
  const options = takenOptions(strategy).map(([name, value]) => `  ${flagName(name).padEnd(24)}  ${value}`);
  return [
    wrap(`${strategy.name}: ${strategy.summary}`, columns),
    ...(options.length === 0 ? [] : ['', 'options and their defaults', ...options]),
    '',
    'choices at the defaults, for two towers',
    rows(choices),
    '',
    'what its lowered graph keeps to',
    rows(contract),
    '',
    'passes that follow from the choices',
    ...passes.map((pass) => `  ${pass}`),
  ].join('\n');
}

/** A choice or a promise, so that a list of devices can be broken between them. */
function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
