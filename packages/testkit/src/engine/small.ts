import {
  type AttrInput,
  type BufferResource,
  builtinRegistry,
  type DType,
  type EntryName,
  edit,
  emptyModule,
  type Module,
  type NewNode,
  type NodeId,
  type OpRegistry,
  type ResourceId,
  type Shape,
  type TensorRef,
  type TensorType,
  type TensorValue,
} from '@placewright/ir';

const WHY = { reason: 'a module of the suite' };
const HOME = '/device:CPU:0';

/** Writes a small module by hand, placed and ready for any engine. */
export interface SmallBuild {
  /** Adds a node called `name`; gives its output 0. */
  op(
    op: string,
    name: string,
    inputs: readonly TensorRef[],
    attrs?: AttrInput,
    more?: Partial<NewNode>,
  ): TensorRef;
  /** A placeholder that every entry is fed with; its node is called `in/` and the name. */
  feed(name: string, dtype: DType, shape: Shape): TensorRef;
  /** A variable that `init` assigns. */
  variable(name: string, initial: TensorValue): ResourceId;
  /** A staging area unless said otherwise. */
  area(
    name: string,
    types: readonly TensorType[],
    capacity: number,
    kind?: BufferResource['kind'],
  ): ResourceId;
  entry(name: EntryName, fetches: Readonly<Record<string, TensorRef>>, rounds?: readonly TensorRef[][]): void;
}

export function smallModule(
  body: (build: SmallBuild) => void,
  registry: OpRegistry = builtinRegistry,
): Module {
  return edit(emptyModule('suite'), registry, 'build', (editor) => {
    const feeds: { name: string; node: NodeId }[] = [];
    const assigns: NodeId[] = [];
    const common = { container: '', device: HOME, replica: null };
    const op: SmallBuild['op'] = (type, name, inputs, attrs = {}, more = {}) => ({
      node: editor.addNode({ op: type, name, inputs, attrs, device: HOME, ...more }, WHY),
      port: 0,
    });
    body({
      op,
      feed: (name, dtype, shape) => {
        const ref = op('Placeholder', `in/${name}`, [], { dtype, shape }, { phase: 'input' });
        feeds.push({ name, node: ref.node });
        return ref;
      },
      variable: (name, initial) => {
        const { dtype, shape } = initial;
        const own = { kind: 'variable', name, scope: '', dtype, shape, ...common } as const;
        const rest = { trainable: false, collection: 'global', slotOf: null, savedAs: null } as const;
        const id = editor.addResource({ ...own, ...rest }, WHY);
        const value = op('Const', `${name}/initial`, [], { value: initial });
        assigns.push(op('AssignVariableOp', `${name}/Assign`, [value], {}, { resources: [id] }).node);
        return id;
      },
      area: (name, types, capacity, kind = 'stagingArea') =>
        editor.addResource({ kind, name, types, capacity, ...common }, WHY),
      entry: (name, fetches, rounds = [[]]) => {
        const named = Object.entries(fetches).map(([key, tensor]) => ({ name: key, tensor }));
        const nodes = rounds.map((round) => round.map(({ node }) => node));
        editor.setEntry({ name, feeds, fetches: named, rounds: nodes });
      },
    });
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [assigns] });
  }).module;
}

export function floats(...values: number[]): TensorValue {
  return { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) };
}

export function ints(...values: number[]): TensorValue {
  return { dtype: 'int32', shape: [values.length], data: Int32Array.from(values) };
}
