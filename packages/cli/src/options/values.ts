import { nearest, PlacewrightError, unreachable } from '@placewright/ir';
import type { OptionDecl, OptionValue } from './table.js';

/** A file called `-` is never meant. */
export const NO_STREAM = 'name a file; /dev/stdout is the output, /dev/stdin the input';

/**
 * The value of an option: of its text on the command line, or of what stands in an options file.
 * `where` names it in errors (`--batch-size`). Throws PW_OPTION_VALUE, PW_OPTION_RANGE.
 */
export function parseOption(where: string, decl: OptionDecl, given: unknown): OptionValue {
  switch (decl.kind) {
    case 'word':
    case 'file':
      if (given === '-') throw badValue(where, given, NO_STREAM);
      if (typeof given === 'string' && given !== '') return given;
      throw badValue(where, given, `give a ${decl.value}`);
    case 'choice':
      return parseChoice(where, decl.of, given);
    case 'flag':
      return parseFlag(where, given);
    case 'hosts':
      return parseHosts(where, given);
    case 'count':
    case 'number':
      return parseNumber(where, decl, given);
    default:
      return unreachable(decl);
  }
}

function parseChoice(where: string, choices: readonly string[], given: unknown): string {
  const found = choices.find((choice) => choice === given);
  if (found !== undefined) return found;
  const near = typeof given === 'string' ? nearest(given, choices) : undefined;
  const all = `one of ${choices.join(', ')}`;
  throw badValue(where, given, near === undefined ? all : `did you mean ${near}? It is ${all}`);
}

function parseFlag(where: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given;
  const text = String(given).toLowerCase();
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw badValue(where, given, 'true or false');
}

/** A name or an IPv4 address, or an IPv6 address in brackets, and a port. */
const HOST = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})$/;
const LARGEST_PORT = 65_535;

function parseHosts(where: string, given: unknown): readonly string[] {
  const hosts = typeof given === 'string' ? given.split(',').map((host) => host.trim()) : given;
  const form = 'give host:port of each task, comma between them';
  if (!Array.isArray(hosts)) throw badValue(where, given, form);
  const seen = new Set<string>();
  for (const host of hosts as unknown[]) {
    const port = typeof host === 'string' ? Number(HOST.exec(host)?.[1] ?? 0) : 0;
    if (typeof host !== 'string' || port < 1 || port > LARGEST_PORT)
      throw badHost(where, host, `${form}; ports are 1 to ${LARGEST_PORT}`);
    if (seen.has(host)) throw badHost(where, host, 'give each task a host and port of its own', ' twice');
    seen.add(host);
  }
  return [...seen];
}

function badHost(where: string, host: unknown, hint: string, how = ''): PlacewrightError {
  const shown = typeof host === 'object' && host !== null ? 'a list or an object' : JSON.stringify(host);
  return new PlacewrightError('PW_CLUSTER_HOSTS', `${where} cannot hold ${shown?.slice(0, 80)}${how}`, {
    hint,
  });
}

function parseNumber(
  where: string,
  decl: { readonly kind: 'count' | 'number'; readonly min: number; readonly max: number },
  given: unknown,
): number {
  const whole = decl.kind === 'count';
  const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
    throw badValue(where, given, `give a ${whole ? 'whole ' : ''}number${rangeOf(decl)}`);
  }
  if (value >= decl.min && value <= decl.max) return value;
  throw new PlacewrightError('PW_OPTION_RANGE', `${where} cannot be ${value}`, {
    hint: `give a ${whole ? 'whole ' : ''}number${rangeOf(decl)}`,
  });
}

function rangeOf({ min, max }: { readonly min: number; readonly max: number }): string {
  const from = min === Number.MIN_VALUE ? ' above 0' : ` from ${min}`;
  return max >= 1e9 ? from : `${from} to ${max}`;
}

export function badValue(where: string, given: unknown, hint: string): PlacewrightError {
  const shown = typeof given === 'object' && given !== null ? 'a list or an object' : JSON.stringify(given);
  return new PlacewrightError('PW_OPTION_VALUE', `${where} cannot be ${shown?.slice(0, 80)}`, { hint });
}
