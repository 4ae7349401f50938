import { describe, expect, it } from 'vitest';
import { lower } from '../src/lower.js';
import { modelSettings } from '../src/options/settings.js';
import type { OptionValues } from '../src/options/table.js';
import { lineChart, runningMean } from '../src/report/chart.js';
import { escapeHtml, htmlTable, scriptJson } from '../src/report/html.js';
import { reportPage } from '../src/report/page.js';
import { devicePicture } from '../src/report/picture.js';
import { linearScale, logScale } from '../src/report/scale.js';
import { trafficTables } from '../src/report/traffic.js';
import { describeSettings } from '../src/train/run-report.js';
import { formatTick } from '../src/ui/numbers.js';
import { HOSTILE, sampleReport } from './sample-report.js';

describe('markup', () => {
  it('shows any text as text', () => {
    expect(escapeHtml('<b a="1">&\'</b>')).toBe('&lt;b a=&quot;1&quot;&gt;&amp;&#39;&lt;/b&gt;');
    expect(escapeHtml('a\u0000b\u0007')).toBe('a�b�');
    expect(htmlTable(['<i>'], [['<b>']])).not.toMatch(/<[ib]>/);
  });

  it('embeds any value as JSON that ends no element', () => {
    const value = { text: `</script><!--<script>&\u2028${HOSTILE}`, nested: [{ '<': '>' }] };
    const text = scriptJson(value);
    expect(text).not.toMatch(/[<>&\u2028]/);
    expect(JSON.parse(text)).toEqual(value);
  });
});

describe('scales', () => {
  it('have round ends around the values', () => {
    expect(linearScale(0, 800).ticks).toEqual([0, 200, 400, 600, 800]);
    expect(linearScale(0, 1).ticks).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(logScale(0.03, 2.4).ticks).toEqual([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]);
    expect(logScale(1e-9, 3).ticks).toEqual([1e-10, 1e-8, 1e-6, 1e-4, 0.01, 1, 100]);
    expect(logScale(20, 1.7e23).ticks).toEqual([1, 1e4, 1e8, 1e12, 1e16, 1e20, 1e24]);
    expect(linearScale(0, 2, 1).ticks).toEqual([0, 1, 2]);
  });

  it('map their ends to 0 and 1', () => {
    for (const scale of [linearScale(-3, 17), logScale(0.03, 2.4), linearScale(2, 2)]) {
      expect(scale.at(scale.ticks[0] as number)).toBeCloseTo(0);
      expect(scale.at(scale.ticks.at(-1) as number)).toBeCloseTo(1);
    }
  });
});

describe('the chart', () => {
  const spec = { title: 'loss', yLabel: 'loss', series: 'loss', format: String } as const;

  it('breaks its lines at values that are not finite', () => {
    const svg = lineChart({ ...spec, values: [1, 2, Number.NaN, 2, 1, Number.POSITIVE_INFINITY] });
    const [raw = ''] = /<path class="raw loss" d="([^"]*)"/.exec(svg)?.slice(1) ?? [];
    expect(raw.match(/M/g)).toHaveLength(2);
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('draws no more points than can be seen, and keeps the extremes', () => {
    const values = Array.from({ length: 20_000 }, (_, i) => (i === 7777 ? 9 : 1 + (i % 7) / 10));
    const svg = lineChart({ ...spec, values });
    const points = /<path class="raw loss" d="([^"]*)"/.exec(svg)?.[1]?.split(/[ML]/) ?? [];
    expect(points.length).toBeLessThan(600);
    const heights = points.slice(1).map((point) => Number(point.split(' ')[1]));
    expect(Math.min(...heights)).toBeLessThan(40);
  });

  it('says so when no step ran', () => {
    expect(lineChart({ ...spec, values: [] })).toContain('no step ran');
  });

  it('takes the mean of the steps around', () => {
    expect(runningMean([5, 5, 5])).toEqual([5, 5, 5]);
    const values = Array.from({ length: 400 }, (_, i) => i % 2);
    expect(runningMean(values)[200]).toBeCloseTo(0.5, 1);
  });
});

describe('the labels of an axis', () => {
  it('have room, however far a run diverges', () => {
    for (let power = -300; power <= 300; power += 7) {
      for (const reach of [1.5, 30, 1e4, 1e9, 1e40]) {
        const [low, high] = [10 ** power, Math.min(10 ** power * reach, 1e300)];
        if (high <= low) continue;
        const { ticks } = logScale(low, high);
        expect(ticks.length).toBeLessThanOrEqual(9);
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks[0]).toBeLessThanOrEqual(low * (1 + 1e-9));
        expect(ticks.at(-1)).toBeGreaterThanOrEqual(high * (1 - 1e-9));
        for (const tick of ticks) expect(formatTick(tick).length).toBeLessThanOrEqual(6);
      }
    }
    expect([0, 0.05, 10_000, 1e5, 2.5e9, 1e-9].map(formatTick)).toEqual([
      '0',
      '0.05',
      '10000',
      '1e5',
      '2.5e9',
      '1e-9',
    ]);
  });
});

