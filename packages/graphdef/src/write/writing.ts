import {
  type DeviceName,
  getAttr,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  nodeOf,
  type OpRegistry,
  type Resource,
  type ResourceId,
  resourceName,
  type TensorRef,
} from '@placewright/ir';
import { entry, textAttr, textsAttr } from '../attr.js';
import { type DeviceNames, tensorflowDevice } from '../device.js';
import {
  CLASS_ATTR,
  CLASS_PREFIX,
  FOR_MARK,
  GROUP_MARK,
  INPUTS_MARK,
  NAME_MARK,
  RESOURCE_MARK,
} from '../marks.js';
import { type NameTable, nameTable, sharedName } from '../names.js';
import type { AttrEntry, FunctionDef, NodeDef } from '../proto/messages.js';

/** How all-reduces over devices are written: as NCCL's op, for GPUs, or as a collective, for any devices. */
export type CollectiveForm = 'nccl' | 'collective';

/** A GraphDef while it is written. */
export interface Writing {
  readonly module: Module;
  readonly registry: OpRegistry;
  readonly devices: DeviceNames;
  readonly collectives: CollectiveForm;
  readonly salt: string;
  readonly names: NameTable;
  /** Names of our nodes in the graph. */
  readonly nodeNames: ReadonlyMap<NodeId, string>;
  /** Names of the nodes that give the handles of variables and queues. */
  readonly handles: Map<ResourceId, string>;
  readonly nodes: NodeDef[];
  /** Functions by name. */
  readonly functions: Map<string, FunctionDef>;
  /** By group of colocated nodes; worked out when first needed, once all handles have names. */
  leaders?: ReadonlyMap<string, string>;
}

export function startWriting(
  module: Module,
  { registry, devices, collectives, salt }: Pick<Writing, 'registry' | 'devices' | 'collectives' | 'salt'>,
): Writing {
  const names = nameTable();
  const nodeNames = new Map<NodeId, string>();
  // First of all, so that they keep their names, whatever is added.
  for (const node of module.graph.nodes.values()) nodeNames.set(node.id, names.claim(nodeName(node)));
  const maps = { handles: new Map(), nodes: [], functions: new Map() };
  return { module, registry, devices, collectives, salt, names, nodeNames, ...maps };
}

export function nameOf(writing: Writing, id: NodeId): string {
  return writing.nodeNames.get(id) ?? nodeName(nodeOf(writing.module.graph, id));
}

/** Outputs of our batch normalisation that TensorFlow's leaves undefined in inference: they are its inputs. */
const GIVEN_PORTS: readonly number[] = [3, 4];

/** The tensor that stands for one of ours: mostly itself. */
function standIn({ module }: Writing, ref: TensorRef): TensorRef {
  let at = ref;
  while (GIVEN_PORTS.includes(at.port)) {
    const node = module.graph.nodes.get(at.node);
    if (node?.op !== 'FusedBatchNormV3' || getAttr(node, 'is_training', 'bool')) break;
    at = node.inputs[at.port] ?? at;
  }
  return at;
}

/** `node`, or `node:1` for a port other than the first. */
export function tensorText(writing: Writing, ref: TensorRef): string {
  return plainText(writing, standIn(writing, ref));
}

function plainText(writing: Writing, { node, port }: TensorRef): string {
  const name = nameOf(writing, node);
  return port === 0 ? name : `${name}:${port}`;
}

/** What a node takes in the module, where it takes something else in the graph. */
function inputMarks(writing: Writing, node: Node): AttrEntry[] {
  if (node.inputs.every((ref) => standIn(writing, ref) === ref)) return [];
  return [entry(INPUTS_MARK, textsAttr(node.inputs.map((ref) => plainText(writing, ref))))];
}

export function deviceText({ devices }: Writing, device: DeviceName): string {
  return tensorflowDevice(devices.get(device) ?? device);
}

/** The resources that a node acts on. */
export function resourcesOf({ module }: Writing, node: Node): Resource[] {
  return node.resources.flatMap((id) => module.resources.get(id) ?? []);
}

/** The control edges of one of our nodes, each once, and none to what it takes a tensor of anyway. */
export function controlTexts(writing: Writing, node: Node): string[] {
  return [...new Set(node.controls)].map((id) => `^${nameOf(writing, id)}`);
}

/**
 * The node that each group of colocated nodes goes with: a member, or a handle beside it, that the group is called after, or
 * else its first member.
 */
function groupLeaders({ module, nodeNames, handles }: Writing): Map<string, string> {
  const handleDevices = new Map<string, string>();
  for (const [id, name] of handles) handleDevices.set(name, module.resources.get(id)?.device ?? '');
  const leaders = new Map<string, string>();
  for (const { id, colocation: group, device } of module.graph.nodes.values()) {
    if (group === null) continue;
    const name = nodeNames.get(id) ?? '';
    if (name === group || handleDevices.get(group) === device) leaders.set(group, group);
    else if (!leaders.has(group)) leaders.set(group, name);
  }
  return leaders;
}

/** TensorFlow lets a node go with another node; the name of the group is written where it is another one. */
function groupAttrs(writing: Writing, node: Node): AttrEntry[] {
  if (node.colocation === null) return [];
  writing.leaders ??= groupLeaders(writing);
  const leader = writing.leaders.get(node.colocation) ?? '';
  const own = leader === nameOf(writing, node.id);
  return [
    ...(own ? [] : [entry(CLASS_ATTR, textsAttr([CLASS_PREFIX + leader]))]),
    ...(leader === node.colocation ? [] : [entry(GROUP_MARK, textAttr(node.colocation))]),
  ];
}

/** The name of a node where the graph has another one. */
function nameMarks(writing: Writing, node: Node): AttrEntry[] {
  const name = nodeName(node);
  return name === nameOf(writing, node.id) ? [] : [entry(NAME_MARK, textAttr(name))];
}

/** The name of a resource where its shared name is another one. */
export function resourceMarks(resource: Resource): AttrEntry[] {
  const name = resourceName(resource);
  return sharedName(name) === name ? [] : [entry(RESOURCE_MARK, textAttr(name))];
}

/** Something beside a node: a constant that it takes, or a part of what it becomes. */
export interface Part {
  /** Its name behind that of the node. */
  readonly suffix: string;
  readonly op: string;
  readonly inputs?: readonly string[];
  readonly attrs: readonly AttrEntry[];
  /** As the module calls it; the node's own when left out. */
  readonly device?: DeviceName;
}

/** Adds a part of a node; gives its name. */
export function addPart(writing: Writing, node: Node, part: Part): string {
  const owner = nameOf(writing, node.id);
  const name = writing.names.claim(`${owner}/${part.suffix}`);
  writing.nodes.push({
    name,
    op: part.op,
    input: part.inputs ?? [],
    device: deviceText(writing, part.device ?? node.device),
    attr: [...part.attrs, entry(FOR_MARK, textAttr(owner))],
  });
  return name;
}

/** Adds the node itself. */
export function addMain(
  writing: Writing,
  node: Node,
  main: { readonly op: string; readonly inputs: readonly string[]; readonly attrs: readonly AttrEntry[] },
): void {
  writing.nodes.push({
    name: nameOf(writing, node.id),
    op: main.op,
    input: [...main.inputs, ...controlTexts(writing, node)],
    device: deviceText(writing, node.device),
    attr: [
      ...main.attrs,
      ...inputMarks(writing, node),
      ...nameMarks(writing, node),
      ...groupAttrs(writing, node),
    ],
  });
}
