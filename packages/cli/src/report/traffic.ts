import { compareDevices, type DeviceName } from '@placewright/ir';
import type { Placement, Traffic } from '@placewright/passes';
import { formatBytes, plural } from '../ui/numbers.js';
import { element, escapeHtml, htmlTable } from './html.js';

/** Flows that are listed one by one; more go into a matrix. */
const MAX_LISTED = 8;
/** Devices of a matrix; with more of them the largest flows are listed, and the others folded away. */
const MAX_MATRIX = 12;
/** Rows that are folded away; what is left shares the last row. */
const MAX_FOLDED = 500;

const RING_NOTE =
  'An all-reduce counts as a ring moves it: 2·b·(n−1)/n bytes to and from each of its n members.';

/** What goes from which device to which in a step. */
export function trafficTables({ traffic }: Placement, allReduce: boolean): string {
  if (traffic.length === 0) {
    return element('p', { class: 'soft' }, 'Nothing goes from one device to another.');
  }
  const note = allReduce ? element('p', { class: 'soft' }, RING_NOTE) : '';
  return flowTables(traffic) + note;
}

function flowTables(traffic: readonly Traffic[]): string {
  const devices = [...new Set(traffic.flatMap(({ from, to }) => [from, to]))].sort(compareDevices);
  if (traffic.length > MAX_LISTED && devices.length <= MAX_MATRIX) return matrix(devices, traffic);
  const sorted = [...traffic].sort((a, b) => b.bytes - a.bytes);
  const rest = sorted.slice(MAX_LISTED);
  return list(sorted.slice(0, MAX_LISTED)) + (rest.length === 0 ? '' : folded(rest));
}

/** A row for each device that sends, a column for each that receives. */
function matrix(devices: readonly DeviceName[], traffic: readonly Traffic[]): string {
  const flows = new Map(traffic.map((flow) => [`${flow.from} ${flow.to}`, flow]));
  const corner = 'from ↓ to →';
  const rows = devices.map((from) => [
    from,
    ...devices.map((to) => {
      const flow = flows.get(`${from} ${to}`);
      return flow === undefined ? '' : formatBytes(flow.bytes);
    }),
  ]);
  return htmlTable([corner, ...devices], rows, {
    right: new Set(devices),
    caption: 'Bytes that go in a step from the device of a row to that of a column.',
    kind: 'matrix',
  });
}

function list(flows: readonly Traffic[], rest: readonly Traffic[] = []): string {
  const rows = flows.map(({ from, to, bytes, copies }) => [from, to, formatBytes(bytes), String(copies)]);
  if (rest.length > 0) {
    rows.push([`${rest.length} more`, '', formatBytes(sum(rest, 'bytes')), String(sum(rest, 'copies'))]);
  }
  return htmlTable(['from', 'to', 'bytes a step', 'copies'], rows, {
    right: new Set(['bytes a step', 'copies']),
  });
}

function folded(flows: readonly Traffic[]): string {
  const total = `${formatBytes(sum(flows, 'bytes'))} in ${plural(sum(flows, 'copies'), 'copy', 'copies')}`;
  return element(
    'details',
    {},
    element('summary', {}, escapeHtml(`${flows.length} smaller flows, ${total}`)),
    list(flows.slice(0, MAX_FOLDED), flows.slice(MAX_FOLDED)),
  );
}

function sum(flows: readonly Traffic[], field: 'bytes' | 'copies'): number {
  return flows.reduce((total, flow) => total + flow[field], 0);
}