describe('a run of one step', () => {
  it('is a point', () => {
    const svg = lineChart({ title: 'loss', yLabel: 'loss', series: 'loss', format: String, values: [2.4] });
    expect(svg.match(/<circle class="dot loss"/g)).toHaveLength(1);
    const many = lineChart({ title: 'loss', yLabel: 'loss', series: 'loss', format: String, values: [2, 3] });
    expect(many).not.toContain('<circle');
  });
});

describe('the traffic', () => {
  const flows = (devices: number) => {
    const names = Array.from({ length: devices }, (_, i) => `/device:GPU:${i}`);
    return names.flatMap((from) =>
      names.filter((to) => to !== from).map((to) => ({ from, to, bytes: 10, copies: 1 })),
    );
  };
  const tables = (devices: number, allReduce = false): string =>
    trafficTables({ devices: [], traffic: flows(devices) }, allReduce);
  const rows = (html: string): number => (html.match(/<tr>/g) ?? []).length;

  it('is a list of few flows, a matrix of many, and folded where devices are many', () => {
    expect(rows(tables(2))).toBe(1 + 2);
    expect(tables(2)).not.toContain('matrix');
    expect(rows(tables(9))).toBe(1 + 9);
    expect(tables(9)).toContain('matrix');
    const folded = tables(40);
    expect(folded).toMatch(/<summary>1552 smaller flows, 15\.5 kB in 1552 copies<\/summary>/);
    expect(rows(folded.slice(0, folded.indexOf('<details>')))).toBe(1 + 8);
    expect(rows(folded)).toBe(1 + 8 + 1 + 501);
    expect(tables(1)).toContain('Nothing goes');
  });

  it('tells how an all-reduce counts only where there is one', () => {
    expect(tables(3, true)).toContain('all-reduce');
    expect(tables(3, false)).not.toContain('all-reduce');
  });
});

describe('the picture', () => {
  const draw = (towers: number): string => {
    const { placement, bindings } = sampleReport({ towers });
    return devicePicture(placement, bindings);
  };

  it('has a box for each device and an arrow for each flow', () => {
    const svg = draw(2);
    expect(svg.match(/<rect class="box"/g)).toHaveLength(3);
    expect(svg.match(/<g class="flow">/g)).toHaveLength(6);
    expect(svg).toContain('cpu worker 1');
  });

  it('gathers devices that do not fit, without losing their traffic', () => {
    const svg = draw(40);
    expect(svg.match(/<rect class="box"/g)).toHaveLength(7);
    expect(svg).toContain('35 more devices');
    expect(svg).toContain('CPU:0 → 35 more devices: 3.5 MB in 70 copies');
  });

  it('draws a single device', () => {
    const { placement } = sampleReport({ towers: 1 });
    expect(devicePicture({ devices: placement.devices.slice(1), traffic: [] }, [])).not.toContain('NaN');
  });
});

describe('the page', () => {
  it('holds all of the run as data', () => {
    const report = sampleReport({ towers: 2, hostile: true });
    const page = reportPage(report);
    const data = /<script type="application\/json" id="run-data">(.*?)<\/script>/s.exec(page)?.[1] ?? '';
    expect(JSON.parse(data)).toEqual(JSON.parse(JSON.stringify(report)));
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toContain(HOSTILE);
  });

  it('asks for nothing from elsewhere and runs nothing', () => {
    const page = reportPage(sampleReport({ towers: 2 }));
    expect(page).not.toMatch(
      /https?:|@import|url\((?!#)|<link(?! rel="icon" href="data:,">)| on\w+=| style=/,
    );
    expect(page).toMatch(/Content-Security-Policy" content="default-src 'none'; style-src 'sha256-/);
  });

  it.each(['stopped', 'data', 'diverged'] as const)('says why a run ended: %s', (reason) => {
    expect(reportPage(sampleReport({ towers: 1, reason }))).toContain('class="notice"');
  });
});

it('says settings in words', async () => {
  const settings = (values: OptionValues) => {
    const chosen = modelSettings({ model: 'tiny', ...values }, false);
    const rows = describeSettings(chosen, lower(chosen).compilation);
    return rows.map(([name, value]) => `${name}: ${value}`).join('\n');
  };
  const server = settings({ numGpus: 2, stagedVars: true });
  expect(server).toContain(
    'variables: one set for all towers, each on the device that had the fewest elements',
  );
  expect(server).toContain('read: a step late');
  expect(server).toContain("gradients: mean of the towers' gradients, copied to where the variable is;");
  expect(settings({ numGpus: 1, batchSize: 1 })).toContain('towers: 1 of 1 image\n');
  expect(settings({ strategy: 'independent', numGpus: 2 })).toContain('gradients: not exchanged');
  expect(settings({ clipGlobalNorm: 2 })).toContain('clipping: global norm 2');
  expect(server).not.toMatch(/[a-z][A-Z]/);
});
