// Sections on strategies: everything is asked of the strategies themselves, over all values of their options.
import {
  combinationOf,
  compile,
  completeOptions,
  contractOf,
  DEFAULT_TRAINING,
  distributedCluster,
  legalityOf,
  lenet,
  localCluster,
  PASSES,
  STRATEGIES,
  summarisePlacement,
} from 'placewright';
import { bytes, code, codes, table } from './markdown.mjs';

/** Values of the options that lead to other choices, on one machine and in a cluster. */
const VALUES = {
  local: { localParameterDevice: ['cpu', 'gpu'], stagedVars: [false, true], useNccl: [true, false] },
  cluster: {
    localParameterDevice: ['cpu', 'gpu'],
    stagedVars: [false, true],
    crossReplicaSync: [true, false],
  },
};
/** What the tables compile for: two GPUs, or two parameter servers and two workers of two GPUs. */
const CLUSTERS = {
  local: () => localCluster({ numGpus: 2 }),
  cluster: () => distributedCluster({ psHosts: ['p0:1', 'p1:1'], workerHosts: ['w0:1', 'w1:1'], numGpus: 2 }),
};
const HOST = '/device:CPU:0';
/** The input of the digits that `npm start` trains on. */
const DIGITS = { imageSize: 28, channels: 1, classes: 10 };
export const BATCH = 32;

const findStrategy = (name) => STRATEGIES.find((strategy) => strategy.name === name);
const takes = (strategy, option) => strategy.options[option] !== null;

/** Every legal combination of the values of the options that a strategy takes, the reduction aside. */
function optionSets(strategy, where) {
  const values = VALUES[where];
  const names = Object.keys(values).filter((option) => takes(strategy, option));
  const sets = names.reduce(
    (before, name) => before.flatMap((set) => values[name].map((value) => ({ ...set, [name]: value }))),
    [{}],
  );
  const asked = { cluster: CLUSTERS[where](), training: DEFAULT_TRAINING };
  return sets.filter((options) => legalityOf(combinationOf(strategy.name, { options, ...asked })).legal);
}

const choicesOf = (strategy, where, options = {}) =>
  strategy.choices(completeOptions(strategy, options), {
    host: HOST,
    clipping: { kind: 'none' },
    distributed: where === 'cluster',
  });

/** Where a strategy can be used: on one machine, in a cluster with parameter servers, or on both. */
function placesOf(strategy) {
  const local = choicesOf(strategy, 'local').counters === 'host' ? ['local'] : [];
  const cluster = choicesOf(strategy, 'cluster').synchronisation === 'none' ? [] : ['cluster'];
  return [...local, ...cluster];
}

/** Shown of the choices: clipping is the training's, and some choices count only with a value of another one. */
const COUNTS = {
  parameterDevice: ({ home }) => home === 'parameterDevice',
  caches: ({ reading }) => reading === 'caching',
  stagedCopy: ({ reading }) => reading === 'staging',
  reduction: ({ aggregation }) => aggregation !== 'none',
};
const shownChoice = (choices, name) => ((COUNTS[name]?.(choices) ?? true) ? code(choices[name]) : '–');
const shownNames = (choices) => Object.keys(choices).filter((choice) => choice !== 'clipping');
const shownChoices = (choices) => shownNames(choices).map((name) => [name, shownChoice(choices, name)]);

/**
 * The variants of a strategy in one place: option sets that lead to the same choices are one, called by the options that
 * they have in common.
 */
export function variantsOf(strategy, where) {
  const variants = new Map();
  for (const options of optionSets(strategy, where)) {
    const choices = choicesOf(strategy, where, options);
    const key = JSON.stringify(shownChoices(choices));
    const known = variants.get(key);
    variants.set(key, { choices: known?.choices ?? choices, sets: [...(known?.sets ?? []), options] });
  }
  return [...variants.values()].map(({ choices, sets }) => {
    const [options] = sets;
    const common = Object.entries(options).filter(([name, value]) =>
      sets.every((set) => set[name] === value),
    );
    return {
      strategy,
      where,
      options,
      choices,
      label: common.map(([name, value]) => `${name}: ${value}`).join(', '),
    };
  });
}

export const allVariants = () =>
  STRATEGIES.flatMap((strategy) => placesOf(strategy).flatMap((where) => variantsOf(strategy, where)));
const title = ({ strategy, label }) => (label === '' ? code(strategy.name) : code(label));
const fullTitle = ({ strategy, where, label }) =>
  [code(strategy.name), ...(where === 'cluster' ? ['in a cluster,'] : []), label].join(' ').trim();

/** The table of choices of one strategy, a column for each variant; asynchronous ones differ in that choice alone. */
export function strategyChoices(name, where = placesOf(findStrategy(name))[0]) {
  const variants = variantsOf(findStrategy(name), where).filter(
    ({ options }) => options.crossReplicaSync !== false,
  );
  const rows = shownNames(choicesOf(STRATEGIES[0], 'local'));
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

/** LeNet on two GPUs by a variant, in a cluster for the first worker; each is compiled once. */
function lowered({ strategy, where, options, label }) {
  const key = `${strategy.name} ${where} ${label}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const fresh = compile(lenet(DIGITS), {
    strategy: strategy.name,
    ...options,
    cluster: CLUSTERS[where](),
  });
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

/** What LeNet's step holds and moves on two GPUs, in a cluster on those of the first worker, by variant and device. */
export function placement() {
  const synchronous = allVariants().filter(({ options }) => options.crossReplicaSync !== false);
  const rows = synchronous.flatMap((variant) =>
    summarisePlacement(lowered(variant).module, { batch: BATCH }).devices.map((device, i) => [
      i === 0 ? fullTitle(variant) : '',
      code(device.device.replace(/^\/job:(\w+)\/task:(\d+)/, '$1 $2 ').replace('/device:', '')),
      device.variables,
      bytes(device.variableBytes),
      device.updates,
      bytes(device.sentBytes),
      bytes(device.receivedBytes),
    ]),
  );
  return table(['', 'device', 'variables', 'their bytes', 'updates', 'sent', 'received'], rows);
}
