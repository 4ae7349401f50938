import type { Binding } from '@placewright/ir';
import type { DeviceSummary, Placement, Traffic } from '@placewright/passes';
import { formatBytes } from '../ui/numbers.js';
import { element, escapeHtml } from './html.js';

/** Devices drawn one by one; the rest share a box. */
const MAX_SHOWN = 6;
/** Devices in a row that can still be read on a narrow screen. */
const MAX_SHRUNK = 2;
/** Arcs between the devices of the row that get a label; more would run into each other. */
const MAX_LABELLED = 8;
const BOX = { width: 200, height: 92, gap: 36 };
const MARGIN = 16;
/** Room between the host and the row of devices, for what flows between them. */
const BETWEEN = 120;

interface Box {
  readonly lines: readonly [string, string, string, string];
  readonly x: number;
  readonly y: number;
}

/**
 * A picture of the devices: the host above, the others in a row, what each holds in its box, and arrows for the bytes
 * that go from one to another in a step.
 */
export function devicePicture(placement: Placement, bindings: readonly Binding[]): string {
  const groups = groupDevices(placement.devices);
  const boxes = layOut(groups, bindings);
  const flows = mergeTraffic(placement.traffic, groups);
  const row = groups.filter(({ host }) => !host).length;
  const arcs = flows.filter(({ from, to }) => !groups[from]?.host && !groups[to]?.host);
  const width = Math.max(row, 1) * (BOX.width + BOX.gap) - BOX.gap + 2 * MARGIN;
  const depth = arcs.reduce((most, flow) => Math.max(most, arcReach(flow, boxes)), 0);
  const height = Math.max(...boxes.map(({ y }) => y + BOX.height), BOX.height) + MARGIN + depth;
  const drawn = flows.map((flow) => drawFlow(flow, boxes, groups, arcs.length <= MAX_LABELLED));
  return element(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      class: row > MAX_SHRUNK ? 'picture many' : 'picture',
      width,
    },
    element('title', {}, 'Devices, what they hold, and the bytes that go between them in a step'),
    ARROW,
    ...drawn,
    ...boxes.map(drawBox),
  );
}

const ARROW = element(
  'defs',
  {},
  element(
    'marker',
    {
      id: 'arrow',
      viewBox: '0 0 8 8',
      refX: 7,
      refY: 4,
      markerWidth: 7,
      markerHeight: 7,
      orient: 'auto',
      markerUnits: 'userSpaceOnUse',
    },
    element('path', { class: 'head', d: 'M0 0L8 4L0 8z' }),
  ),
);

interface Group {
  readonly title: string;
  readonly devices: readonly DeviceSummary[];
  readonly host: boolean;
}

function groupDevices(devices: readonly DeviceSummary[]): Group[] {
  const isHost = ({ device }: DeviceSummary): boolean => device.includes('/device:CPU:');
  const hosts = devices.filter(isHost);
  const others = devices.filter((device) => !isHost(device)).sort((a, b) => indexOf(a) - indexOf(b));
  const shown = others.length > MAX_SHOWN ? others.slice(0, MAX_SHOWN - 1) : others;
  const rest = others.slice(shown.length);
  return [
    ...hosts.map((device) => ({ title: device.device, devices: [device], host: true })),
    ...shown.map((device) => ({ title: device.device, devices: [device], host: false })),
    ...(rest.length === 0 ? [] : [{ title: `${rest.length} more devices`, devices: rest, host: false }]),
  ];
}

function indexOf({ device }: DeviceSummary): number {
  return Number(/:(\d+)$/.exec(device)?.[1] ?? 0);
}

function layOut(groups: readonly Group[], bindings: readonly Binding[]): Box[] {
  const bound = new Map(bindings.map(({ device, target }) => [device, target]));
  const hosts = groups.filter(({ host }) => host).length;
  const inRow = groups.length - hosts;
  let [host, other] = [0, 0];
  return groups.map((group) => {
    const count = group.host ? hosts : inRow;
    const at = group.host ? host++ : other++;
    const offset = ((Math.max(inRow, 1) - count) * (BOX.width + BOX.gap)) / 2;
    return {
      x: MARGIN + offset + at * (BOX.width + BOX.gap),
      y: MARGIN + (group.host || hosts === 0 ? 0 : BOX.height + BETWEEN),
      lines: boxLines(group, bound),
    };
  });
}

function boxLines({ title, devices }: Group, bound: ReadonlyMap<string, string>): Box['lines'] {
  const sum = (field: 'variables' | 'variableBytes' | 'nodes' | 'updates'): number =>
    devices.reduce((total, device) => total + device[field], 0);
  const target = devices.length === 1 ? bound.get(title) : undefined;
  const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
  return [
    title,
    target ?? ' ',
    `${plural(sum('variables'), 'variable')}, ${formatBytes(sum('variableBytes'))}`,
    `${plural(sum('nodes'), 'node')}, ${plural(sum('updates'), 'update')} a step`,
  ];
}

