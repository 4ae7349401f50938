import type { GraphEditor, NodeId, Phase, ResourceId, TensorRef, Why } from '@placewright/ir';

/** A tensor that goes through a staging area between two steps: what is got is what was put a step before. */
export interface Staged {
  readonly area: ResourceId;
  readonly stage: NodeId;
  readonly unstage: NodeId;
  /** The tensor of the step before. */
  readonly tensor: TensorRef;
}

/** Puts a tensor into a staging area of its own on a device and gets it there, as `StagingArea.put` and `.get` do. */
export function stageTensor(
  editor: GraphEditor,
  tensor: TensorRef,
  spec: {
    readonly name: string;
    readonly device: string;
    readonly replica: number;
    readonly variable: string;
    readonly phase: Phase;
  },
  why: Why,
): Staged {
  const { name, device, replica, variable, phase } = spec;
  const area = editor.addResource(
    {
      kind: 'stagingArea',
      container: '',
      device,
      replica,
      name: `tower_${replica}/${name}`,
      types: [editor.type(tensor)],
      capacity: 2,
    },
    why,
  );
  const common = { resources: [area], device, replica, variable, phase };
  const stage = editor.addNode({ op: 'Stage', name: `${name}/Stage`, inputs: [tensor], ...common }, why);
  const unstage = editor.addNode({ op: 'Unstage', name: `${name}/Unstage`, ...common }, why);
  return { area, stage, unstage, tensor: { node: unstage, port: 0 } };
}
