import { compareDevices, type DeviceName, type EntryName } from '@placewright/ir';

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
  /** Which task of a cluster ran it: `worker 1`; left out where there is one alone. */
  readonly task?: string;
}

interface ChromeEvent {
  readonly name: string;
  readonly ph: 'X' | 'M';
  readonly pid: number;
  readonly tid?: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, string | number>>;
}

/** Rows of a device in a trace viewer, from top to bottom, and what stands in each. */
const ROWS: readonly { readonly name: string; readonly kinds: readonly TraceKind[] }[] = [
  { name: 'compute', kinds: ['region', 'kernel'] },
  { name: 'transfers', kinds: ['transfer'] },
  { name: 'all-reduce', kinds: ['all-reduce'] },
  { name: 'waits', kinds: ['wait'] },
];

/** A trace event in whole nanoseconds since the first one: what a viewer reckons in, and exact. */
interface Slice {
  readonly event: TraceEvent;
  readonly start: number;
  readonly end: number;
}

/**
 * The events as Chrome's trace-event JSON: one process a device, and in it one row for each kind of work. Slices of one
 * thread must not overlap, so that a row has further threads below it (`transfers 2`) where several things of its kind
 * go on at once.
 */
export function chromeTrace(events: readonly TraceEvent[]): string {
  const origin = events.reduce((least, { startUs }) => Math.min(least, startUs), Number.POSITIVE_INFINITY);
  const nanoseconds = (us: number): number => Math.round((us - origin) * 1000);
  const byDevice = new Map<DeviceName, Slice[]>();
  for (const event of events) {
    const slice = { event, start: nanoseconds(event.startUs), end: nanoseconds(event.endUs) };
    const own = byDevice.get(event.device);
    if (own === undefined) byDevice.set(event.device, [slice]);
    else own.push(slice);
  }
  const devices = [...byDevice].sort(([a], [b]) => compareDevices(a, b));
  const traceEvents = devices.flatMap(([device, slices], i) => deviceEvents(device, slices, i + 1));
  return JSON.stringify({ displayTimeUnit: 'ms', traceEvents });
}

function deviceEvents(device: DeviceName, slices: readonly Slice[], pid: number): ChromeEvent[] {
  const out: ChromeEvent[] = [
    { name: 'process_name', ph: 'M', pid, args: { name: device } },
    { name: 'process_sort_index', ph: 'M', pid, args: { sort_index: pid } },
  ];
  let tid = 0;
  for (const { name, kinds } of ROWS) {
    const lanes = lanesOf(slices.filter(({ event }) => kinds.includes(event.kind)));
    for (const [i, lane] of lanes.entries()) {
      tid += 1;
      const label = i === 0 ? name : `${name} ${i + 1}`;
      out.push({ name: 'thread_name', ph: 'M', pid, tid, args: { name: label } });
      out.push({ name: 'thread_sort_index', ph: 'M', pid, tid, args: { sort_index: tid } });
      for (const slice of lane) out.push(chromeEvent(slice, pid, tid));
    }
  }
  return out;
}

/** The slices in as few lanes as hold them without an overlap: each goes to the first lane that is free. */
function lanesOf(slices: readonly Slice[]): Slice[][] {
  const lanes: Slice[][] = [];
  for (const slice of [...slices].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const free = lanes.find((lane) => (lane.at(-1)?.end ?? 0) <= slice.start);
    if (free === undefined) lanes.push([slice]);
    else free.push(slice);
  }
  return lanes;
}

function chromeEvent({ event, start, end }: Slice, pid: number, tid: number): ChromeEvent {
  const { name, kind, nodes, run, entry, task } = event;
  const args = {
    entry,
    run,
    ...(task === undefined ? {} : { task }),
    ...(nodes === undefined ? {} : { nodes }),
  };
  return { name, ph: 'X', cat: kind, pid, tid, ts: start / 1000, dur: (end - start) / 1000, args };
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

/** Figures of the runs of one entry, of all tasks where there are several. */
export function summarizeTrace(events: readonly TraceEvent[], entry: EntryName = 'step'): TraceSummary {
  const ours = events.filter((event) => event.entry === entry);
  const runs = new Set(ours.map(({ task = '', run }) => `${run} ${task}`)).size;
  const devices = [...new Set(ours.map(({ device }) => device))].sort(compareDevices);
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
