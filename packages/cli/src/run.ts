import { createRequire } from 'node:module';
import { Command, type CommanderError } from 'commander';
import { checkpointCommand } from './commands/checkpoint.js';
import { clusterCommand } from './commands/cluster.js';
import { type CommandContext, formatExamples } from './commands/command.js';
import { compileCommand } from './commands/compile.js';
import { enginesCommand } from './commands/engines.js';
import { factsCommand } from './commands/facts.js';
import { modelsCommand } from './commands/models.js';
import { passesCommand } from './commands/passes.js';
import { strategiesCommand } from './commands/strategies.js';
import { trainCommand } from './commands/train.js';
import { verifyCommand } from './commands/verify.js';
import { EXIT, fromCommander, reportError, unknownCommand } from './errors.js';
import type { Io } from './io.js';
import { normaliseFlags } from './options/command-line.js';

/** Every command. A new one is its file and a line here. */
const COMMANDS: readonly ((context: CommandContext) => Command)[] = [
  trainCommand,
  compileCommand,
  factsCommand,
  verifyCommand,
  checkpointCommand,
  strategiesCommand,
  passesCommand,
  modelsCommand,
  enginesCommand,
  clusterCommand,
];

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** Thrown where help or the version was printed and nothing is left to do. */
class Printed extends Error {}

/**
 * Runs one command line (without the program's own name) and gives its exit code: 0, 1 for the user's input, 2 for the
 * command line's form, 70 for a fault of ours, 130 when Ctrl-C stopped it. Never throws.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let code: number = EXIT.ok;
  const args = normaliseFlags(argv);
  const finish = (ended: number): void => {
    code = ended;
  };
  try {
    const program = createProgram({ io, finish });
    checkHelp(program, args);
    await program.parseAsync(args.length === 0 ? ['--help'] : args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof Printed) return EXIT.ok;
    const json = asksForJson(args);
    const debug = args.includes('--debug') || (io.env.PLACEWRIGHT_DEBUG ?? '0') !== '0';
    return reportError(io, error, { json, debug });
  }
}

/** `help` of a command that there is not, which commander takes for `help` alone. */
function checkHelp(program: Command, [first, named]: readonly string[]): void {
  if (first !== 'help' || named === undefined || named.startsWith('-')) return;
  const names = program.commands.map((command) => command.name());
  if (named !== 'help' && !names.includes(named)) throw unknownCommand(named, names);
}

/** Whether the output is to be JSON. `compile --json FILE` writes a file instead. */
function asksForJson(args: readonly string[]): boolean {
  return args.some((arg, i) => {
    const value = args[i + 1];
    const toFile = args[0] === 'compile' && value !== undefined && !value.startsWith('-');
    return arg === '--json' && !toFile;
  });
}

function createProgram(context: CommandContext): Command {
  const program = new Command('placewright')
    .description(
      'Compiles a model for several devices: every variable, copy, reduction and update gets a device.',
    )
    .helpOption('-h, --help', 'show this help')
    .version(version, '-V, --version', 'show the version')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', formatExamples(PROGRAM_EXAMPLES));
  for (const create of COMMANDS) program.addCommand(create(context));
  const commands = program.commands.map((command) => command.name());
  for (const command of [program, ...program.commands]) prepare(command, program, context.io, commands);
  return program;
}

const PROGRAM_EXAMPLES = [
  [
    'placewright train --model lenet --strategy replicated --num-gpus 2 --reduction mean',
    'train on handwritten digits',
  ],
  ['placewright compile --model lenet --strategy parameter_server --num-gpus 2', 'see what would run where'],
  ['placewright help train', 'all options of a command, with examples'],
] as const;

/** Sends what commander prints to our output and its complaints through our errors. */
function prepare(command: Command, program: Command, io: Io, commands: readonly string[]): void {
  if (command !== program) command.option('--debug', 'show the stack of an error');
  const flags = command.options.map(({ long }) => long ?? '');
  const name = command === program ? 'placewright' : `placewright ${command.name()}`;
  command
    .allowExcessArguments(command === program)
    .showSuggestionAfterError(false)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stdout.write(text),
      outputError: () => {},
      getOutHelpWidth: () => Math.min(110, io.stdout.columns),
    })
    .exitOverride((error: CommanderError) => {
      throw fromCommander(error, { commands, flags, command: name }) ?? new Printed();
    });
}
