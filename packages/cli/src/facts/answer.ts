import { basename, extname } from 'node:path';
import { buildModel, type Module, type PlacewrightError } from '@placewright/ir';
import { factsOf } from '@placewright/passes';
import { asPlacewrightError } from '../errors.js';
import { compileFor, modelOf } from '../lower.js';
import { readModule } from '../module-files.js';
import { openCase } from '../options/case-file.js';
import { withFlags } from '../options/command-line.js';
import { type ModelSettings, modelSettings } from '../options/settings.js';
import type { OptionValues } from '../options/table.js';

/** Whose facts are asked for: of options in a file with flags over them, of flags alone, of a module in a file. */
export type Question =
  | { readonly kind: 'options'; readonly file: string; readonly flags: OptionValues }
  | { readonly kind: 'flags'; readonly flags: OptionValues }
  | { readonly kind: 'module'; readonly file: string };

/** An error as plain data, for JSON and for another thread. */
export type Failure = Pick<PlacewrightError, 'code' | 'message' | 'kind' | 'where' | 'hint'>;

/** What is printed of a question: its facts, or why there are none. */
export interface Answer {
  readonly line: object;
  readonly failure: Failure | null;
}

/** A question whose file has been read: what it is called, and its module. */
interface Opened {
  readonly name: string | null;
  readonly module: () => Module;
}

/** Answers questions one after the other; a model that several ask for is built once. Never throws. */
export function createAnswerer(): (question: Question) => Answer {
  const built = new Map<string, Module>();
  return (question) => {
    let name = question.kind === 'flags' ? null : basename(question.file, extname(question.file));
    const named = () => (name === null ? {} : { case: name });
    try {
      const opened = open(question, built);
      name = opened.name ?? name;
      return { line: { ...named(), ...factsOf(opened.module()) }, failure: null };
    } catch (thrown) {
      const { code, message, kind, where, hint } = asPlacewrightError(thrown);
      const failure = { code, message, kind, where, hint };
      return { line: { ...named(), error: { code, message } }, failure };
    }
  };
}

function open(question: Question, built: Map<string, Module>): Opened {
  switch (question.kind) {
    case 'module': {
      const { file } = question;
      return { name: null, module: () => readModule(file) };
    }
    case 'flags': {
      const { flags } = question;
      return { name: null, module: () => lowered(flags, built) };
    }
    case 'options': {
      const { name, options } = openCase(question.file);
      return { name, module: () => lowered(withFlags(options(), question.flags), built) };
    }
  }
}

/**
 * The lowered module of options, with the defaults of the recorded runs. All passes run; nothing is verified. What the
 * original builds though it leaves it undefined has facts, too.
 */
function lowered(options: OptionValues, built: Map<string, Module>): Module {
  const settings = modelSettings({ ...options, allowUndefined: true }, true);
  return compileFor(settings, sourceOf(settings, built), { verify: false }).module;
}

/** The model's module before any pass, which does not depend on how it is to be trained or placed. */
function sourceOf(settings: ModelSettings, built: Map<string, Module>): Module {
  const { model, input, dataFormat, realDropout, seed, training } = settings;
  const key = JSON.stringify([model.name, model.dataSets, input, dataFormat, realDropout, seed]);
  const source = built.get(key) ?? buildModel(modelOf(settings), { seed, training });
  built.set(key, source);
  return { ...source, training };
}
