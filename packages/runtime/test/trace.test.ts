import { describe, expect, test } from 'vitest';
import { chromeTrace, summarizeTrace, type TraceEvent } from '../src/trace.js';
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

describe('a trace', () => {
  test('as Chrome’s trace events: named rows, microseconds from the first one', () => {
    const { traceEvents } = JSON.parse(
      chromeTrace([event(GPU1, 'region', 500, 700), event(GPU0, 'transfer', 400, 450)]),
    ) as {
      traceEvents: {
        ph: string;
        pid: number;
        tid: number;
        ts?: number;
        dur?: number;
        args?: Record<string, unknown>;
      }[];
    };
    const named = traceEvents.filter(({ ph }) => ph === 'M').map(({ pid, args }) => [pid, args?.name]);
    expect(named).toContainEqual([1, GPU0]);
    expect(named).toContainEqual([2, GPU1]);
    expect(
      traceEvents
        .filter(({ ph }) => ph === 'X')
        .map(({ pid, tid, ts, dur, args }) => ({ pid, tid, ts, dur, args })),
    ).toEqual([
      { pid: 2, tid: 0, ts: 100, dur: 200, args: { entry: 'step', run: 0, nodes: 3 } },
      { pid: 1, tid: 1, ts: 0, dur: 50, args: { entry: 'step', run: 0 } },
    ]);
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
