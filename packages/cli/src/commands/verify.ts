import {
  builtinRegistry,
  chosenInvariants,
  excerptAround,
  formatError,
  INVARIANTS,
  type Module,
  type OpaqueOp,
  opaqueOps,
  PlacewrightError,
  type VerifyOptions,
  type Violation,
  verify,
  visible,
} from '@placewright/ir';
import type { Command } from 'commander';
import { EXIT } from '../errors.js';
import { type Io, printJson, printLine } from '../io.js';
import { readModule } from '../module-files.js';
import { plural } from '../ui/numbers.js';
import { hanging } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';

/** Violations that are printed; a broken file can have one for each node. */
const SHOWN = 20;

interface Flags {
  readonly json?: boolean;
  readonly only?: string;
  readonly strict?: boolean;
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
  ])
    .argument('<file>', 'a text form (its constants are read from FILE.constants), or a .json file')
    .option('--only <names>', `check these, comma between them; ${CLAIMED}: those that the file says hold`)
    .option('--strict', 'an op that is not declared is an error')
    .option('--json', 'print JSON')
    .addHelpText('after', AFTERWORD)
    .action((file: string, flags: Flags) => {
      const found = inspect(readModule(file), flags);
      if (flags.json) printJson(io.stdout, inspectionJson(file, found));
      else print(io, file, found);
      finish(found.valid ? EXIT.ok : EXIT.user);
    });
}

/** How many invariants every lowered graph fulfils; some strategies promise more. */
const EVERYWHERE = INVARIANTS.filter(({ from }) => from !== 'promised').length;

/** For `--only`: what always holds, and what the file says. */
const CLAIMED = 'established';

const AFTERWORD = `
A lowered graph is checked against all invariants, whatever it says of itself;
one that has no cluster yet against those that it says hold, and those that
always do.

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
function inspect(module: Module, { only, strict = false }: Flags): Inspection {
  const options = choice(module, only);
  const violations = verify(module, builtinRegistry, options);
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

function inspectionJson(file: string, { module, checked, violations, opaque, valid }: Inspection) {
  return { file, nodes: module.graph.nodes.size, valid, checked, violations, opaqueOps: opaque };
}

function print(io: Io, file: string, found: Inspection): void {
  const { module, violations, checked, valid } = found;
  for (const violation of violations.slice(0, SHOWN)) printLine(io.stderr, violationText(module, violation));
  const rest = violations.length - SHOWN;
  if (rest > 0) printLine(io.stderr, `and ${rest} more`);
  printOpaque(io, found);
  const size = `${visible(file)}: ${plural(module.graph.nodes.size, 'node')}`;
  const which =
    checked.length >= EVERYWHERE
      ? 'all invariants hold'
      : plural(checked.length, 'invariant holds', 'invariants hold');
  const list = hanging('  checked: ', checked.join(', '), io.stdout.columns);
  if (violations.length === 0) {
    printLine(valid ? io.stdout : io.stderr, `${size}, ${which}\n${list}`);
    return;
  }
  printLine(io.stderr, `${size}, ${plural(violations.length, 'breach', 'breaches')}\n${list}`);
  printClaim(io, found);
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

function violationText(module: Module, { invariant, message, hint, subject, name }: Violation): string {
  const excerpt = subject?.startsWith('n') ? excerptAround(module, subject as `n${number}`, 1) : [];
  const where = { excerpt, ...(name === null ? {} : { node: name }) };
  return formatError(new PlacewrightError('PW_INVARIANT', `${invariant}: ${message}`, { where, hint }));
}
