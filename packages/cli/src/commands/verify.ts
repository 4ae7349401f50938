import {
  builtinRegistry,
  chosenInvariants,
  excerptAround,
  formatError,
  INVARIANTS,
  jobTasks,
  type LinkedModule,
  link,
  type Module,
  type OpaqueOp,
  opaqueOps,
  PlacewrightError,
  type VerifyOptions,
  type Violation,
  verify,
  verifyLinked,
  visible,
} from '@placewright/ir';
import type { Command } from 'commander';
import { EXIT, usageError } from '../errors.js';
import { type Io, printJson, printLine } from '../io.js';
import { readModule } from '../module-files.js';
import { plural } from '../ui/numbers.js';
import { hanging } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';
import { agrees, crossCheckJson, printCrossCheck, runCrossCheck } from './cross-check.js';

/** Violations that are printed; a broken file can have one for each node. */
const SHOWN = 20;

interface Flags {
  readonly json?: boolean;
  readonly only?: string;
  readonly strict?: boolean;
  readonly crossCheck?: string;
  readonly seed?: string;
}

/** `placewright verify`. */
export function verifyCommand({ io, finish }: CommandContext): Command {
  return createCommand('verify', "check a graph's text or JSON against the invariants", [
    [
      'placewright compile --model lenet --num-gpus 2 --out lenet.pw && placewright verify lenet.pw',
      'a graph that holds',
    ],
    ['placewright verify lenet.pw --json', 'the breaches as JSON'],
    ['placewright verify lenet.pw --only no-race,types-match', 'some invariants, and those that they need'],
    ['placewright verify worker0.pw worker1.pw', 'all workers of a cluster, together'],
    [
      'placewright verify --cross-check 1000',
      'the proofs themselves, against all schedules of small clusters',
    ],
  ])
    .argument(
      '[files...]',
      'text forms (their constants are read from FILE.constants), .json files, or GraphDefs (.pb, .pbtxt; with FILE.json); of several, all tasks of a cluster',
    )
    .option('--only <names>', `check these, comma between them; ${CLAIMED}: those that the file says hold`)
    .option('--strict', 'an op that is not declared is an error')
    .option('--cross-check <count>', 'draw that many small clusters, run every schedule, and compare')
    .option('--seed <number>', 'seed of the first one that is drawn (default: 1)')
    .option('--json', 'print JSON')
    .addHelpText('after', AFTERWORD)
    .action((files: readonly string[], flags: Flags) => {
      const isValid =
        flags.crossCheck === undefined ? verifyFiles(io, files, flags) : compare(io, files, flags);
      finish(isValid ? EXIT.ok : EXIT.user);
    });
}

/** Throws PW_USAGE_ARGUMENT, PW_INVARIANT_UNKNOWN, PW_LINK_*, and what reading a file does. */
function verifyFiles(io: Io, files: readonly string[], flags: Flags): boolean {
  if (files.length === 0) {
    throw usageError(
      'PW_USAGE_ARGUMENT',
      'verify needs a file, or --cross-check',
      'name a text form; placewright verify --help shows more',
    );
  }
  const modules = files.map(readModule);
  const [first] = modules as [Module, ...Module[]];
  const found = modules.length === 1 ? inspect(first, flags) : inspectLinked(link(modules), flags);
  if (flags.json) printJson(io.stdout, inspectionJson(files, found));
  else print(io, files, found);
  return found.valid;
}

/** Throws PW_OPTION_CONFLICT, PW_OPTION_VALUE. */
function compare(io: Io, files: readonly string[], flags: Flags): boolean {
  if (files.length > 0) {
    throw usageError('PW_OPTION_CONFLICT', '--cross-check draws its own clusters', 'name no files with it');
  }
  const count = wholeNumber('--cross-check', flags.crossCheck ?? '', 1);
  const seed = wholeNumber('--seed', flags.seed ?? '1', 0);
  const report = runCrossCheck(io, count, seed, flags.json === true);
  if (flags.json) printJson(io.stdout, crossCheckJson(report, seed));
  else printCrossCheck(io, report);
  return agrees(report);
}

const LARGEST = 1_000_000_000;

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= LARGEST) return value;
  throw usageError(
    'PW_OPTION_VALUE',
    `${option} cannot be ${JSON.stringify(text)}`,
    `give a whole number from ${least} to ${LARGEST}`,
  );
}

/** How many invariants every lowered graph fulfils; some strategies promise more. */
const EVERYWHERE = INVARIANTS.filter(({ from }) => from !== 'promised').length;

/** For `--only`: what always holds, and what the file says. */
const CLAIMED = 'established';

const AFTERWORD = `
A lowered graph is checked against all invariants, whatever it says of itself;
one that has no cluster yet against those that it says hold, and those that
always do.

Files of several tasks are linked, and checked together: whether what they share
races, and whether any schedule of them all hangs. The file of one task is taken
to be answered by the others.

Exit codes: 0 all that was checked holds, 1 something is broken or the file
cannot be read.`;

/** What was checked of a module, and what was found. */
interface Inspection {
  readonly module: Module;
  readonly checked: readonly string[];
  readonly violations: readonly Violation[];
  readonly opaque: readonly OpaqueOp[];
  readonly valid: boolean;
  /** Whether an opaque op makes the module invalid. */
  readonly strict: boolean;
}

