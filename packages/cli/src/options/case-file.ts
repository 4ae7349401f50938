import { nearest, PlacewrightError, parseJson } from '@placewright/ir';
import { readText } from '../files.js';
import {
  ALL_OPTIONS,
  camelCase,
  EMPTY_OPTIONS,
  FILE_OPTIONS,
  findOption,
  flagName,
  MEANINGLESS_OPTIONS,
  type OptionValue,
  type OptionValues,
} from './table.js';
import { parseOption } from './values.js';

const FORM_HINT = 'the form is {"options": {"model": "tiny", "num_gpus": 2, …}}, or the options alone';
const NOT_JSON = { code: 'PW_OPTIONS_JSON', message: 'the options are not JSON', hint: FORM_HINT };

/** A file of options that has been read. */
export interface CaseFile {
  /** Its field `case`, where that is a text. */
  readonly name: string | null;
  /** Throws as `parseCase` does. */
  readonly options: () => OptionValues;
}

/** Reads a file of options, and leaves what they are for later. Throws PW_FILE_READ, PW_OPTIONS_JSON, PW_OPTIONS_FORM. */
export function openCase(path: string): CaseFile {
  const inFile = <T>(body: () => T): T => {
    try {
      return body();
    } catch (error) {
      throw error instanceof PlacewrightError ? error.at({ file: path }) : error;
    }
  };
  return inFile(() => {
    const top = fieldsOf(parseJson(readText(path), NOT_JSON));
    const name = top.get('case');
    return {
      name: typeof name === 'string' ? name : null,
      options: () => inFile(() => caseOptions(top)),
    };
  });
}

/** Options of a JSON file. Throws PW_FILE_READ and what `parseCase` throws. */
export function readCase(path: string): OptionValues {
  return openCase(path).options();
}

/**
 * Options by tf_cnn_benchmarks' names, in snake or camel case, either the whole object or its field `options`.
 * Throws PW_OPTIONS_JSON, PW_OPTIONS_FORM, PW_OPTION_UNKNOWN with the nearest name, PW_OPTION_TWICE, PW_OPTION_VALUE,
 * PW_OPTION_RANGE, PW_CLUSTER_HOSTS.
 */
export function parseCase(text: string): OptionValues {
  return caseOptions(fieldsOf(parseJson(text, NOT_JSON)));
}

function caseOptions(top: ReadonlyMap<string, unknown>): OptionValues {
  const nested = top.get('options');
  if (nested === undefined) return parseFields([...top].filter(([key]) => key !== 'case'));
  const beside = [...top].filter(([key]) => BESIDE.includes(camelCase(key)));
  return parseFields([...beside, ...fieldsOf(nested)]);
}

/** Options that recorded runs have beside the field `options`. */
const BESIDE: readonly string[] = ['numPs', 'numWorkers'];

function parseFields(given: Iterable<readonly [string, unknown]>): OptionValues {
  const values = new Map<string, OptionValue>();
  for (const [key, value] of given) {
    const name = camelCase(key);
    if (value === null || MEANINGLESS_OPTIONS.includes(name) || isEmpty(name, value)) continue;
    const found = findOption(name);
    if (found === undefined || name in FILE_OPTIONS) throw unknownOption(key, name);
    if (values.has(found.name)) throw givenTwice(key, found.name);
    values.set(found.name, parseOption(`option ${JSON.stringify(key)}`, found.decl, value));
  }
  return Object.fromEntries(values);
}

function isEmpty(name: string, value: unknown): boolean {
  const empty = value === '' || (Array.isArray(value) && value.length === 0);
  return empty && EMPTY_OPTIONS.includes(name);
}

function fieldsOf(value: unknown): Map<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return new Map(Object.entries(value));
  throw new PlacewrightError('PW_OPTIONS_FORM', 'the options are not a JSON object', { hint: FORM_HINT });
}

function unknownOption(key: string, name: string): PlacewrightError {
  const message = `there is no option ${JSON.stringify(key.slice(0, 80))}`;
  if (name in FILE_OPTIONS) {
    return new PlacewrightError('PW_OPTION_UNKNOWN', `${message} in an options file`, {
      hint: `files are named on the command line: ${flagName(name)} FILE`,
    });
  }
  const near = nearest(
    name,
    Object.keys(ALL_OPTIONS).filter((known) => !(known in FILE_OPTIONS)),
  );
  const all = '`placewright train --help` lists the options';
  return new PlacewrightError('PW_OPTION_UNKNOWN', message, {
    hint: near === undefined ? all : `did you mean ${near}? ${all}`,
  });
}

function givenTwice(key: string, name: string): PlacewrightError {
  return new PlacewrightError(
    'PW_OPTION_TWICE',
    `${JSON.stringify(key)} gives the option ${name} a second time`,
    {
      hint: 'keep one of the two',
    },
  );
}
