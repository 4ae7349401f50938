import { PlacewrightError } from '@placewright/ir';
import type { Command } from 'commander';
import { EXIT, reportError, usageError } from '../errors.js';
import type { Answer, Failure, Question } from '../facts/answer.js';
import { answerAll } from '../facts/pool.js';
import { type Io, printJson } from '../io.js';
import { addOptions, parseFlags } from '../options/command-line.js';
import { CLUSTER_OPTIONS, flagName, MODEL_OPTIONS } from '../options/table.js';
import { type CommandContext, createCommand } from './command.js';

interface Files {
  readonly options?: readonly string[];
  readonly from?: readonly string[];
  readonly json?: boolean;
}

/** `placewright facts`. */
export function factsCommand({ io, finish }: CommandContext): Command {
  const command = createCommand(
    'facts',
    'print what was placed where, as recorded runs of the original have it',
    [
      [
        'placewright facts --model lenet --variable-update parameter_server --num-gpus 2 --local-parameter-device cpu',
        'variables, staging, updates, copies and barriers of a lowered graph, as JSON',
      ],
      [
        'placewright facts --model lenet --variable-update distributed_replicated --ps-hosts a:1,b:2 --worker-hosts c:1,d:2 --job-name worker --task-index 0',
        'of one worker of a cluster',
      ],
      ['placewright facts --options one.json two.json', 'a line for each options file'],
      [
        'placewright compile --options one.json --out one.pw && placewright facts --from one.pw',
        'read off the text that was written',
      ],
    ],
  );
  addOptions(command, { ...MODEL_OPTIONS, ...CLUSTER_OPTIONS });
  return command
    .option('--options <files...>', "options from JSON files, by tf_cnn_benchmarks' names; flags go first")
    .option('--from <files...>', 'lowered graphs: text that `compile` wrote, or JSON, instead of options')
    .option('--json', 'print errors as JSON, too; facts always are')
    .addHelpText('after', AFTERWORD)
    .action(async (flags: Record<string, unknown> & Files) => {
      finish(await tell(io, questionsOf(flags), flags.json === true));
    });
}

const AFTERWORD = `
What is not said holds as in tf_cnn_benchmarks: sgd with a learning rate of
0.05, and the images of ImageNet where a model takes them.

For a file that has no facts, {"case", "error": {"code", "message"}} stands in
its place, and the others follow.

Exit codes: 0 all have facts, 1 some input is at fault, 2 the command line is.`;

/** Throws PW_OPTION_*, PW_CLUSTER_HOSTS. */
function questionsOf({ options, from, json: _, ...rest }: Record<string, unknown> & Files): Question[] {
  const flags = parseFlags(rest);
  if (from !== undefined) {
    const [other] = options === undefined ? Object.keys(flags) : ['options'];
    if (other !== undefined) throw notWithFrom(flagName(other));
    return from.map((file) => ({ kind: 'module', file }));
  }
  return options === undefined
    ? [{ kind: 'flags', flags }]
    : options.map((file) => ({ kind: 'options', file, flags }));
}

function notWithFrom(flag: string): PlacewrightError {
  return usageError(
    'PW_OPTION_CONFLICT',
    `--from and ${flag} contradict each other`,
    'a lowered graph has been compiled already: leave the options out',
  );
}

/** Prints a line for each question; gives the exit code. */
async function tell(io: Io, questions: readonly Question[], json: boolean): Promise<number> {
  const files = questions[0]?.kind !== 'flags';
  let code: number = EXIT.ok;
  await answerAll(questions, ({ line, failure }: Answer) => {
    if (failure !== null) {
      const own = reportError(io, errorOf(failure), { json, debug: false });
      code = files ? EXIT.user : own;
    }
    if (failure === null || files) printJson(io.stdout, line);
  });
  return code;
}

function errorOf({ code, message, kind, where, hint }: Failure): PlacewrightError {
  return new PlacewrightError(code, message, { kind, where, hint });
}