/** Throws PW_INVARIANT_UNKNOWN. */
function inspect(module: Module, flags: Flags): Inspection {
  return inspection(module, flags, (options) => verify(module, builtinRegistry, options));
}

/** Throws PW_INVARIANT_UNKNOWN. */
function inspectLinked(linked: LinkedModule, flags: Flags): Inspection {
  return inspection(linked.module, flags, (options) => verifyLinked(linked, builtinRegistry, options));
}

function inspection(
  module: Module,
  { only, strict = false }: Flags,
  check: (options: VerifyOptions) => Violation[],
): Inspection {
  const options = choice(module, only);
  const violations = check(options);
  const opaque = opaqueOps(module, builtinRegistry);
  const checked = chosenInvariants(module, options).map(({ name }) => name);
  const valid = violations.length === 0 && !(strict && opaque.length > 0);
  return { module, checked, violations, opaque, valid, strict };
}

function choice(module: Module, only: string | undefined): VerifyOptions {
  if (only === undefined) return { all: module.cluster !== null };
  if (only === CLAIMED) return {};
  const names = only.split(',').map((name) => name.trim());
  return { only: names.filter((name) => name !== '') };
}

function inspectionJson(
  files: readonly string[],
  { module, checked, violations, opaque, valid }: Inspection,
) {
  const [file] = files;
  const which = files.length === 1 ? { file } : { files };
  return { ...which, nodes: module.graph.nodes.size, valid, checked, violations, opaqueOps: opaque };
}

function print(io: Io, files: readonly string[], found: Inspection): void {
  const { module, violations, checked, valid } = found;
  for (const violation of violations.slice(0, SHOWN)) printLine(io.stderr, violationText(module, violation));
  const rest = violations.length - SHOWN;
  if (rest > 0) printLine(io.stderr, `and ${rest} more`);
  printOpaque(io, found);
  const size = `${visible(files.join(', '))}: ${plural(module.graph.nodes.size, 'node')}`;
  const which =
    checked.length >= EVERYWHERE
      ? 'all invariants hold'
      : plural(checked.length, 'invariant holds', 'invariants hold');
  const list = hanging('  checked: ', checked.join(', '), io.stdout.columns);
  if (violations.length === 0) {
    printLine(valid ? io.stdout : io.stderr, `${size}, ${which}\n${list}${aloneText(module, files)}`);
    return;
  }
  printLine(io.stderr, `${size}, ${plural(violations.length, 'breach', 'breaches')}\n${list}`);
  printClaim(io, found);
}

/** What the file of one of several tasks leaves open. */
function aloneText({ task, cluster }: Module, { length }: readonly string[]): string {
  const count = task === null || cluster === null ? 1 : jobTasks(cluster, task.job).length;
  if (length > 1 || count < 2) return '';
  return `\n  one of ${count} tasks: name the files of all of them to check them together`;
}

/** The ops that no engine can run. */
function printOpaque(io: Io, { opaque, strict }: Inspection): void {
  if (opaque.length === 0) return;
  const lines = opaque.slice(0, SHOWN).map(({ op, nodes, nearest }) => {
    const guess = nearest === null ? '' : `: did you mean ${nearest}?`;
    return `  ${visible(JSON.stringify(op.slice(0, 80)))}, ${plural(nodes, 'node')}${guess}`;
  });
  if (opaque.length > SHOWN) lines.push(`  and ${opaque.length - SHOWN} more`);
  const head = `${strict ? 'error' : 'note'}[PW_OP_OPAQUE]: ${plural(opaque.length, 'op')} not declared; they can be placed and printed, not run`;
  const hint = '  do: correct the names, or declare the ops with extendRegistry';
  printLine(io.stderr, [head, ...lines, hint].join('\n'));
}

/** A graph that is lowered in part says less of itself than what it was checked against. */
function printClaim(io: Io, { module, violations }: Inspection): void {
  const claimed = new Set(chosenInvariants(module).map(({ name }) => name));
  if (violations.some(({ invariant }) => claimed.has(invariant) || invariant === CLAIMED)) return;
  printLine(
    io.stderr,
    `  the file does not say that these hold; \`--only ${CLAIMED}\` checks what it does say`,
  );
}

function violationText(module: Module, violation: Violation): string {
  const { invariant, message, hint, subject, name } = violation;
  const excerpt = subject?.startsWith('n') ? excerptAround(module, subject as `n${number}`, 1) : [];
  const where = { excerpt, ...(name === null ? {} : { node: name }) };
  const text = formatError(new PlacewrightError('PW_INVARIANT', `${invariant}: ${message}`, { where, hint }));
  return `${text}${counterexampleText(violation)}`;
}

/** The last nodes of a counterexample that are named. */
const LAST = 4;

function counterexampleText({ counterexample }: Violation): string {
  if (counterexample === undefined) return '';
  const { order, next } = counterexample;
  const last = order.slice(-LAST).map((node) => visible(node));
  const before = order.length > LAST ? ['…', ...last] : last;
  const then =
    next.length === 0 ? 'nothing can run' : `${next.map((node) => visible(node)).join(' or ')} may run first`;
  return `\n  schedule: ${plural(order.length, 'node')} (${before.join(', ')}), then ${then}; all of it with --json`;
}
