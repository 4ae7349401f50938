import { type Command, Option } from 'commander';
import { readCase } from './case-file.js';
import { conflict } from './settings.js';
import {
  EMPTY_OPTIONS,
  findOption,
  flagName,
  kebabCase,
  type OptionDecl,
  type OptionKind,
  type OptionName,
  type OptionValue,
  type OptionValues,
} from './table.js';
import { parseOption } from './values.js';

/** Adds options of the table to a command, further names hidden. */
export function addOptions(command: Command, decls: Readonly<Record<string, OptionDecl>>): Command {
  for (const [name, decl] of Object.entries(decls)) {
    const standard = decl.byDefault === undefined ? '' : ` (default: ${decl.byDefault})`;
    command.addOption(new Option(`${flagName(name)} ${placeholder(decl)}`, decl.summary + standard));
    for (const also of decl.also ?? []) {
      command.addOption(
        new Option(`${flagName(also)} ${placeholder(decl)}`, `the same as ${flagName(name)}`).hideHelp(),
      );
    }
  }
  return command;
}

function placeholder(decl: OptionKind): string {
  switch (decl.kind) {
    case 'word':
    case 'file':
      return `<${decl.value}>`;
    case 'choice':
      return `<${decl.of.join('|')}>`;
    case 'flag':
      return '[true|false]';
    case 'hosts':
      return '<host:port,…>';
    case 'count':
      return '<n>';
    case 'number':
      return '<x>';
  }
}

/**
 * Options that were given as flags, over those of `--options FILE`. Throws PW_OPTION_*, PW_OPTIONS_*, PW_FILE_READ,
 * PW_CLUSTER_HOSTS.
 */
export function readOptions(flags: Readonly<Record<string, unknown>>): OptionValues {
  const given = parseFlags(flags);
  return withFlags(typeof flags.options === 'string' ? readCase(flags.options) : {}, given);
}

/** Options of a file with flags over them. */
export function withFlags(file: OptionValues, given: OptionValues): OptionValues {
  return { ...withoutRivals(file, given), ...given };
}

/** Options that were given as flags. Throws PW_OPTION_*, PW_CLUSTER_HOSTS. */
export function parseFlags(flags: Readonly<Record<string, unknown>>): OptionValues {
  const values = new Map<OptionName, OptionValue>();
  for (const [key, raw] of Object.entries(flags)) {
    const found = findOption(key);
    if (found === undefined || raw === undefined) continue;
    if (raw === '' && EMPTY_OPTIONS.includes(found.name)) continue;
    const value = parseOption(flagName(key), found.decl, raw);
    const known = values.get(found.name);
    if (known !== undefined && known !== value) throw conflict(flagName(found.name), flagName(key));
    values.set(found.name, value);
  }
  return Object.fromEntries(values);
}

/** Options of which one only can hold: a flag puts out the others that a file gives. */
const RIVALS: readonly (readonly OptionName[])[] = [
  ['steps', 'epochs'],
  ['gradientClip', 'clipGlobalNorm'],
  ['data', 'dataName'],
  ['psHosts', 'numPs'],
  ['workerHosts', 'numWorkers'],
];

function withoutRivals(file: OptionValues, given: OptionValues): OptionValues {
  const beaten = RIVALS.filter((names) => names.some((name) => given[name] !== undefined)).flat();
  return Object.fromEntries(Object.entries(file).filter(([name]) => !beaten.some((rival) => rival === name)));
}

/** Flags in snake or camel case (`--num_gpus`, `--numGpus`) as the command knows them. Values stay as they are. */
export function normaliseFlags(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  return argv.map((arg, i) => {
    if (!arg.startsWith('--') || (end >= 0 && i >= end)) return arg;
    const [name = '', ...value] = arg.slice(2).split('=');
    return [`--${kebabCase(name)}`, ...value].join('=');
  });
}
