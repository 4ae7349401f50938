import type { Attr, Attrs } from '../attr.js';
import type { Cluster } from '../cluster.js';
import { constantHash, INLINE_ELEMENTS } from '../constants.js';
import type { DeviceName } from '../device.js';
import { canonicalDevice } from '../device.js';
import { unreachable } from '../errors.js';
import {
  type Decision,
  ENTRY_NAMES,
  type Entry,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  type Origin,
  type Resource,
  type Role,
  resourceName,
  type TensorRef,
} from '../graph.js';
import type { Dim, TensorType } from '../shape.js';
import type { TensorValue } from '../tensor.js';
import type { TrainingSpec } from '../training.js';
import { float32Text, floatText, intText, nameText, quote, stringText } from './scalars.js';

/** Version of the text form, in its first line. */
export const TEXT_VERSION = 1;
/** Targets of a round on one line. */
const TARGETS_PER_LINE = 8;

/** A module as text, with the constants that the text names by their hash. */
export interface PrintedModule {
  readonly text: string;
  readonly constants: ReadonlyMap<string, TensorValue>;
}

/**
 * The whole module as text, one node a line; `parseModule` reads the same module back. Constants of more than
 * `INLINE_ELEMENTS` elements go into `constants`. Never throws, also for modules that are not valid.
 */
export function printModule(module: Module): PrintedModule {
  const constants = new Map<string, TensorValue>();
  const lines = headerLines(module);
  for (const resource of module.resources.values()) lines.push(printResource(resource));
  for (const node of module.graph.nodes.values()) {
    lines.push(printNode(node));
    collectConstants(node.attrs, constants);
  }
  for (const name of ENTRY_NAMES) {
    const entry = module.entries[name];
    if (entry !== undefined) lines.push(...entryLines(entry));
  }
  for (const role of module.roles) lines.push(roleLine(role));
  for (const decision of module.decisions) lines.push(decisionLine(decision));
  lines.push('end', '');
  return { text: lines.join('\n'), constants };
}

/** The lines of the given nodes, in the order of the ids; ids of no node give none. */
export function printNodes(module: Module, ids: Iterable<NodeId>): string[] {
  const lines: string[] = [];
  for (const id of ids) {
    const node = module.graph.nodes.get(id);
    if (node !== undefined) lines.push(printNode(node));
  }
  return lines;
}

/** A node's line with up to `k` lines before and after it, for errors; empty when there is no such node. */
export function excerptAround(module: Module, id: NodeId, k = 2): string[] {
  if (!module.graph.nodes.has(id)) return [];
  const ids = [...module.graph.nodes.keys()];
  const at = ids.indexOf(id);
  return printNodes(module, ids.slice(Math.max(0, at - k), at + k + 1)).map((line) =>
    line.length > 240 ? `${line.slice(0, 239)}…` : line,
  );
}

function collectConstants(attrs: Attrs, constants: Map<string, TensorValue>): void {
  for (const attr of attrs.values()) {
    if (attr.kind === 'tensor' && attr.value.data.length > INLINE_ELEMENTS) {
      constants.set(constantHash(attr.value), attr.value);
    }
  }
}

function headerLines(module: Module): string[] {
  const { name, towers, nextId, established, training, cluster, task } = module;
  const lines = [
    `placewright ${TEXT_VERSION}`,
    `module ${quote(name)} towers=${intText(towers)} next=${intText(nextId)}`,
  ];
  if (established.length > 0) lines.push(`established ${established.map(nameText).join(' ')}`);
  if (training !== null) lines.push(trainingLine(training));
  if (cluster !== null) lines.push(...clusterLines(cluster));
  if (task !== null) lines.push(`for ${quote(task.job)} ${intText(task.index)}`);
  return lines;
}

function trainingLine({ optimizer, weightDecay, clip }: TrainingSpec): string {
  const fields = [`optimizer=${optimizer.kind}`];
  for (const [key, value] of Object.entries(optimizer)) {
    if (key !== 'kind') fields.push(`${key}=${typeof value === 'number' ? floatText(value) : value}`);
  }
  fields.push(`weightDecay=${floatText(weightDecay)}`, `clip=${clip.kind}`);
  if (clip.kind !== 'none') fields.push(`limit=${floatText(clip.limit)}`);
  return `training ${fields.join(' ')}`;
}

