import {
  type AttrInput,
  builtinRegistry,
  type DType,
  type EntryName,
  edit,
  emptyModule,
  type GraphEditor,
  type Module,
  type NewNode,
  type NodeId,
  type OpRegistry,
  type ResourceId,
  type Shape,
  type TensorRef,
  type TensorValue,
  tensorOf,
} from '@placewright/ir';

export const CPU = '/device:CPU:0';
export const GPU0 = '/device:GPU:0';
export const GPU1 = '/device:GPU:1';

const WHY = { reason: 'test' };

/** Writes a test's module by hand: everything has a device, as after lowering. */
export interface Build {
  readonly editor: GraphEditor;
  op(op: string, inputs: readonly TensorRef[], attrs?: AttrInput, more?: Partial<NewNode>): TensorRef;
  constant(value: TensorValue, more?: Partial<NewNode>): TensorRef;
  /** A placeholder that every entry is fed with. */
  feed(name: string, dtype: DType, shape: Shape, device?: string): TensorRef;
  variable(name: string, value: TensorValue, device?: string): ResourceId;
  area(
    name: string,
    types: readonly { dtype: DType; shape: Shape }[],
    capacity: number,
    device?: string,
  ): ResourceId;
  entry(
    name: EntryName,
    fetches: Readonly<Record<string, TensorRef>>,
    ...rounds: readonly TensorRef[][]
  ): void;
}

/** The module that `body` writes; `init` assigns all its variables. Nodes are on the CPU unless told otherwise. */
export function moduleOf(body: (build: Build) => void, registry: OpRegistry = builtinRegistry): Module {
  return edit(emptyModule('test'), registry, 'build', (editor) => {
    const feeds: { name: string; node: NodeId }[] = [];
    const assigns: NodeId[] = [];
    const op: Build['op'] = (name, inputs, attrs = {}, more = {}) => ({
      node: editor.addNode({ op: name, name, inputs, attrs, device: CPU, ...more }, WHY),
      port: 0,
    });
    const resource = { container: '', replica: null } as const;
    body({
      editor,
      op,
      constant: (value, more) => op('Const', [], { value }, more),
      feed: (name, dtype, shape, device = CPU) => {
        const ref = op('Placeholder', [], { dtype, shape }, { name, device });
        feeds.push({ name, node: ref.node });
        return ref;
      },
      variable: (name, value, device = CPU) => {
        const { dtype, shape } = value;
        const own = { kind: 'variable', name, scope: '', dtype, shape, device } as const;
        const rest = { trainable: true, collection: 'global', slotOf: null, savedAs: null } as const;
        const id = editor.addResource({ ...resource, ...own, ...rest }, WHY);
        const initial = op('Const', [], { value }, { device });
        assigns.push(
          op('AssignVariableOp', [initial], {}, { name: `${name}/Assign`, resources: [id], device }).node,
        );
        return id;
      },
      area: (name, types, capacity, device = CPU) =>
        editor.addResource({ ...resource, kind: 'stagingArea', name, types, capacity, device }, WHY),
      entry: (name, fetches, ...rounds) => {
        const named = Object.entries(fetches).map(([key, tensor]) => ({ name: key, tensor }));
        editor.setEntry({
          name,
          feeds,
          fetches: named,
          rounds: rounds.map((targets) => targets.map(({ node }) => node)),
        });
      },
    });
    if (assigns.length > 0) editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [assigns] });
  }).module;
}

export const floats = (...values: number[]): TensorValue => tensorOf('float32', [values.length], values);

/** `from` once copied to another device. */
export function copied(build: Build, from: TensorRef, device: string): TensorRef {
  return build.op('Transfer', [from], {}, { device });
}
