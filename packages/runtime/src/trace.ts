import type { DeviceName, EntryName } from '@placewright/ir';

export const TRACE_KINDS = ['region', 'kernel', 'transfer', 'all-reduce', 'wait'] as const;
export type TraceKind = (typeof TRACE_KINDS)[number];

/** Something that a device did during a run. Times are microseconds since the same moment on all devices. */
export interface TraceEvent {
  readonly name: string;
  readonly device: DeviceName;
  readonly kind: TraceKind;
  readonly startUs: number;
  readonly endUs: number;
  /** Nodes that a region holds. */
  readonly nodes?: number;
  /** Which run of the session it belongs to, from 0. */
  readonly run: number;
  readonly entry: EntryName;
}

interface ChromeEvent {
  readonly name: string;
  readonly ph: 'X' | 'M';
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, string | number>>;
}

/** Rows of a device in a trace viewer, in this order. */
const ROWS: Readonly<Record<TraceKind, number>> = {
  region: 0,
  kernel: 0,
  transfer: 1,
  'all-reduce': 2,
  wait: 3,
};
const ROW_NAMES = ['compute', 'transfers', 'all-reduce', 'waits'];

/** The events as Chrome's trace-event JSON: one process a device, one row for each kind of work. */
export function chromeTrace(events: readonly TraceEvent[]): string {
  const devices = [...new Set(events.map(({ device }) => device))].sort();
  const pid = new Map(devices.map((device, i) => [device, i + 1]));
  const origin = events.reduce((least, { startUs }) => Math.min(least, startUs), Number.POSITIVE_INFINITY);
  const traceEvents = [
    ...devices.flatMap((device) => deviceNames(device, pid.get(device) ?? 0)),
    ...events.map((event) => chromeEvent(event, pid.get(event.device) ?? 0, origin)),
  ];
  return JSON.stringify({ displayTimeUnit: 'ms', traceEvents });
}

function deviceNames(device: DeviceName, pid: number): ChromeEvent[] {
  return [
    { name: 'process_name', ph: 'M', pid, tid: 0, args: { name: device } },
    ...ROW_NAMES.map(
      (name, tid): ChromeEvent => ({ name: 'thread_name', ph: 'M', pid, tid, args: { name } }),
    ),
  ];
}

function chromeEvent(event: TraceEvent, pid: number, origin: number): ChromeEvent {
  const { name, kind, startUs, endUs, nodes, run, entry } = event;
  const args = { entry, run, ...(nodes === undefined ? {} : { nodes }) };
  return { name, ph: 'X', cat: kind, pid, tid: ROWS[kind], ts: startUs - origin, dur: endUs - startUs, args };
}

export interface DeviceSummary {
  readonly device: DeviceName;
  /** Calls of the compute library in one run, on average. */
  readonly regionsPerRun: number;
  readonly regionMsPerRun: number;
  readonly kernelMsPerRun: number;
  readonly transfersPerRun: number;
}

export interface TraceSummary {
  readonly runs: number;
  readonly devices: readonly DeviceSummary[];
  /** Share of the time in which at least one device computed during which at least two did, from 0 to 1. */
  readonly overlap: number;
}

/** Figures of the runs of one entry. */
export function summarizeTrace(events: readonly TraceEvent[], entry: EntryName = 'step'): TraceSummary {
  const ours = events.filter((event) => event.entry === entry);
  const runs = new Set(ours.map(({ run }) => run)).size;
  const devices = [...new Set(ours.map(({ device }) => device))].sort();
  const per = Math.max(runs, 1);
  return {
    runs,
    devices: devices.map((device) => {
      const own = ours.filter((event) => event.device === device);
      const of = (kind: TraceKind): TraceEvent[] => own.filter((event) => event.kind === kind);
      const ms = (list: readonly TraceEvent[]): number =>
        list.reduce((sum, { startUs, endUs }) => sum + (endUs - startUs) / 1000, 0) / per;
      return {
        device,
        regionsPerRun: of('region').length / per,
        regionMsPerRun: ms(of('region')),
        kernelMsPerRun: ms(of('kernel')),
        transfersPerRun: of('transfer').length / per,
      };
    }),
    overlap: overlapOf(ours),
  };
}

/** Sweeps over the starts and ends of all computing. */
function overlapOf(events: readonly TraceEvent[]): number {
  const computing = events.filter(({ kind }) => kind === 'region' || kind === 'kernel');
  const moments = computing
    .flatMap(({ startUs, endUs }) => [
      { at: startUs, change: 1 },
      { at: endUs, change: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.change - b.change);
  let busy = 0;
  let shared = 0;
  let active = 0;
  let last = moments[0]?.at ?? 0;
  for (const { at, change } of moments) {
    if (active >= 1) busy += at - last;
    if (active >= 2) shared += at - last;
    active += change;
    last = at;
  }
  return busy === 0 ? 0 : shared / busy;
}
