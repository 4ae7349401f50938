// Everything that `<!-- generated: NAME … -->` may name. A new one is a function and a line here.
import { builtinOps, INVARIANTS, WARNINGS } from 'placewright';
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

function warnings() {
  return table(
    ['warning', 'when it comes', 'why it matters'],
    WARNINGS.map(({ code: name, summary, why }) => [code(name), summary, why]),
  );
}

export const GENERATORS = {
  contracts,
  file: wholeFile,
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