function clusterLines({ jobs, links }: Cluster): string[] {
  const lines = ['cluster'];
  for (const job of jobs) {
    lines.push(`  job ${quote(job.name)}`);
    for (const { index, address, devices } of job.tasks) {
      lines.push(`    task ${intText(index)}${address === undefined ? '' : ` address=${quote(address)}`}`);
      for (const { type, index: at, memory } of devices) {
        const size = memory === undefined ? '' : ` memory=${floatText(memory)}`;
        lines.push(`      device ${nameText(type)} ${intText(at)}${size}`);
      }
    }
  }
  for (const { a, b, bandwidth, latency } of links) {
    const speed = `bandwidth=${floatText(bandwidth)} latency=${floatText(latency)}`;
    lines.push(`  link ${quote(a)} ${quote(b)} ${speed}`);
  }
  return lines;
}

/** A resource's line. */
export function printResource(resource: Resource): string {
  const head = `%${resource.id} = ${resource.kind} ${resourceBody(resource)}`;
  const fields = [
    head + deviceText(resource.device),
    quote(resourceName(resource)),
    ...resourceFields(resource),
  ];
  if (resource.container !== '') fields.push(`container=${quote(resource.container)}`);
  if (resource.replica !== null) fields.push(`replica=${intText(resource.replica)}`);
  return [...fields, originText(resource.origin)].join(' ');
}

function resourceBody(resource: Resource): string {
  switch (resource.kind) {
    case 'variable':
      return typeText(resource);
    case 'stagingArea':
    case 'queue':
      return `(${resource.types.map(typeText).join(', ')}) capacity=${intText(resource.capacity)}`;
    case 'barrier':
      return `parties=${intText(resource.parties)}`;
    default:
      return unreachable(resource);
  }
}

function resourceFields(resource: Resource): string[] {
  if (resource.kind !== 'variable') return [];
  const { scope, trainable, collection, slotOf, savedAs } = resource;
  const fields: string[] = [];
  if (scope !== '') fields.push(`scope=${nameText(scope)}`);
  if (trainable) fields.push('trainable=true');
  if (collection === 'local') fields.push('collection=local');
  if (slotOf !== null) fields.push(`slotOf=%${slotOf}`);
  if (savedAs !== null) fields.push(`savedAs=${quote(savedAs)}`);
  return fields;
}

/** A node's line. */
export function printNode(node: Node): string {
  const parts = [`%${node.id} = ${nameText(node.op)}${resourceList(node)}(${argumentList(node)})`];
  if (node.attrs.size > 0) parts.push(attrsText(node.attrs));
  if (node.outputs.length > 0) parts.push(`-> ${node.outputs.map(typeText).join(', ')}`);
  const head = parts.join(' ') + deviceText(node.device);
  const fields = [head, quote(nodeName(node))];
  if (node.replica !== null) fields.push(`replica=${intText(node.replica)}`);
  if (node.phase !== 'forward') fields.push(`phase=${node.phase}`);
  if (node.group !== '') fields.push(`group=${nameText(node.group)}`);
  if (node.variable !== null) fields.push(`variable=${nameText(node.variable)}`);
  if (node.colocation !== null) fields.push(`colocation=${nameText(node.colocation)}`);
  fields.push(originText(node.origin));
  return fields.join(' ');
}

function resourceList({ resources }: Node): string {
  return resources.length === 0 ? '' : `[${resources.map((id) => `%${id}`).join(', ')}]`;
}

function argumentList({ inputs, controls }: Node): string {
  return [...inputs.map(refText), ...controls.map((id) => `^%${id}`)].join(', ');
}

function originText({ pass, from, reason }: Origin): string {
  const sources = from.length === 0 ? '' : ` from=[${from.map((id) => `%${id}`).join(', ')}]`;
  return `by=${nameText(pass)}${sources} why=${quote(reason)}`;
}

function refText({ node, port }: TensorRef): string {
  return port === 0 ? `%${node}` : `%${node}:${intText(port)}`;
}

/** ` @/device:GPU:0`; quoted where it is no canonical name, so that a broken module can be shown. */
function deviceText(device: DeviceName): string {
  if (device === '') return '';
  return isCanonical(device) ? ` @${device}` : ` @${quote(device)}`;
}

