import { Command } from 'commander';
import type { Io } from '../io.js';
import { hanging, wrap } from '../ui/table.js';

/** What a command is given beside its own arguments. */
export interface CommandContext {
  readonly io: Io;
  /** Ends the run with this code once the command is done. */
  readonly finish: (code: number) => void;
}

/** A command with what all of them have: `--json`, and examples after its help. */
export function createCommand(name: string, summary: string, examples: readonly Example[]): Command {
  return new Command(name)
    .summary(summary)
    .description(sentence(summary))
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', formatExamples(examples));
}

/** A command line and what it is good for. */
export type Example = readonly [line: string, purpose: string];

export function formatExamples(examples: readonly Example[]): string {
  if (examples.length === 0) return '';
  const lines = examples.map(
    ([line, purpose]) =>
      `${hanging('  # ', purpose, WIDTH).replaceAll('\n    ', '\n  # ')}\n  ${commandLine(line)}`,
  );
  return `\nExamples:\n${lines.join('\n\n')}`;
}

/** Lines of examples fit any terminal: broken with a backslash, they can still be copied into a shell. */
const WIDTH = 78;

/** Breaks before a flag or `&&` only, so that a flag keeps its value. */
function commandLine(line: string): string {
  const joined = line.replace(/ (?!--|&&)/g, '\u00a0');
  return wrap(joined, WIDTH - 2, '    ')
    .replaceAll('\n', ' \\\n')
    .replaceAll('\u00a0', ' ');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
