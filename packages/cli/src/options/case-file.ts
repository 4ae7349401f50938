import { nearest, PlacewrightError, parseJson } from '@placewright/ir';
import { readText } from '../files.js';
import {
  CLUSTER_OPTIONS,
  camelCase,
  FILE_OPTIONS,
  findOption,
  flagName,
  MEANINGLESS_OPTIONS,
  MODEL_OPTIONS,
  type OptionValues,
  RUN_OPTIONS,
} from './table.js';
import { parseOption } from './values.js';

const FORM_HINT = 'the form is {"options": {"model": "tiny", "num_gpus": 2, …}}, or the options alone';
const NOT_JSON = { code: 'PW_OPTIONS_JSON', message: 'the options are not JSON', hint: FORM_HINT };

/** Options of a JSON file. Throws PW_FILE_READ and what `parseCase` throws. */
export function readCase(path: string): OptionValues {
  try {
    return parseCase(readText(path));
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ file: path }) : error;
  }
}

/**
 * Options by tf_cnn_benchmarks' names, in snake or camel case, either the whole object or its field `options`.
 * Throws PW_OPTIONS_JSON, PW_OPTIONS_FORM, PW_OPTION_UNKNOWN with the nearest name, PW_OPTION_TWICE, PW_OPTION_VALUE,
 * PW_OPTION_RANGE, and PW_CLUSTER_DISTRIBUTED for a cluster of several tasks.
 */
export function parseCase(text: string): OptionValues {
  const top = fieldsOf(parseJson(text, NOT_JSON));
  const nested = top.get('options');
  if (nested !== undefined) refuseCluster(top);
  const given = nested === undefined ? top : fieldsOf(nested);
  refuseCluster(given);
  const values = new Map<string, string | number | boolean>();
  for (const [key, value] of given) {
    const name = camelCase(key);
    if (value === null || MEANINGLESS_OPTIONS.includes(name) || CLUSTER_OPTIONS.includes(name)) continue;
    const found = findOption(name);
    if (found === undefined || name in FILE_OPTIONS) throw unknownOption(key, name);
    if (values.has(found.name)) throw givenTwice(key, found.name);
    values.set(found.name, parseOption(`option ${JSON.stringify(key)}`, found.decl, value));
  }
  return Object.fromEntries(values);
}

function fieldsOf(value: unknown): Map<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return new Map(Object.entries(value));
  throw new PlacewrightError('PW_OPTIONS_FORM', 'the options are not a JSON object', { hint: FORM_HINT });
}

function refuseCluster(given: ReadonlyMap<string, unknown>): void {
  for (const [key, value] of given) {
    const empty = value === null || value === '' || (Array.isArray(value) && value.length === 0);
    const lone = camelCase(key) === 'taskIndex' && value === 0;
    if (empty || lone || !CLUSTER_OPTIONS.includes(camelCase(key))) continue;
    throw new PlacewrightError(
      'PW_CLUSTER_DISTRIBUTED',
      `${JSON.stringify(key)} asks for a cluster of several tasks`,
      {
        hint: 'this version trains on the devices of one machine; clusters come in a later one',
      },
    );
  }
}

function unknownOption(key: string, name: string): PlacewrightError {
  const message = `there is no option ${JSON.stringify(key.slice(0, 80))}`;
  if (name in FILE_OPTIONS) {
    return new PlacewrightError('PW_OPTION_UNKNOWN', `${message} in an options file`, {
      hint: `files are named on the command line: ${flagName(name)} FILE`,
    });
  }
  const near = nearest(name, Object.keys({ ...MODEL_OPTIONS, ...RUN_OPTIONS }));
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