const canonical = new Map<DeviceName, boolean>();

function isCanonical(device: DeviceName): boolean {
  const known = canonical.get(device);
  if (known !== undefined) return known;
  let result = false;
  try {
    result = canonicalDevice(device) === device;
  } catch {
    // Not a device name at all; the verifier says so.
  }
  if (canonical.size < 10_000) canonical.set(device, result);
  return result;
}

function dimsText(dims: readonly Dim[]): string {
  return `[${dims.map((dim) => (dim === null ? '?' : intText(dim))).join(', ')}]`;
}

function typeText({ dtype, shape }: TensorType): string {
  return dtype + dimsText(shape);
}

function attrsText(attrs: Attrs): string {
  const items: string[] = [];
  for (const [name, attr] of attrs) items.push(`${nameText(name)}=${attrText(attr)}`);
  return `{${items.join(', ')}}`;
}

/** An attribute's value with its type in its looks: `3`, `3.0`, `true`, `SAME`, `float32`, `shape[?, 3]`, `[1, 2]`. */
export function attrText(attr: Attr): string {
  switch (attr.kind) {
    case 'int':
      return intText(attr.value);
    case 'float':
      return floatText(attr.value);
    case 'bool':
      return String(attr.value);
    case 'string':
      return stringText(attr.value);
    case 'dtype':
      return attr.value;
    case 'shape':
      return `shape${dimsText(attr.value)}`;
    case 'ints':
      return listText('ints', attr.value.map(intText));
    case 'floats':
      return listText('floats', attr.value.map(floatText));
    case 'strings':
      return listText('strings', attr.value.map(quote));
    case 'tensor':
      return tensorText(attr.value);
    default:
      return unreachable(attr);
  }
}

const listText = (kind: string, items: readonly string[]): string =>
  `${items.length === 0 ? kind : ''}[${items.join(', ')}]`;

function tensorText(value: TensorValue): string {
  const { dtype, shape, data } = value;
  if (data.length > INLINE_ELEMENTS) return `${dtype}${dimsText(shape)}(${constantHash(value)})`;
  const single = dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16';
  const items = Array.from(data as ArrayLike<number | bigint>, (item) => {
    if (typeof item === 'bigint') return String(item);
    if (single) return float32Text(item);
    return dtype === 'float64' ? floatText(item) : intText(item);
  });
  return `${dtype}${dimsText(shape)}(${items.join(', ')})`;
}

function entryLines({ name, feeds, fetches, rounds }: Entry): string[] {
  const lines = [`entry ${name}`];
  for (const feed of feeds) lines.push(`  feed ${quote(feed.name)} %${feed.node}`);
  for (const fetch of fetches) lines.push(`  fetch ${quote(fetch.name)} ${refText(fetch.tensor)}`);
  for (const round of rounds) {
    lines.push('  round');
    for (let i = 0; i < round.length; i += TARGETS_PER_LINE) {
      const targets = round.slice(i, i + TARGETS_PER_LINE);
      lines.push(`    run ${targets.map((id) => `%${id}`).join(' ')}`);
    }
  }
  return lines;
}

function roleLine(role: Role): string {
  switch (role.kind) {
    case 'loss':
      return `role loss ${refText(role.tensor)}${replicaText(role.replica)}`;
    case 'gradient':
    case 'aggregated':
      return `role ${role.kind} ${refText(role.tensor)} ${quote(role.variable)}${replicaText(role.replica)}`;
    case 'apply':
    case 'update':
    case 'initializer':
      return `role ${role.kind} %${role.node} ${quote(role.variable)}${replicaText(role.replica)}`;
    case 'globalStep':
      return `role globalStep %${role.node}`;
    default:
      return unreachable(role);
  }
}

function replicaText(replica: number | null): string {
  return replica === null ? '' : ` replica=${intText(replica)}`;
}

function decisionLine({ pass, about, subject, chosen, candidates, rule, option }: Decision): string {
  const choice = candidates.map(({ name, load }) => `${quote(name)}: ${floatText(load)}`).join(', ');
  const from = candidates.length === 0 ? '' : ` of {${choice}}`;
  return `decision ${nameText(pass)} ${about} %${subject} ${quote(chosen)}${from} rule=${quote(rule)} option=${quote(option)}`;
}
