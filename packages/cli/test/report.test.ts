import { describe, expect, it } from 'vitest';
import { lineChart, runningMean } from '../src/report/chart.js';
import { escapeHtml, htmlTable, scriptJson } from '../src/report/html.js';
import { reportPage } from '../src/report/page.js';
import { devicePicture } from '../src/report/picture.js';
import { linearScale, logScale } from '../src/report/scale.js';
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
    expect(logScale(1e-9, 3).ticks).toEqual([1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10]);
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
