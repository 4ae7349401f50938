import { element, escapeHtml } from './html.js';
import { linearScale, logScale, type Scale } from './scale.js';

/** Values by step; those that are not finite leave a gap. */
export interface ChartSpec {
  readonly title: string;
  readonly yLabel: string;
  /** One value a step, from step 1 on. */
  readonly values: readonly number[];
  /** Class of both lines, which gives their colour. */
  readonly series: string;
  /** Fixed ends of the y axis; taken from the values when left out. */
  readonly range?: readonly [number, number];
  readonly format: (value: number) => string;
  /** A value of its own to compare with, drawn as a dashed line across. */
  readonly reference?: { readonly value: number; readonly label: string };
}

const WIDTH = 560;
const HEIGHT = 280;
const PLOT = { left: 60, right: 20, top: 12, bottom: 44 };
/** More points than pixels only make the page heavy. */
const MAX_POINTS = 500;
/** Ratio of the values from which on a straight axis hides the small ones. */
const LOG_RATIO = 12;

/** A curve over the steps as an SVG below its caption: each step pale, and their running mean. */
export function lineChart(spec: ChartSpec): string {
  const finite = spec.values.filter(Number.isFinite);
  if (finite.length === 0)
    return element('p', { class: 'empty' }, `No ${escapeHtml(spec.title)} to show: no step ran.`);
  const y = yScale(finite, spec);
  // One step alone stands in the middle, not at the edge.
  const x = linearScale(0, Math.max(2, spec.values.length), 1);
  const place: Place = (step, value) => [
    PLOT.left + x.at(step) * (WIDTH - PLOT.left - PLOT.right),
    HEIGHT - PLOT.bottom - y.at(value) * (HEIGHT - PLOT.top - PLOT.bottom),
  ];
  const smooth = runningMean(spec.values);
  const last = smooth.findLast(Number.isFinite) ?? 0;
  const chart = element(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', class: 'chart' },
    element('title', {}, escapeHtml(`${spec.title}: ${spec.format(last)} at step ${spec.values.length}`)),
    axes(x, y, place, spec),
    element('path', { class: `raw ${spec.series}`, d: path(spec.values, place) }),
    element('path', { class: `line ${spec.series}`, d: path(smooth, place) }),
    ...lonePoints(smooth, spec, place),
    spec.reference === undefined ? '' : referenceLine(spec.reference, x, place),
  );
  const label = `${spec.yLabel}${y.kind === 'log' ? ' (log scale)' : ''}`;
  return element('figcaption', {}, escapeHtml(label)) + chart;
}

/** A dot for each value that no line leads to: its neighbours are missing or not finite. */
function lonePoints(values: readonly number[], { series }: ChartSpec, place: Place): string[] {
  const finite = (i: number): boolean => Number.isFinite(values[i]);
  return values.flatMap((value, i) => {
    if (!finite(i) || finite(i - 1) || finite(i + 1)) return [];
    const [cx, cy] = place(i + 1, value);
    return [element('circle', { class: `dot ${series}`, cx, cy, r: 4 })];
  });
}

type Place = (step: number, value: number) => readonly [number, number];

function yScale(values: readonly number[], { range }: ChartSpec): Scale {
  if (range !== undefined) return linearScale(...range);
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  if (low > 0 && high / low > LOG_RATIO) return logScale(low, high);
  return linearScale(Math.min(0, low), high);
}

function axes(x: Scale, y: Scale, place: Place, spec: ChartSpec): string {
  const [left, bottom] = [PLOT.left, HEIGHT - PLOT.bottom];
  const right = WIDTH - PLOT.right;
  const rows = y.ticks.map((tick) => {
    const [, at] = place(0, tick);
    return (
      element('line', { class: 'grid', x1: left, x2: right, y1: at, y2: at }) +
      element(
        'text',
        { class: 'tick', x: left - 8, y: at + 4, 'text-anchor': 'end' },
        escapeHtml(spec.format(tick)),
      )
    );
  });
  const columns = x.ticks.map((tick) => {
    const at = left + x.at(tick) * (right - left);
    return element('text', { class: 'tick', x: at, y: bottom + 16, 'text-anchor': 'middle' }, String(tick));
  });
  return [
    ...rows,
    ...columns,
    element('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }),
    element(
      'text',
      { class: 'label', x: (left + right) / 2, y: HEIGHT - 6, 'text-anchor': 'middle' },
      'step',
    ),
  ].join('');
}

function referenceLine({ value, label }: { value: number; label: string }, x: Scale, place: Place): string {
  const [x1, y] = place(0, value);
  const [x2] = place(x.ticks.at(-1) ?? 1, value);
  // Beside a value near the top there is room below the line only.
  const below = y < PLOT.top + 24;
  return (
    element('line', { class: 'reference', x1, x2, y1: y, y2: y }) +
    element(
      'text',
      { class: 'reference-label', x: x2 - 6, y: below ? y + 16 : y - 6, 'text-anchor': 'end' },
      escapeHtml(label),
    )
  );
}

/** Mean of each value and those around it, over a tenth of the run at most; gaps stay gaps. */
export function runningMean(values: readonly number[]): number[] {
  const reach = Math.min(20, Math.floor(values.length / 20));
  return values.map((value, i) => {
    if (!Number.isFinite(value)) return value;
    // At the steep start the same reach on both sides, so that it is not drawn towards the middle.
    const near = Math.min(reach, i);
    const around = values.slice(i - near, i + near + 1).filter(Number.isFinite);
    return around.reduce((sum, each) => sum + each, 0) / around.length;
  });
}

function path(values: readonly number[], place: Place): string {
  let pen: 'M' | 'L' = 'M';
  const parts: string[] = [];
  for (const i of shownIndices(values)) {
    const value = values[i] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      pen = 'M';
      continue;
    }
    const [x, y] = place(i + 1, value);
    parts.push(`${pen}${x.toFixed(1)} ${y.toFixed(1)}`);
    pen = 'L';
  }
  return parts.join('');
}

/** Which points to draw: all, or the lowest and the highest of each of many equal parts. */
function shownIndices(values: readonly number[]): number[] {
  if (values.length <= MAX_POINTS) return [...values.keys()];
  const parts = MAX_POINTS / 2;
  const shown = new Set<number>([0, values.length - 1]);
  for (let part = 0; part < parts; part++) {
    const from = Math.floor((part * values.length) / parts);
    const to = Math.floor(((part + 1) * values.length) / parts);
    let [low, high] = [from, from];
    for (let i = from; i < to; i++) {
      if ((values[i] ?? 0) < (values[low] ?? 0)) low = i;
      if ((values[i] ?? 0) > (values[high] ?? 0)) high = i;
    }
    shown.add(low).add(high);
  }
  return [...shown].sort((a, b) => a - b);
}
