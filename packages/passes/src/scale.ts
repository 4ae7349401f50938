import { type DeviceName, type GraphEditor, type NodeId, scalar, type TensorRef } from '@placewright/ir';

/** `tensor × factor`, on the device and with the phase of `common`. */
export function addScaled(
  editor: GraphEditor,
  tensor: TensorRef,
  factor: number,
  name: string,
  common: {
    readonly device: DeviceName;
    readonly variable: string | null;
    readonly phase: 'aggregate';
    readonly replica?: number | null;
  },
  why: { readonly reason: string; readonly from: readonly NodeId[] },
): NodeId {
  const by = editor.addNode(
    { op: 'Const', name: `${name}/scale`, attrs: { value: scalar('float32', factor) }, ...common },
    why,
  );
  return editor.addNode(
    { op: 'Mul', name: `${name}/Mul`, inputs: [tensor, { node: by, port: 0 }], ...common },
    why,
  );
}
