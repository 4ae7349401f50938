import { PlacewrightError, type TrainingSpec } from '@placewright/ir';

/** What a number may be: from `min` to `max`, both allowed, in words `text`. */
interface Range {
  readonly min: number;
  readonly max: number;
  readonly text: string;
}

/** Optimizers compute in float32. */
const LARGEST = 3.4e38;
const NOT_NEGATIVE: Range = { min: 0, max: LARGEST, text: 'a finite number from 0' };
const POSITIVE: Range = { min: Number.MIN_VALUE, max: LARGEST, text: 'a finite number above 0' };
const SHARE: Range = { min: 0, max: 1, text: 'a number from 0 to 1' };

type Kinds<K extends string> = Readonly<Record<K, Readonly<Record<string, Range>>>>;

/** The numbers of each optimizer and of each way to clip. */
const OPTIMIZERS: Kinds<TrainingSpec['optimizer']['kind']> = {
  sgd: { learningRate: NOT_NEGATIVE },
  momentum: { learningRate: NOT_NEGATIVE, momentum: SHARE },
  rmsprop: { learningRate: NOT_NEGATIVE, decay: SHARE, momentum: SHARE, epsilon: POSITIVE },
};
const CLIPS: Kinds<TrainingSpec['clip']['kind']> = {
  none: {},
  value: { limit: POSITIVE },
  globalNorm: { limit: POSITIVE },
};

/**
 * Checks what types cannot: numbers, and whatever a program without types gives. Throws PW_TRAINING_VALUE with what is
 * allowed.
 */
export function checkTraining(training: TrainingSpec): void {
  const given = fieldsOf('training', training);
  const optimizer = checkKind('training.optimizer', given.optimizer, OPTIMIZERS);
  if (optimizer.kind === 'momentum' && typeof optimizer.nesterov !== 'boolean') {
    throw badValue('training.optimizer.nesterov', optimizer.nesterov, 'give true or false');
  }
  checkNumber('training.weightDecay', given.weightDecay, NOT_NEGATIVE);
  checkKind('training.clip', given.clip, CLIPS);
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(where: string, given: unknown): Fields {
  if (typeof given === 'object' && given !== null) return given as Fields;
  throw badValue(where, given, 'give an object, as in DEFAULT_TRAINING');
}

/** Checks the kind and then the numbers of that kind. */
function checkKind(where: string, given: unknown, kinds: Kinds<string>): Fields {
  const fields = fieldsOf(where, given);
  const { kind } = fields;
  const ranges = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (ranges === undefined)
    throw badValue(`${where}.kind`, kind, `use one of ${Object.keys(kinds).join(', ')}`);
  for (const [name, range] of Object.entries(ranges)) checkNumber(`${where}.${name}`, fields[name], range);
  return fields;
}

function checkNumber(where: string, given: unknown, range: Range): void {
  if (typeof given === 'number' && given >= range.min && given <= range.max) return;
  throw badValue(where, given, `give ${range.text}`);
}

function badValue(where: string, given: unknown, hint: string): PlacewrightError {
  return new PlacewrightError('PW_TRAINING_VALUE', `${where} cannot be ${shown(given)}`, { hint });
}

/** A wrong value in an error: short, and never a stack of its own. */
export function shown(given: unknown): string {
  if (typeof given === 'object' && given !== null) return 'an object';
  return (typeof given === 'string' ? JSON.stringify(given) : String(given)).slice(0, 80);
}
