import {
  builtinRegistry,
  type DeviceName,
  type LinkedModule,
  type Module,
  type Node,
  type NodeId,
  type OpRegistry,
  PlacewrightError,
  type TaskName,
  type TensorRef,
} from '@placewright/ir';
import { checkOneToOne, type DeviceNames, hostOf, SAME_DEVICES, tensorflowDevice } from '../device.js';
import { rowOf } from '../ops/table.js';
import type { GraphDef } from '../proto/messages.js';
import { type GraphSidecar, SIDECAR_VERSION } from '../sidecar.js';
import { describeBuffers } from './buffers.js';
import { writeCollective } from './collective.js';
import { describeEntries, describeModule, withPort } from './describe.js';
import { writeForeign, writeJoinOfOne, writeOp } from './op.js';
import { writeRandom } from './random.js';
import { describeVariables, writeHandles } from './resources.js';
import { type CollectiveForm, nameOf, startWriting, tensorText, type Writing } from './writing.js';

/** The version of GraphDefs that TensorFlow 2.21 writes. */
export const PRODUCER = 1882;

export interface GraphDefOptions {
  readonly registry?: OpRegistry;
  /**
   * What devices are called in the graph, one to one, where a target has others than the module was compiled for:
   * `/device:GPU:0` → `/device:CPU:1`. The sidecar records it.
   */
  readonly devices?: DeviceNames;
  /** How all-reduces are written; `nccl` unless given. */
  readonly collectives?: CollectiveForm;
  /**
   * Mixed into the numbers by which collectives are known: another one for each time that a graph is loaded, where servers
   * go on and tasks come back as new ones.
   */
  readonly salt?: string;
  /** Whether the graph has nodes beside the module's own that read and set each variable and each buffer; false unless given. */
  readonly access?: boolean;
  /** Whether the sidecar says all that makes the module whole again; true unless given. */
  readonly whole?: boolean;
}

export interface WrittenGraph {
  readonly graph: GraphDef;
  readonly sidecar: GraphSidecar;
  /** What our nodes are called in the graph. */
  readonly nodeNames: ReadonlyMap<NodeId, string>;
  /** What stands for a tensor of the module in the graph, `node:0`. */
  readonly tensorName: (ref: TensorRef) => string;
}

/**
 * A module as a GraphDef, one node for one, with what a GraphDef has no place for in a sidecar. It should be lowered:
 * devices are written as they are, and abstract ops are refused.
 * Throws PW_GRAPHDEF_OP, PW_GRAPHDEF_NAME, PW_GRAPHDEF_DEVICES, PW_GRAPHDEF_HANDLE, PW_GRAPHDEF_COLLECTIVE, PW_ATTR_*.
 */
export function toGraphDef(module: Module, options: GraphDefOptions = {}): WrittenGraph {
  return write(module, options).written;
}

/** The entries of one task of a cluster, by the names of the graph. */
export interface TaskEntries {
  readonly task: TaskName;
  readonly entries: GraphSidecar['entries'];
}

/**
 * The modules of a whole cluster, linked, as one GraphDef. The sidecar has the entries of all tasks together, `tasks` those
 * of each by itself. Throws as `toGraphDef`.
 */
export function linkedGraphDef(
  { module, tasks }: LinkedModule,
  options: GraphDefOptions = {},
): WrittenGraph & { readonly tasks: readonly TaskEntries[] } {
  const { writing, written } = write(module, options);
  const own = tasks.map(({ task, entries }) => ({ task, entries: describeEntries(writing, entries) }));
  return { ...written, tasks: own };
}

function write(module: Module, options: GraphDefOptions): { writing: Writing; written: WrittenGraph } {
  const { registry = builtinRegistry, devices = SAME_DEVICES, collectives = 'nccl', salt = '' } = options;
  checkOneToOne(graphDevices(module), devices);
  const writing = startWriting(module, { registry, devices, collectives, salt });
  writeHandles(writing);
  for (const node of module.graph.nodes.values()) writeNode(writing, node);
  const variables = describeVariables(writing, options.access ?? false);
  const buffers = describeBuffers(writing, options.access ?? false);
  const sidecar: GraphSidecar = {
    format: 'placewright-graphdef',
    version: SIDECAR_VERSION,
    name: module.name,
    entries: describeEntries(writing, module.entries),
    variables,
    buffers,
    devices: renamed(module, devices),
    module: options.whole === false ? null : describeModule(writing),
  };
  const tensorName = (ref: TensorRef): string => withPort(tensorText(writing, ref));
  const { nodeNames } = writing;
  return { writing, written: { graph: graphOf(writing), sidecar, nodeNames, tensorName } };
}

function graphOf({ nodes, functions }: Writing): GraphDef {
  return {
    node: nodes,
    versions: { producer: PRODUCER, minConsumer: 0 },
    ...(functions.size === 0 ? {} : { library: { function: [...functions.values()], gradient: [] } }),
  };
}

/** Devices that something in the graph runs on: those of the module, and their hosts where random numbers are drawn. */
export function graphDevices(module: Module): Set<DeviceName> {
  const devices = new Set<DeviceName>();
  for (const { op, device } of module.graph.nodes.values()) {
    devices.add(device);
    if (rowOf(op)?.kind === 'expansion') devices.add(hostOf(device));
  }
  for (const { device } of module.resources.values()) devices.add(device);
  return devices;
}

function renamed(module: Module, names: DeviceNames): GraphSidecar['devices'] {
  return [...graphDevices(module)].flatMap((device) => {
    const name = names.get(device);
    return name === undefined || name === device ? [] : [{ module: device, graph: tensorflowDevice(name) }];
  });
}

function writeNode(writing: Writing, node: Node): void {
  try {
    const row = rowOf(node.op);
    if (row === undefined) writeForeign(writing, node);
    else if (row.kind === 'refusal') throw refused(node, row);
    else if (row.kind === 'expansion') writeRandom(writing, node);
    else if (node.op === 'ConcatV2' && node.inputs.length === 1) writeJoinOfOne(writing, node);
    else if (node.op === 'NcclAllReduce' && writing.collectives === 'collective')
      writeCollective(writing, node);
    else writeOp(writing, node, row);
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ node: nameOf(writing, node.id) }) : error;
  }
}

function refused(
  { op }: Node,
  { why, hint }: { readonly why: string; readonly hint: string },
): PlacewrightError {
  return new PlacewrightError('PW_GRAPHDEF_OP', `a GraphDef cannot have ${op}: ${why}`, { hint });
}
