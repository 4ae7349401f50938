import { Command } from 'commander';
import type { Io } from '../io.js';

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
  const lines = examples.map(([line, purpose]) => `  # ${purpose}\n  ${line}`);
  return `\nExamples:\n${lines.join('\n\n')}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
