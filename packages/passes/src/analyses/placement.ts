import {
  compareDevices,
  type DeviceName,
  DTYPE_BYTES,
  elementCount,
  entryNodes,
  getAttr,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  type TensorType,
} from '@placewright/ir';

/** What one device holds and does in a step. Bytes; unknown batch dimensions count as the batch given. */
export interface DeviceSummary {
  readonly device: DeviceName;
  readonly variables: number;
  readonly variableBytes: number;
  readonly nodes: number;
  readonly updates: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Bytes that go from one device to another in a step, by transfers and by members of all-reduces. */
export interface Traffic {
  readonly from: DeviceName;
  readonly to: DeviceName;
  readonly bytes: number;
  readonly copies: number;
}

export interface Placement {
  readonly devices: readonly DeviceSummary[];
  readonly traffic: readonly Traffic[];
}

/** Bytes of a tensor, `batch` for each unknown dimension. */
export function tensorBytes(type: TensorType, batch: number): number {
  return (elementCount(type.shape.map((dim) => dim ?? batch)) ?? 0) * DTYPE_BYTES[type.dtype];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Collects what devices hold and exchange. */
class Tally {
  readonly devices = new Map<DeviceName, Mutable<DeviceSummary>>();
  readonly traffic = new Map<string, Mutable<Traffic>>();

  at(device: DeviceName): Mutable<DeviceSummary> {
    const known = this.devices.get(device);
    if (known !== undefined) return known;
    const fresh = {
      device,
      variables: 0,
      variableBytes: 0,
      nodes: 0,
      updates: 0,
      sentBytes: 0,
      receivedBytes: 0,
    };
    this.devices.set(device, fresh);
    return fresh;
  }

  move(from: DeviceName, to: DeviceName, bytes: number): void {
    const key = `${from} ${to}`;
    const row = this.traffic.get(key) ?? { from, to, bytes: 0, copies: 0 };
    row.bytes += bytes;
    row.copies += 1;
    this.traffic.set(key, row);
    this.at(from).sentBytes += bytes;
    this.at(to).receivedBytes += bytes;
  }
}

/**
 * What runs where, and what is copied when, of a lowered module's step. An all-reduce of n members over b bytes counts
 * 2·b·(n−1)/n sent and received by each, as a ring moves.
 */
export function summarisePlacement(module: Module, options: { readonly batch: number }): Placement {
  const tally = new Tally();
  for (const resource of module.resources.values()) {
    if (resource.kind !== 'variable') continue;
    const row = tally.at(resource.device);
    row.variables += 1;
    row.variableBytes += tensorBytes(resource, options.batch);
  }
  const { step } = module.entries;
  const running = step === undefined ? new Set<NodeId>() : entryNodes(module, step);
  const nodes = [...module.graph.nodes.values()].filter(({ id }) => running.has(id));
  for (const node of nodes) {
    const row = tally.at(node.device);
    row.nodes += 1;
    if (node.op.startsWith('ResourceApply')) row.updates += 1;
    const [input] = node.inputs;
    if (node.op === 'Transfer' && input !== undefined) {
      tally.move(nodeOf(module.graph, input.node).device, node.device, bytesOf(node.outputs, options.batch));
    }
  }
  addRings(tally, nodes, options.batch);
  const devices = [...tally.devices.values()].sort((a, b) => compareDevices(a.device, b.device));
  return { devices, traffic: [...tally.traffic.values()] };
}

function addRings(tally: Tally, nodes: readonly Node[], batch: number): void {
  const rings = new Map<string, Node[]>();
  for (const node of nodes) {
    if (node.op !== 'NcclAllReduce') continue;
    const name = getAttr(node, 'shared_name', 'string');
    const members = rings.get(name);
    if (members === undefined) rings.set(name, [node]);
    else members.push(node);
  }
  for (const members of rings.values()) {
    const n = members.length;
    if (n === 1) continue;
    const bytes = (2 * bytesOf(members[0]?.outputs ?? [], batch) * (n - 1)) / n;
    members.forEach((member, i) => {
      tally.move(member.device, members[(i + 1) % n]?.device ?? member.device, bytes);
    });
  }
}

function bytesOf(types: readonly TensorType[], batch: number): number {
  return types.reduce((sum, type) => sum + tensorBytes(type, batch), 0);
}
