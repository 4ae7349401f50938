// Sections on strategies: everything is asked of the strategies themselves, over all values of their options.
import {
  compile,
  completeOptions,
  contractOf,
  lenet,
  PASSES,
  STRATEGIES,
  summarisePlacement,
} from 'placewright';
import { bytes, code, codes, table } from './markdown.mjs';

const VALUES = { localParameterDevice: ['cpu', 'gpu'], stagedVars: [false, true], useNccl: [true, false] };
const HOST = '/device:CPU:0';
/** The input of the digits that `npm start` trains on. */
const DIGITS = { imageSize: 28, channels: 1, classes: 10 };
export const BATCH = 32;

const findStrategy = (name) => STRATEGIES.find((strategy) => strategy.name === name);
const takes = (strategy, option) => strategy.options[option] !== null;

/** Every combination of the values of the options that a strategy takes, the reduction aside. */
function optionSets(strategy) {
  const names = Object.keys(VALUES).filter((option) => takes(strategy, option));
  return names.reduce(
    (sets, name) => sets.flatMap((set) => VALUES[name].map((value) => ({ ...set, [name]: value }))),
    [{}],
  );
}

const choicesOf = (strategy, options) =>
  strategy.choices(completeOptions(strategy, options), { host: HOST, clipping: { kind: 'none' } });

/**
 * The variants of a strategy: option sets that lead to the same choices are one, called by the options that they have
 * in common.
 */
export function variantsOf(strategy) {
  const variants = new Map();
  for (const options of optionSets(strategy)) {
    const choices = choicesOf(strategy, options);
    const key = JSON.stringify(choices);
    const known = variants.get(key);
    variants.set(key, { choices, sets: [...(known?.sets ?? []), options] });
  }
  return [...variants.values()].map(({ choices, sets }) => {
    const [options] = sets;
    const common = Object.entries(options).filter(([name, value]) =>
      sets.every((set) => set[name] === value),
    );
    return {
      strategy,
      options,
      choices,
      label: common.map(([name, value]) => `${name}: ${value}`).join(', '),
    };
  });
}

export const allVariants = () => STRATEGIES.flatMap(variantsOf);
const title = ({ strategy, label }) => (label === '' ? code(strategy.name) : code(label));
const fullTitle = ({ strategy, label }) => `${code(strategy.name)}${label === '' ? '' : ` ${label}`}`;

/** Shown of the choices: clipping is the training's, and the parameter device counts only where variables live on it. */
const shownChoice = (choices, name) =>
  name === 'parameterDevice' && choices.home !== 'parameterDevice' ? '–' : code(choices[name]);

/** The table of choices of one strategy, a column for each variant. */
export function strategyChoices(name) {
  const variants = variantsOf(findStrategy(name));
  const rows = Object.keys(variants[0].choices).filter((choice) => choice !== 'clipping');
  return table(
    ['choice', ...variants.map(title)],
    rows.map((choice) => [choice, ...variants.map(({ choices }) => shownChoice(choices, choice))]),
  );
}

/** Which options each strategy takes, with defaults. */
export function strategyOptions() {
  const names = Object.keys(STRATEGIES[0].options);
  const cell = (value) => (value === null ? '–' : code(value));
  return table(
    ['strategy', ...names.map(code)],
    STRATEGIES.map(({ name, options }) => [code(name), ...names.map((option) => cell(options[option]))]),
  );
}

/** The contract of every variant. */
export function contracts() {
  const variants = allVariants();
  const fields = Object.keys(contractOf(variants[0].choices));
  return table(
    ['', ...fields.map(code)],
    variants.map((variant) => {
      const contract = contractOf(variant.choices);
      return [fullTitle(variant), ...fields.map((field) => code(contract[field]))];
    }),
  );
}

const compiled = new Map();

/** LeNet on two GPUs by a variant; each is compiled once. */
function lowered({ strategy, options, label }) {
  const key = `${strategy.name} ${label}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const fresh = compile(lenet(DIGITS), { strategy: strategy.name, ...options, numGpus: 2 });
  compiled.set(key, fresh);
  return fresh;
}

/** Which passes each variant runs. */
export function strategyPasses() {
  const variants = allVariants();
  const runs = variants.map((variant) => new Set(lowered(variant).records.map(({ pass }) => pass)));
  const numbers = variants.map((_, i) => i + 1);
  const rows = PASSES.map(({ name }) => [code(name), ...runs.map((passes) => (passes.has(name) ? '✓' : ''))]);
  const key = variants.map((variant, i) => `${i + 1}: ${fullTitle(variant)}`).join('; ');
  return `${table(['pass', ...numbers], rows)}\n\n${key}. \`clip-gradients\` runs where the training asks for clipping.`;
}

/** Every pass with what it needs and gives. */
export function passes() {
  return table(
    ['pass', 'what it does', 'requires', 'establishes', 'options'],
    PASSES.map(({ name, summary, requires, establishes, options }) => [
      code(name),
      summary,
      codes(requires),
      codes(establishes),
      codes(Object.keys(options)),
    ]),
  );
}

/** What LeNet's step holds and moves on two GPUs, by variant and device. */
export function placement() {
  const rows = allVariants().flatMap((variant) =>
    summarisePlacement(lowered(variant).module, { batch: BATCH }).devices.map((device, i) => [
      i === 0 ? fullTitle(variant) : '',
      code(device.device.replace('/device:', '')),
      device.variables,
      bytes(device.variableBytes),
      device.updates,
      bytes(device.sentBytes),
      bytes(device.receivedBytes),
    ]),
  );
  return table(['', 'device', 'variables', 'their bytes', 'updates', 'sent', 'received'], rows);
}
