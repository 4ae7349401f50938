import { formatError, nearest, PlacewrightError, visible } from '@placewright/ir';
import { CommanderError } from 'commander';
import { type Io, printJson, printLine } from './io.js';

/** What the command ends with. */
export const EXIT = { ok: 0, user: 1, usage: 2, internal: 70, interrupted: 130 } as const;

const REPORT_HINT = 'this is our fault: please report it, with the command line and this code';

/** Any thrown thing as one of our errors; what has no code of ours is our fault. */
export function asPlacewrightError(error: unknown): PlacewrightError {
  if (error instanceof PlacewrightError) return error;
  if (
    error instanceof RangeError &&
    /allocation|Invalid (typed )?array (buffer )?length/.test(error.message)
  ) {
    return new PlacewrightError('PW_OUT_OF_MEMORY', 'there is not enough memory', {
      hint: 'take fewer towers or a smaller batch',
      cause: error,
    });
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new PlacewrightError('PW_INTERNAL', message, { kind: 'internal', cause: error });
}

export function exitCode(error: PlacewrightError): number {
  switch (error.kind) {
    case 'user':
      return EXIT.user;
    case 'usage':
      return EXIT.usage;
    case 'internal':
      return EXIT.internal;
  }
}

/** Prints an error to stderr, as text or as a JSON object, with a stack only when asked for. Gives the exit code. */
export function reportError(io: Io, thrown: unknown, options: { json: boolean; debug: boolean }): number {
  const error = asPlacewrightError(thrown);
  const hint = error.kind === 'internal' ? [error.hint, REPORT_HINT].filter(Boolean).join('; ') : error.hint;
  const shown = new PlacewrightError(error.code, error.message, {
    kind: error.kind,
    where: error.where,
    hint,
  });
  if (options.json) {
    const { code, kind, message, where } = shown;
    printJson(io.stderr, { error: { code, kind, message, where, hint } });
  } else printLine(io.stderr, formatError(shown));
  if (options.debug) for (const line of stackOf(error).split('\n')) printLine(io.stderr, visible(line));
  return exitCode(error);
}

function stackOf(error: Error): string {
  const own = error.stack ?? String(error);
  return error.cause instanceof Error ? `${own}\nbecause of ${stackOf(error.cause)}` : own;
}

/** The command line itself is wrong. */
export function usageError(code: string, message: string, hint: string): PlacewrightError {
  return new PlacewrightError(code, message, { kind: 'usage', hint });
}

/** What the command line's names are chosen from, for "did you mean". */
export interface KnownWords {
  readonly commands: readonly string[];
  readonly flags: readonly string[];
  /** `placewright train`, for the hint to `--help`. */
  readonly command: string;
}

/** Commander's complaint in our words; undefined when it is none (help and version were printed). */
export function fromCommander(error: CommanderError, known: KnownWords): PlacewrightError | undefined {
  const named = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const help = `\`${known.command} --help\` shows what there is`;
  switch (error.code) {
    case 'commander.help':
    case 'commander.helpDisplayed':
    case 'commander.version':
      return undefined;
    case 'commander.unknownOption': {
      const flag = named.split('=')[0] ?? named;
      return usageError('PW_USAGE_FLAG', `there is no flag ${flag}`, guess(flag, known.flags, help));
    }
    case 'commander.unknownCommand':
      return unknownCommand(named, known.commands);
    case 'commander.optionMissingArgument':
      return usageError('PW_USAGE_VALUE_MISSING', `the flag ${flagOf(named)} needs a value`, help);
    case 'commander.missingArgument':
      return usageError('PW_USAGE_ARGUMENT', `the argument ${named} is missing`, help);
    case 'commander.excessArguments':
      return usageError('PW_USAGE_ARGUMENT', 'there are arguments that the command does not take', help);
    default:
      return usageError('PW_USAGE', error.message.replace(/^error: /, ''), help);
  }
}

/** Nobody knows the command. */
export function unknownCommand(named: string, commands: readonly string[]): PlacewrightError {
  const hint = guess(named, commands, '`placewright --help` shows what there is');
  return usageError('PW_USAGE_COMMAND', `there is no command ${JSON.stringify(named)}`, hint);
}

function guess(word: string, words: readonly string[], help: string): string {
  const near = nearest(word, words);
  return near === undefined ? help : `did you mean ${near}? ${help}`;
}

/** `--model <name>` as commander shows it, without the value. */
function flagOf(text: string): string {
  return text.split(' ').find((part) => part.startsWith('--')) ?? text;
}

export { CommanderError };
