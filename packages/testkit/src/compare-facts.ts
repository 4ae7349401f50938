import { type DeviceName, formatDevice, PS_JOB, parseDevice } from '@placewright/ir';

type Fields = Readonly<Record<string, unknown>>;

/** How a field of a row is compared. */
type Cell = (value: unknown, row: Fields) => unknown;

const same: Cell = (value) => value;
const device: Cell = (value) => (typeof value === 'string' ? plainDevice(value) : '');
const op: Cell = (value) => (typeof value === 'string' ? plainOp(value) : value);
/** What is staged is a copy in the recordings; reading a resource variable is one. */
const source: Cell = (value) => (value === 'ReadVariableOp' ? 'Identity' : value);

/** A list of rows; without `ordered` its order means nothing. */
interface Rows {
  readonly cells: Readonly<Record<string, Cell>>;
  readonly ordered: boolean;
}

const VARIABLES: Rows = {
  cells: {
    ...{ name: same, shape: same, dtype: same, device, trainable: same },
    ...{ collection: same, readDevice: device },
  },
  ordered: true,
};
const SAVABLE: Rows = { cells: { key: same, variable: same }, ordered: false };
const STAGING: Rows = {
  cells: {
    ...{ tower: same, variable: same, stageDevice: device, unstageDevice: device },
    ...{ sourceOp: source, sourceDevice: device },
  },
  ordered: false,
};
const ACCESSES: Rows = { cells: { op, variable: same, device }, ordered: true };
const COPIES: Rows = { cells: { target: same, device, source: same }, ordered: false };
const QUEUES: Rows = { cells: { sharedName: same, device, capacity: same }, ordered: false };
const UPDATES: Rows = {
  cells: { variable: same, variableDevice: device, gradientDevice: device },
  ordered: true,
};

/** Ops that bring gradients together; what else a gradient ends in is the gradient function's business. */
const AGGREGATIONS: readonly unknown[] = ['AddN', 'Mul', 'NcclAllReduce'];

/**
 * Where facts differ from recorded ones: a line each, none where they agree. Devices are compared by meaning, ops by
 * their names for reference variables, and lists that have no order of their own without one; a number in the place of a
 * recorded list is its length.
 */
export function compareFacts(recorded: Fields, found: Fields): string[] {
  const out: string[] = [];
  const rows = (path: string, want: unknown, have: unknown, spec: Rows): void =>
    void out.push(...compareRows(path, want, have, spec));
  const value = (path: string, want: unknown, have: unknown): void => {
    if (text(want) !== text(have)) out.push(`${path}: ${text(want)} expected, ${text(have)} found`);
  };
  rows('variables', recorded.variables, found.variables, VARIABLES);
  rows('savable', recorded.savable, found.savable, SAVABLE);
  rows('staging', recorded.staging, found.staging, STAGING);
  rows('postInit', recorded.postInit, found.postInit, COPIES);
  rows('syncQueues', recorded.syncQueues, found.syncQueues, QUEUES);
  value('loads', sorted(recorded.loads), sorted(found.loads));
  value('stagingDeltas', plainDeltas(recorded.stagingDeltas), plainDeltas(found.stagingDeltas));
  value('nodeCounts', plainCounts(recorded.nodeCounts), plainCounts(found.nodeCounts));
  value('applyDevices', recorded.applyDevices, found.applyDevices);
  value(
    'towers',
    Object.keys(fields(recorded.trainableOnDevice)),
    Object.keys(fields(found.trainableOnDevice)),
  );
  for (const [tower, access] of Object.entries(fields(recorded.trainableOnDevice))) {
    const mine = fields(fields(found.trainableOnDevice)[tower]);
    if (Object.keys(mine).length === 0) continue;
    for (const [kind, list] of Object.entries(fields(access)))
      rows(`trainableOnDevice.${tower}.${kind}`, list, mine[kind], ACCESSES);
  }
  const [want, have] = [list(recorded.apply), list(found.apply)];
  value('apply', want.length, have.length);
  want.forEach((updates, i) => {
    rows(`apply.${i}`, updates, have[i], UPDATES);
    out.push(...compareGradientOps(`apply.${i}`, updates, have[i]));
  });
  return out;
}

function compareRows(path: string, want: unknown, have: unknown, { cells, ordered }: Rows): string[] {
  if (typeof want === 'number') {
    const length = Array.isArray(have) ? have.length : have;
    return length === want ? [] : [`${path}: ${want} rows expected, ${text(length)} found`];
  }
  const shown = (rows: unknown): string[] => {
    const texts = list(rows).map((row) =>
      text(Object.entries(cells).map(([name, cell]) => [name, cell(fields(row)[name], fields(row))])),
    );
    return ordered ? texts : texts.sort();
  };
  const [expected, actual] = [shown(want), shown(have)];
  const count =
    expected.length === actual.length
      ? []
      : [`${path}: ${expected.length} rows expected, ${actual.length} found`];
  return [
    ...count,
    ...expected.flatMap((row, i) =>
      row === actual[i] || actual[i] === undefined
        ? []
        : [`${path}.${i}: ${row} expected, ${actual[i]} found`],
    ),
  ];
}

function compareGradientOps(path: string, want: unknown, have: unknown): string[] {
  return list(want).flatMap((row, i) => {
    const expected = fields(row).gradientOp;
    const actual = fields(list(have)[i]).gradientOp;
    if (!AGGREGATIONS.includes(expected) || actual === expected) return [];
    return [`${path}.${i}.gradientOp: ${text(expected)} expected, ${text(actual)} found`];
  });
}

/** A device in canonical form; a parameter server's only device may be left out. */
function plainDevice(name: string): DeviceName {
  const { replica: _, ...spec } = parseDevice(name);
  const whole = spec.job === PS_JOB && spec.type === undefined ? { ...spec, type: 'CPU', index: 0 } : spec;
  return formatDevice(whole);
}

/** The op that stands for one on a resource variable in a graph of reference variables. */
function plainOp(name: string): string {
  return name === 'VarHandleOp' ? 'VariableV2' : name.replace(/^ResourceApply/, 'Apply');
}

function plainDeltas(deltas: unknown): unknown {
  const { count = 0, devices = [] } = fields(deltas);
  return [
    count,
    list(devices)
      .map((name) => plainDevice(String(name)))
      .sort(),
  ];
}

function plainCounts(counts: unknown): unknown {
  const rows = Object.entries(fields(counts)).flatMap(([name, devices]) =>
    Object.entries(fields(devices)).map(
      ([where, n]) => `${plainOp(name)} on ${plainDevice(where)}: ${text(n)}`,
    ),
  );
  return rows.sort();
}

function sorted(table: unknown): unknown {
  return Object.entries(fields(table)).sort(([a], [b]) => (a < b ? -1 : 1));
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}
