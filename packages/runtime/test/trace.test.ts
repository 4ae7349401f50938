import { batches, lookupModel, synthetic } from '@placewright/models';
import { compile } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { chromeTrace, summarizeTrace, type TraceEvent } from '../src/trace.js';
import { train } from '../src/train-loop.js';
import { copied, floats, GPU0, GPU1, moduleOf } from './build.js';
import { loadInline } from './inline.js';

const event = (
  device: string,
  kind: TraceEvent['kind'],
  startUs: number,
  endUs: number,
  run = 0,
): TraceEvent => ({
  name: `${kind} at ${startUs}`,
  device,
  kind,
  startUs,
  endUs,
  run,
  entry: 'step',
  ...(kind === 'region' ? { nodes: 3 } : {}),
});

interface ChromeEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

const chromeEvents = (events: readonly TraceEvent[]): ChromeEvent[] =>
  JSON.parse(chromeTrace(events)).traceEvents;

const slices = (events: readonly ChromeEvent[]) =>
  events.filter(({ ph }) => ph === 'X').map(({ pid, tid, ts, dur, args }) => ({ pid, tid, ts, dur, args }));

/** Pairs of slices of one thread of which neither holds the other, and which are not apart. */
function overlaps(events: readonly ChromeEvent[]): unknown[] {
  const all = slices(events).map(({ pid, tid, ts, dur }) => {
    // Nanoseconds, as viewers reckon.
    const start = Math.round(ts * 1000);
    return { thread: `${pid} ${tid}`, start, end: start + Math.round(dur * 1000) };
  });
  return all.flatMap((a, i) =>
    all
      .slice(i + 1)
      .filter((b) => {
        if (a.thread !== b.thread) return false;
        const apart = a.end <= b.start || b.end <= a.start;
        const nested = (a.start <= b.start && b.end <= a.end) || (b.start <= a.start && a.end <= b.end);
        return !apart && !nested;
      })
      .map((b) => [a, b]),
  );
}

describe('a trace', () => {
  test('as Chrome’s trace events: named rows, microseconds from the first one', () => {
    const traceEvents = chromeEvents([event(GPU1, 'region', 500, 700), event(GPU0, 'transfer', 400, 450)]);
    expect(traceEvents.filter(({ ph }) => ph === 'M')).toEqual(
      [
        [1, GPU0, 'transfers'],
        [2, GPU1, 'compute'],
      ].flatMap(([pid, device, row]) => [
        { name: 'process_name', ph: 'M', pid, args: { name: device } },
        { name: 'process_sort_index', ph: 'M', pid, args: { sort_index: pid } },
        { name: 'thread_name', ph: 'M', pid, tid: 1, args: { name: row } },
        { name: 'thread_sort_index', ph: 'M', pid, tid: 1, args: { sort_index: 1 } },
      ]),
    );
    expect(slices(traceEvents)).toEqual([
      { pid: 1, tid: 1, ts: 0, dur: 50, args: { entry: 'step', run: 0 } },
      { pid: 2, tid: 1, ts: 100, dur: 200, args: { entry: 'step', run: 0, nodes: 3 } },
    ]);
  });

  test('gives what goes on at once rows of its own, and no more of them than it takes', () => {
    const traceEvents = chromeEvents([
      event(GPU0, 'transfer', 0, 10),
      event(GPU0, 'transfer', 5, 15),
      event(GPU0, 'transfer', 10, 12),
      event(GPU0, 'wait', 1, 11),
    ]);
    expect(slices(traceEvents).map(({ tid, ts }) => [tid, ts])).toEqual([
      [1, 0],
      [1, 10],
      [2, 5],
      [3, 1],
    ]);
    const rows = traceEvents.filter(({ name }) => name === 'thread_name').map(({ args }) => args?.name);
    expect(rows).toEqual(['transfers', 'transfers 2', 'waits']);
    expect(overlaps(traceEvents)).toEqual([]);
  });

  test('has devices in the order of their numbers', () => {
    const devices = [10, 2, 1].map((i) => `/device:GPU:${i}`);
    const events = devices.map((device) => event(device, 'region', 0, 1));
    const sorted = [...devices].reverse();
    const names = chromeEvents(events).filter(({ name }) => name === 'process_name');
    expect(names.map(({ args }) => args?.name)).toEqual(sorted);
    expect(summarizeTrace(events).devices.map(({ device }) => device)).toEqual(sorted);
  });

  test('of a training run has no slices of one thread that overlap', async () => {
    const { factory, input, batchSize } = lookupModel('tiny');
    const { imageSize, channels, classes } = input;
    const { module } = compile(factory(), { strategy: 'replicated', numGpus: 2 });
    const images = synthetic({ imageShape: [imageSize, imageSize, channels], classes });
    const [batch] = batches(images.train, { batchSize: 2 * batchSize });
    const session = await loadInline(module, { trace: true });
    const feeds = Array.from({ length: 2 }, () => new Map(Object.entries(batch ?? {})));
    await train(session, { module, steps: 2, feeds: feeds.values() });
    const traceEvents = chromeEvents(session.takeTrace());
    await session.close();
    expect(slices(traceEvents).length).toBeGreaterThan(50);
    expect(overlaps(traceEvents)).toEqual([]);
  });

  test('summed up: calls a run, and the share of time in which two devices computed', () => {
    const events = [
      event(GPU0, 'region', 0, 100),
      event(GPU1, 'region', 50, 150),
      event(GPU0, 'region', 1000, 1100, 1),
      event(GPU0, 'wait', 0, 5000, 1),
    ];
    const summary = summarizeTrace(events);
    expect(summary.runs).toBe(2);
    expect(
      summary.devices.map(({ device, regionsPerRun, regionMsPerRun }) => [
        device,
        regionsPerRun,
        regionMsPerRun,
      ]),
    ).toEqual([
      [GPU0, 1, 0.1],
      [GPU1, 0.5, 0.05],
    ]);
    expect(summary.overlap).toBeCloseTo(50 / 250);
    expect(summarizeTrace([])).toEqual({ runs: 0, devices: [], overlap: 0 });
  });

  test('of runs: regions with their nodes, copies and waits, taken once', async () => {
    const module = moduleOf((b) => {
      const x = b.op(
        'Neg',
        [b.op('Relu', [b.feed('x', 'float32', [1], GPU0)], {}, { device: GPU0 })],
        {},
        { device: GPU0 },
      );
      b.entry('step', { y: b.op('Neg', [copied(b, x, GPU1)], {}, { device: GPU1 }) }, []);
    });
    const session = await loadInline(module, { trace: true });
    for (let i = 0; i < 2; i++) await session.run('step', new Map([['x', floats(1)]]));
    const events = session.takeTrace();
    expect(session.takeTrace()).toEqual([]);
    await session.close();
    const regions = events.filter(({ kind }) => kind === 'region');
    expect(regions.map(({ device, nodes, run }) => [device, nodes, run])).toEqual([
      [GPU0, 2, 0],
      [GPU1, 1, 0],
      [GPU0, 2, 1],
      [GPU1, 1, 1],
    ]);
    expect(new Set(events.map(({ kind }) => kind))).toContain('transfer');
    expect(events.every(({ startUs, endUs }) => endUs >= startUs)).toBe(true);
  });
});
