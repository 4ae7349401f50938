import type { DeviceName, Node, NodeId, OpRegistry, Resource, ResourceId, TensorRef } from '@placewright/ir';
import { PlacewrightError } from '@placewright/ir';
import { irDevice } from '../device.js';
import type { GraphSidecar, SidecarNode } from '../sidecar.js';
import type { GraphNode, GraphTensor } from './nodes.js';
import { shown } from './nodes.js';

/** A module while it is read. */
export interface Reading {
  readonly registry: OpRegistry;
  readonly graph: ReadonlyMap<string, GraphNode>;
  readonly sidecar: GraphSidecar | null;
  /** What the sidecar says of each node, by its name in the graph. */
  readonly described: ReadonlyMap<string, SidecarNode>;
  readonly renamedDevices: ReadonlyMap<string, DeviceName>;
  /** Outputs that some node takes: the highest port of each. */
  readonly usedPorts: ReadonlyMap<string, number>;
  readonly ids: Map<string, NodeId>;
  readonly nodes: Map<NodeId, Node>;
  readonly resources: Map<ResourceId, Resource>;
  /** Resources by the nodes that give their handles. */
  readonly handles: Map<string, ResourceId>;
  /** Constants that became attributes. */
  readonly folded: Set<string>;
  /** Those of the node that is being read, until it is known to be what it seems. */
  folding: string[];
  /** Groups of colocated nodes, by node. */
  readonly groups: ReadonlyMap<string, string>;
  nextId: number;
}

/** The node of the graph that makes a tensor. */
export function producerOf({ graph }: Reading, { node }: GraphTensor): GraphNode {
  const found = graph.get(node);
  if (found !== undefined) return found;
  throw new PlacewrightError('PW_GRAPHDEF_DANGLING', `there is no node ${shown(node)}`, {
    hint: 'the file is damaged, or only a part of a graph: write the whole graph',
  });
}

/** One of our tensors. Throws PW_GRAPHDEF_HANDLE for handles of resources, and parts of other nodes. */
export function refOf(reading: Reading, tensor: GraphTensor): TensorRef {
  const id = reading.ids.get(tensor.node);
  const producer = id === undefined ? undefined : reading.nodes.get(id);
  if (producer !== undefined && producer.outputs.length <= tensor.port) throw noOutput(tensor, producer);
  if (producer !== undefined) return { node: producer.id, port: tensor.port };
  const { op } = producerOf(reading, tensor);
  throw new PlacewrightError(
    'PW_GRAPHDEF_HANDLE',
    `${shown(tensor.node)} (${op}) is taken as a tensor, which it is not in the IR`,
    {
      hint: 'handles of variables and queues go to ops on these; what stands for a part of another op goes to that op',
    },
  );
}

function noOutput({ node, port }: GraphTensor, { op, outputs }: Node): PlacewrightError {
  return new PlacewrightError(
    'PW_GRAPHDEF_DANGLING',
    `output ${port} of ${shown(node)} is taken, and ${op} has ${outputs.length}`,
    { hint: 'the file is damaged, or of a later TensorFlow whose op has more outputs' },
  );
}

export function idOf({ ids, described }: Reading, name: string, next: () => NodeId): NodeId {
  const known = ids.get(name);
  if (known !== undefined) return known;
  const id = described.get(name)?.id ?? next();
  ids.set(name, id);
  return id;
}

export function deviceOf({ renamedDevices }: Reading, device: string): DeviceName {
  return renamedDevices.get(device) ?? irDevice(device);
}
