import { type OptionDecl, PASSES, type Pass } from '@placewright/passes';
import type { Command } from 'commander';
import { type Output, printJson, printLine } from '../io.js';
import { pickWord } from '../options/settings.js';
import { formatTable, hanging, wrap } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';

export const PASS_NAMES: readonly string[] = PASSES.map(({ name }) => name);

/** `placewright passes [name]`. */
export function passesCommand({ io }: CommandContext): Command {
  return createCommand('passes', 'list the passes in the order they run in, or show one', [
    ['placewright passes', 'every pass with what it is for'],
    ['placewright passes place-variables', 'its options, and the invariants it needs, establishes and keeps'],
    ['placewright compile --model lenet --print-after autodiff', 'the graph as a pass leaves it'],
  ])
    .argument('[name]', 'a pass')
    .option('--json', 'print JSON')
    .action((name: string | undefined, { json }: { json?: boolean }) => {
      const wanted = name === undefined ? undefined : pickWord('PW_PASS_UNKNOWN', 'pass', name, PASS_NAMES);
      const shown = PASSES.filter((pass) => wanted === undefined || pass.name === wanted);
      if (json) printJson(io.stdout, { passes: shown.map(describe) });
      else if (wanted === undefined) printLine(io.stdout, list(io.stdout));
      else for (const pass of shown) printLine(io.stdout, detail(pass, io.stdout));
    });
}

function list({ columns }: Output): string {
  return formatTable(
    [
      { title: 'pass', text: ({ name }: Pass) => name },
      { title: 'options', text: ({ options }) => Object.keys(options).join(', ') || '–' },
      { title: 'what it does', text: ({ summary }) => summary },
    ],
    PASSES,
    columns,
  );
}

function describe({ name, summary, options, requires, establishes, preserves }: Pass) {
  return { name, summary, options, requires, establishes, preserves };
}

function detail(pass: Pass, { columns }: Output): string {
  const names = (list: readonly string[]): string => list.join(', ') || 'none';
  return [
    wrap(`${pass.name}: ${pass.summary}`, columns),
    '',
    hanging('requires     ', names(pass.requires), columns),
    hanging('establishes  ', names(pass.establishes), columns),
    hanging('preserves    ', pass.preserves === 'all' ? 'all invariants' : names(pass.preserves), columns),
    ...Object.entries(pass.options).flatMap(([name, decl]) => ['', ...optionLines(name, decl, columns)]),
  ].join('\n');
}

function optionLines(
  name: string,
  { summary, default: value, oneOf }: OptionDecl,
  columns: number,
): string[] {
  const type = oneOf === undefined ? typeof value : oneOf.join(' | ');
  return [
    wrap(`option ${name}: ${summary}`, columns, '  '),
    hanging('  ', `${type}, ${JSON.stringify(value)} by default`, columns),
  ];
}
