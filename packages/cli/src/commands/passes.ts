import { type OptionDecl, PASSES, type Pass } from '@placewright/passes';
import type { Command } from 'commander';
import { printJson, printLine } from '../io.js';
import { pickWord } from '../options/settings.js';
import { formatTable } from '../ui/table.js';
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
      else if (wanted === undefined) printLine(io.stdout, list());
      else for (const pass of shown) printLine(io.stdout, detail(pass));
    });
}

function list(): string {
  return formatTable(
    [
      { title: 'pass', text: ({ name }: Pass) => name },
      { title: 'options', text: ({ options }) => Object.keys(options).join(', ') || '–' },
      { title: 'what it does', text: ({ summary }) => summary },
    ],
    PASSES,
  );
}

function describe({ name, summary, options, requires, establishes, preserves }: Pass) {
  return { name, summary, options, requires, establishes, preserves };
}

function detail(pass: Pass): string {
  const names = (list: readonly string[]): string => list.join(', ') || 'none';
  return [
    `${pass.name}: ${pass.summary}`,
    '',
    `requires     ${names(pass.requires)}`,
    `establishes  ${names(pass.establishes)}`,
    `preserves    ${pass.preserves === 'all' ? 'all invariants' : names(pass.preserves)}`,
    ...Object.entries(pass.options).flatMap(([name, decl]) => ['', ...optionLines(name, decl)]),
  ].join('\n');
}

function optionLines(name: string, { summary, default: value, oneOf }: OptionDecl): string[] {
  const type = oneOf === undefined ? typeof value : oneOf.join(' | ');
  return [`option ${name}: ${summary}`, `  ${type}, ${JSON.stringify(value)} by default`];
}
