// Everything that `<!-- generated: NAME … -->` may name. A new one is a function and a line here.
import { builtinOps, INVARIANTS, opNotes, WARNINGS } from 'placewright';
import { legality } from './legality.mjs';
import { code, table } from './markdown.mjs';
import { snippet, wholeFile } from './snippets.mjs';
import {
  contracts,
  passes,
  placement,
  strategyChoices,
  strategyOptions,
  strategyPasses,
} from './strategies.mjs';
import { textBuilt, textLowered } from './text-form.mjs';
import { models } from './zoo.mjs';

function invariants() {
  return table(
    ['invariant', 'what must hold', 'from when'],
    INVARIANTS.map(({ name, summary, from }) => [
      code(name),
      summary,
      from === 'always' ? 'always' : 'once a pass has established it',
    ]),
  );
}

function gradientText(gradient) {
  if (gradient === 'none') return 'none: an error to ask for';
  return gradient === 'zero' ? 'none flows' : 'yes';
}

function ops() {
  return table(
    ['op', 'what it computes', 'attributes', 'gradient'],
    Object.values(builtinOps).map(({ op, summary, attrs, gradient }) => [
      code(op),
      summary,
      Object.keys(attrs).map(code).join(', ') || '–',
      gradientText(gradient),
    ]),
  );
}

/** Ops that are not simply TensorFlow's of the same name with the same attributes. */
function graphDefOps() {
  const plain = ({ op, tensorflow, constants, renamed, note }) =>
    op === tensorflow && constants.length === 0 && renamed.length === 0 && note === '';
  const rows = opNotes().filter((each) => !plain(each));
  return table(
    ['op', "TensorFlow's", 'attributes that are constant inputs', 'attributes with other names', 'besides'],
    rows.map(({ op, tensorflow, constants, renamed, note }) => [
      code(op),
      tensorflow === null ? '–' : code(tensorflow),
      constants.map(code).join(', ') || '–',
      renamed.map(code).join(', ') || '–',
      note || '–',
    ]),
  );
}

function warnings() {
  return table(
    ['warning', 'when it comes', 'why it matters'],
    WARNINGS.map(({ code: name, summary, why }) => [code(name), summary, why]),
  );
}

export const GENERATORS = {
  contracts,
  file: wholeFile,
  'graphdef-ops': graphDefOps,
  invariants,
  legality,
  models,
  ops,
  passes,
  placement,
  snippet,
  'strategy-choices': strategyChoices,
  'strategy-options': strategyOptions,
  'strategy-passes': strategyPasses,
  'text-built': textBuilt,
  'text-lowered': textLowered,
  warnings,
};
