import { existsSync } from 'node:fs';
import {
  builtinRegistry,
  type ConstantTable,
  decodeConstants,
  excerptAround,
  type Module,
  moduleFromJson,
  PlacewrightError,
  parseModule,
  type Violation,
  verify,
} from '@placewright/ir';
import type { Command } from 'commander';
import { EXIT } from '../errors.js';
import { readBytes, readText } from '../files.js';
import { type Io, printJson, printLine } from '../io.js';
import { constantsPath } from '../module-files.js';
import { type CommandContext, createCommand } from './command.js';

/** Violations that are printed; a broken file can have one for each node. */
const SHOWN = 20;

/** `placewright verify`. */
export function verifyCommand({ io, finish }: CommandContext): Command {
  return createCommand('verify', "check a graph's text or JSON against the invariants", [
    [
      'placewright compile --model lenet --num-gpus 2 --out lenet.pw && placewright verify lenet.pw',
      'a graph that holds',
    ],
    ['placewright verify lenet.pw --json', 'the breaches as JSON'],
  ])
    .argument('<file>', 'a text form (its constants are read from FILE.constants), or a .json file')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit codes: 0 all invariants hold, 1 one is broken or the file cannot be read.')
    .action((file: string, { json }: { json?: boolean }) => {
      const module = readModule(file);
      const violations = verify(module, builtinRegistry);
      if (json)
        printJson(io.stdout, {
          file,
          nodes: module.graph.nodes.size,
          valid: violations.length === 0,
          violations,
        });
      else print(io, file, module, violations);
      finish(violations.length === 0 ? EXIT.ok : EXIT.user);
    });
}

/** A module of a text or JSON file. Throws PW_FILE_READ, PW_PARSE_*, PW_JSON, PW_CONSTANTS. */
export function readModule(file: string): Module {
  const text = readText(file);
  if (file.endsWith('.json'))
    return moduleFromJson(parseJson(text, file), { file, registry: builtinRegistry });
  return parseModule(text, {
    file,
    registry: builtinRegistry,
    constants: readConstants(constantsPath(file)),
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PlacewrightError('PW_JSON', `the module is not JSON: ${why}`, {
      where: { file },
      hint: 'write it again with `placewright compile --json FILE`',
      cause,
    });
  }
}

function readConstants(path: string): ConstantTable {
  return existsSync(path) ? decodeConstants(readBytes(path), path) : new Map();
}

function print(io: Io, file: string, module: Module, violations: readonly Violation[]): void {
  const size = `${module.graph.nodes.size} nodes`;
  if (violations.length === 0) {
    printLine(
      io.stdout,
      `${file}: ${size}, all invariants hold (${module.established.join(', ') || 'none established'})`,
    );
    return;
  }
  for (const violation of violations.slice(0, SHOWN)) printLine(io.stderr, violationText(module, violation));
  const rest = violations.length - SHOWN;
  if (rest > 0) printLine(io.stderr, `and ${rest} more`);
  printLine(
    io.stderr,
    `${file}: ${size}, ${violations.length} ${violations.length === 1 ? 'breach' : 'breaches'}`,
  );
}

function violationText(module: Module, { invariant, message, hint, subject, name }: Violation): string {
  const excerpt = subject?.startsWith('n') ? excerptAround(module, subject as `n${number}`, 1) : [];
  return [
    `error[PW_INVARIANT]: ${invariant}: ${message}`,
    ...(name === null ? [] : [`  at: ${name}`]),
    ...excerpt.map((line) => `  | ${line}`),
    `  do: ${hint}`,
  ].join('\n');
}