function drawBox({ lines, x, y }: Box): string {
  const texts = lines.map((line, i) =>
    element(
      'text',
      { class: i === 0 ? 'name' : 'fact', x: x + BOX.width / 2, y: y + 22 + 20 * i, 'text-anchor': 'middle' },
      escapeHtml(shorten(line, 28)),
    ),
  );
  const whole = element('title', {}, escapeHtml(lines.join('\n')));
  const frame = element('rect', { class: 'box', x, y, width: BOX.width, height: BOX.height, rx: 8 });
  return element('g', {}, whole, frame, ...texts);
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

interface Flow {
  /** Indices of the groups. */
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly copies: number;
}

/** Traffic between groups; what stays within one is left out. */
function mergeTraffic(traffic: readonly Traffic[], groups: readonly Group[]): Flow[] {
  const groupOf = new Map(
    groups.flatMap(({ devices }, i) => devices.map(({ device }) => [device, i] as const)),
  );
  const flows = new Map<string, Flow>();
  for (const { from, to, bytes, copies } of traffic) {
    const [a, b] = [groupOf.get(from), groupOf.get(to)];
    if (a === undefined || b === undefined || a === b) continue;
    const known = flows.get(`${a} ${b}`);
    flows.set(`${a} ${b}`, {
      from: a,
      to: b,
      bytes: bytes + (known?.bytes ?? 0),
      copies: copies + (known?.copies ?? 0),
    });
  }
  return [...flows.values()];
}

function drawFlow(flow: Flow, boxes: readonly Box[], groups: readonly Group[], labelArcs: boolean): string {
  const [from, to] = [boxes[flow.from], boxes[flow.to]];
  if (from === undefined || to === undefined) return '';
  const names = [groups[flow.from]?.title, groups[flow.to]?.title].join(' → ');
  const title = element(
    'title',
    {},
    escapeHtml(`${names}: ${formatBytes(flow.bytes)} in ${flow.copies} copies a step`),
  );
  const inRow = from.y === to.y;
  const line = inRow ? arc(from, to) : straight(from, to);
  const crowded = inRow && !labelArcs;
  const width = strokeWidth(flow.bytes) / (crowded ? 2 : 1);
  const label = `${line.sign}${formatBytes(flow.bytes)}`;
  return element(
    'g',
    { class: crowded ? 'flow crowded' : 'flow' },
    title,
    element('path', { d: line.d, 'stroke-width': width, 'marker-end': 'url(#arrow)' }),
    crowded
      ? ''
      : element(
          'text',
          { x: line.label[0], y: line.label[1], 'text-anchor': line.anchor },
          escapeHtml(label),
        ),
  );
}

/** From 1 for a scalar to 5 for 100 MB. */
function strokeWidth(bytes: number): number {
  return Math.min(5, 1 + Math.log10(1 + bytes) / 2);
}

interface Line {
  readonly d: string;
  readonly label: readonly [number, number];
  /** Before the label. */
  readonly sign: '' | '↓ ' | '↑ ';
  readonly anchor: 'start' | 'middle' | 'end';
}

/** Between the host and a device: down on the left side, up on the right. */
function straight(from: Box, to: Box): Line {
  const down = to.y > from.y;
  const side = down ? -9 : 9;
  const [host, device] = down ? [from, to] : [to, from];
  const hostMiddle = host.x + BOX.width / 2;
  const x = device.x + BOX.width / 2 + side;
  // Lines leave the host spread over its width, in the order of the devices.
  const reach = BOX.width / 2 - 16;
  const lean = Math.max(-reach, Math.min(reach, (x - side - hostMiddle) / 4)) + side;
  const [top, bottom] = [host.y + BOX.height + 2, device.y - 3];
  const ends = [`${(hostMiddle + lean).toFixed(1)} ${top}`, `${x.toFixed(1)} ${bottom}`];
  const [a, b] = down ? ends : [...ends].reverse();
  // Labels stand over the device, on the side from which no line comes.
  const outer = x - side < hostMiddle - 1 ? -1 : 1;
  return {
    d: `M${a}L${b}`,
    sign: down ? '↓ ' : '↑ ',
    label: [x - side + outer * 20, device.y - (down ? 25 : 9)],
    anchor: outer < 0 ? 'end' : 'start',
  };
}

/** How far below the row an arc and its label go. */
function arcReach({ from, to }: Flow, boxes: readonly Box[]): number {
  const [a, b] = [boxes[from], boxes[to]];
  return a === undefined || b === undefined ? 0 : 0.75 * arcDepth(a, b) + 28;
}

/** Depth of an arc's handles, of which the arc reaches three quarters. */
function arcDepth(from: Box, to: Box): number {
  const apart = Math.round(Math.abs(to.x - from.x) / (BOX.width + BOX.gap));
  return (to.x > from.x ? 26 : 62) + 22 * apart;
}

/** Between two devices of the row: below them, deeper the farther apart, and back deeper than there. */
function arc(from: Box, to: Box): Line {
  const forward = to.x > from.x;
  const side = forward ? 14 : 34;
  const [x1, x2] = [from.x, to.x].map((x) => x + BOX.width / 2) as [number, number];
  const [start, end] = [x1 + (forward ? side : -side), x2 - (forward ? side : -side)];
  const y = from.y + BOX.height + 3;
  const depth = arcDepth(from, to);
  return {
    d: `M${start.toFixed(1)} ${y}C${start.toFixed(1)} ${y + depth} ${end.toFixed(1)} ${y + depth} ${end.toFixed(1)} ${y}`,
    sign: '',
    // Between the two arcs of a pair there is room for one label only.
    label: [(start + end) / 2, y + 0.75 * depth + (forward ? -7 : 17)],
    anchor: 'middle',
  };
}
