import { PlacewrightError } from './errors.js';

/**
 * A device name in TensorFlow's form, `/job:worker/replica:0/task:1/device:GPU:0`, any part of which may be missing;
 * the empty string names no device. Names inside the IR are always in the canonical form that `formatDevice` prints.
 */
export type DeviceName = string;

/** The parts of a device name; a missing one matches all. */
export interface DeviceSpec {
  readonly job?: string;
  readonly replica?: number;
  readonly task?: number;
  /** `CPU`, `GPU`, …, upper case. */
  readonly type?: string;
  readonly index?: number;
}

const PART =
  /^(?:job:([A-Za-z][A-Za-z0-9_]*)|(replica|task):(\d{1,9})|device:([A-Za-z][A-Za-z_0-9]*):(\d{1,9}|\*)|(cpu|gpu|tpu):(\d{1,9}|\*))$/i;
const CACHE_LIMIT = 10_000;
const parsed = new Map<string, DeviceSpec>();

/** Reads a full or partial name; `/gpu:0` is `/device:GPU:0`. Throws PW_DEVICE_NAME. */
export function parseDevice(name: string): DeviceSpec {
  const known = parsed.get(name);
  if (known !== undefined) return known;
  const spec: { job?: string; replica?: number; task?: number; type?: string; index?: number } = {};
  if (name !== '') {
    if (!name.startsWith('/') || name.length > 512) throw badName(name);
    for (const part of name.slice(1).split('/')) {
      const match = PART.exec(part);
      if (match === null) throw badName(name);
      const [, job, field, number, type, index, short, shortIndex] = match;
      const says = job !== undefined ? 'job' : field !== undefined ? field.toLowerCase() : 'type';
      // A part that comes twice would silently win or lose.
      if (says in spec) throw badName(name);
      if (job !== undefined) spec.job = job;
      else if (field !== undefined) spec[field.toLowerCase() as 'replica' | 'task'] = Number(number);
      else {
        spec.type = (type ?? short ?? '').toUpperCase();
        const at = index ?? shortIndex;
        if (at !== '*' && at !== undefined) spec.index = Number(at);
      }
    }
  }
  if (parsed.size < CACHE_LIMIT) parsed.set(name, spec);
  return spec;
}

function badName(name: string): PlacewrightError {
  return new PlacewrightError('PW_DEVICE_NAME', `${JSON.stringify(name.slice(0, 80))} is not a device name`, {
    hint: 'write it like /job:worker/task:0/device:GPU:1, /device:GPU:0 or /cpu:0',
  });
}

/** The canonical text of a device; `''` when nothing is known. */
export function formatDevice(spec: DeviceSpec): DeviceName {
  const { job, replica, task, type, index } = spec;
  return [
    job === undefined ? '' : `/job:${job}`,
    replica === undefined ? '' : `/replica:${replica}`,
    task === undefined ? '' : `/task:${task}`,
    type === undefined ? '' : `/device:${type}:${index ?? '*'}`,
  ].join('');
}

/** A name in its canonical form. Throws PW_DEVICE_NAME. */
export function canonicalDevice(name: string): DeviceName {
  return formatDevice(parseDevice(name));
}

/** `name` with its missing parts taken from `defaults`, as TensorFlow merges the names of nested device scopes. */
export function mergeDevices(name: DeviceName, defaults: DeviceName): DeviceName {
  if (name === '') return defaults;
  if (defaults === '') return name;
  const inner = parseDevice(name);
  const outer = parseDevice(defaults);
  const merged = { ...outer, ...inner };
  // An inner type without an index must not take the index of another type.
  if (inner.type !== undefined && inner.index === undefined && inner.type !== outer.type) {
    const { index: _, ...rest } = merged;
    return formatDevice(rest);
  }
  return formatDevice(merged);
}

/**
 * Order of device names for people: by job, replica, task, type and index, numbers as numbers, so that `GPU:2` comes
 * before `GPU:10`. What a name lacks comes first, and names that are none come last, as text.
 */
export function compareDevices(a: DeviceName, b: DeviceName): number {
  const [x, y] = [sortKey(a), sortKey(b)];
  if (x === null || y === null) return x === y ? compareText(a, b) : x === null ? 1 : -1;
  for (const [i, part] of x.entries()) {
    const other = y[i];
    if (part === other) continue;
    if (part === undefined || other === undefined) return part === undefined ? -1 : 1;
    return typeof part === 'number' && typeof other === 'number'
      ? part - other
      : compareText(String(part), String(other));
  }
  return compareText(a, b);
}

function sortKey(name: DeviceName): (string | number | undefined)[] | null {
  try {
    const { job, replica, task, type, index } = parseDevice(name);
    return [job, replica, task, type, index];
  } catch {
    return null;
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether the name says job, task, type and index, or with `local` type and index alone. */
export function isFullDevice(name: DeviceName, local: boolean): boolean {
  const { job, task, type, index } = parseDevice(name);
  return type !== undefined && index !== undefined && (local || (job !== undefined && task !== undefined));
}

/** Whether `name` matches `pattern`: every part that the pattern names is the same. */
export function deviceMatches(name: DeviceName, pattern: DeviceName): boolean {
  const have = parseDevice(name);
  const want = parseDevice(pattern);
  return (Object.keys(want) as (keyof DeviceSpec)[]).every((part) => want[part] === have[part]);
}
