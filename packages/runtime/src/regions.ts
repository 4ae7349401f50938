import { type DeviceName, type Node, type NodeId, type TensorRef, tensorKey } from '@placewright/ir';
import type { Partition } from './partition.js';

/** A largest set of pure ops of one device that can run in one call, with what goes in and out of it. */
export interface Region {
  readonly device: DeviceName;
  readonly level: number;
  /** In topological order. */
  readonly nodes: readonly Node[];
  /** Tensors of other tasks that it needs; constants are not among them. */
  readonly inputs: readonly TensorRef[];
  /** Its tensors that others or the caller need. */
  readonly outputs: readonly TensorRef[];
}

/** The regions of a round: the region nodes of each device and level together. Linear in the edges. */
export function regionsOf(partition: Partition): Region[] {
  const { nodes, parts, levels } = partition;
  const groups = new Map<string, Node[]>();
  for (const node of nodes) {
    if (parts.get(node.id) !== 'region') continue;
    const key = regionKey(node.device, levels.get(node.id) ?? 0);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [node]);
    else group.push(node);
  }
  const homes = new Map<NodeId, string>();
  for (const [key, group] of groups) for (const { id } of group) homes.set(id, key);
  const outputs = outputsOf(partition, homes);
  return [...groups].map(([key, group]) => {
    const [first] = group as [Node, ...Node[]];
    return {
      device: first.device,
      level: levels.get(first.id) ?? 0,
      nodes: group,
      inputs: inputsOf(partition, homes, key, group),
      outputs: outputs.get(key) ?? [],
    };
  });
}

function regionKey(device: DeviceName, level: number): string {
  return `${level} ${device}`;
}

function inputsOf(
  partition: Partition,
  homes: ReadonlyMap<NodeId, string>,
  key: string,
  group: readonly Node[],
): TensorRef[] {
  const inputs = new Map<string, TensorRef>();
  for (const { inputs: refs } of group) {
    for (const ref of refs) {
      if (homes.get(ref.node) === key || partition.parts.get(ref.node) === 'constant') continue;
      inputs.set(tensorKey(ref), ref);
    }
  }
  return [...inputs.values()];
}

function outputsOf(partition: Partition, homes: ReadonlyMap<NodeId, string>): Map<string, TensorRef[]> {
  const out = new Map<string, Map<string, TensorRef>>();
  const need = (ref: TensorRef, by: string | undefined): void => {
    const home = homes.get(ref.node);
    if (home === undefined || home === by) return;
    const refs = out.get(home) ?? new Map<string, TensorRef>();
    out.set(home, refs.set(tensorKey(ref), ref));
  };
  for (const { id, inputs } of partition.nodes) for (const ref of inputs) need(ref, homes.get(id));
  for (const ref of partition.fetched) need(ref, undefined);
  return new Map([...out].map(([key, refs]) => [key, [...refs.values()]]));
}
