import {
  type Attr,
  type Attrs,
  ancestors,
  edit,
  type GraphEditor,
  isFloat,
  type Module,
  mergeDevices,
  type Node,
  type NodeId,
  nodeOf,
  type Role,
  scalar,
  subgraph,
  type TensorRef,
  topologicalOrder,
} from '@placewright/ir';
import { hostDevice, type Site } from '../devices.js';
import { definePass } from '../pass.js';
import { rolesOf } from '../roles.js';

const PASS = 'replicate-towers';

/**
 * Makes one copy of the step for each tower. Inputs are split over the towers on the host, fetches are averaged over
 * them (a name ending in `Count` is summed, a tensor with dimensions is put together again), and of the updates that
 * are no gradient's (moving averages) those of tower 0 alone are run, as in the original.
 */
export const replicateTowers = definePass<{ towers: readonly string[] }>({
  name: PASS,
  summary: 'copies the step for each tower, splits its inputs and averages its fetches',
  options: { towers: { summary: 'device of each tower, in order', default: ['/device:GPU:0'] } },
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, { towers }, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const copies = new Replication(module, editor, towers, site);
      copies.run();
    }),
});

class Replication {
  readonly #module: Module;
  readonly #editor: GraphEditor;
  readonly #towers: readonly string[];
  readonly #host: string;
  /** Number of tower 0 over all tasks. */
  readonly #firstTower: number;
  /** Per tower, the copy of each original node. */
  readonly #copies: Map<NodeId, NodeId>[];
  readonly #splits = new Map<NodeId, readonly TensorRef[]>();

  constructor(module: Module, editor: GraphEditor, towers: readonly string[], site: Site) {
    this.#module = module;
    this.#editor = editor;
    this.#towers = towers;
    this.#host = hostDevice(site);
    this.#firstTower = site.task.index * towers.length;
    this.#copies = towers.map(() => new Map());
  }

  run(): void {
    const { nodes, inputs } = towerNodes(this.#module);
    for (const id of inputs) this.#split(id);
    for (let tower = this.#towers.length - 1; tower >= 0; tower--) {
      for (const node of nodes) this.#copy(node, tower);
    }
    const why = { reason: `there are ${this.#towers.length} towers` };
    this.#editor.setFrame({ towers: this.#towers.length }, why);
    this.#editor.setRoles(
      this.#module.roles.flatMap((role) => this.#copyRole(role)),
      why,
    );
    this.#setStep();
  }

  #split(input: NodeId): void {
    const placeholder = this.#editor.node(input);
    this.#editor.updateNode(
      input,
      { device: mergeDevices(placeholder.device, this.#host) },
      { reason: 'inputs arrive on the host' },
    );
    const ref: TensorRef = { node: input, port: 0 };
    const n = this.#towers.length;
    if (n === 1) {
      this.#splits.set(input, [ref]);
      return;
    }
    const node = this.#editor.addNode(
      {
        op: 'Split',
        name: `${placeholder.name}/split`,
        inputs: [ref],
        attrs: { axis: 0, num_split: n },
        device: this.#host,
        phase: 'input',
      },
      { reason: `each of ${n} towers takes its rows of the batch`, from: [input] },
    );
    this.#splits.set(
      input,
      Array.from({ length: n }, (_, port) => ({ node, port })),
    );
  }

  /** The copy of a node for a tower; tower 0 keeps the original node itself. */
  #copy(node: Node, tower: number): void {
    const inputs = node.inputs.map((ref) => this.#tensor(ref, tower));
    const controls = node.controls.map((id) => this.#node(id, tower));
    // Ops on a variable are placed with it.
    const device =
      node.resources.length > 0 ? node.device : mergeDevices(node.device, this.#towers[tower] ?? '');
    const attrs = this.#seeded(node.attrs, tower);
    const colocation = node.colocation === null ? null : `${node.colocation}/tower_${tower}`;
    const why = { reason: `tower ${tower} on ${this.#towers[tower]}`, from: [node.id] };
    if (tower === 0) {
      this.#editor.updateNode(
        node.id,
        {
          inputs,
          controls,
          ...(attrs === node.attrs ? {} : { attrs }),
          device,
          colocation,
          replica: 0,
          outputs: node.outputs,
        },
        why,
      );
      this.#copies[0]?.set(node.id, node.id);
      return;
    }
    const { op, name, outputs, resources, variable, phase, group } = node;
    const spec = {
      op,
      name,
      inputs,
      controls,
      rawAttrs: attrs,
      outputs,
      resources,
      variable,
      phase,
      group,
      device,
      colocation,
      replica: tower,
    };
    this.#copies[tower]?.set(node.id, this.#editor.addNode(spec, why));
  }

  /** Random ops draw other numbers on each tower of each task: its number over all of them is their second seed. */
  #seeded(attrs: Attrs, tower: number): Attrs {
    const number = this.#firstTower + tower;
    if (number === 0 || !attrs.has('seed2')) return attrs;
    return new Map<string, Attr>([...attrs, ['seed2', { kind: 'int', value: number }]]);
  }

  #node(id: NodeId, tower: number): NodeId {
    return this.#copies[tower]?.get(id) ?? id;
  }

  #tensor(ref: TensorRef, tower: number): TensorRef {
    const part = this.#splits.get(ref.node)?.[tower];
    return part ?? { node: this.#node(ref.node, tower), port: ref.port };
  }

  #copyRole(role: Role): Role[] {
    const towers = [...this.#towers.keys()];
    switch (role.kind) {
      case 'loss':
      case 'gradient':
        return towers.map((replica) => ({ ...role, replica, tensor: this.#tensor(role.tensor, replica) }));
      case 'update':
        return towers.map((replica) => ({ ...role, replica, node: this.#node(role.node, replica) }));
      case 'initializer':
      case 'globalStep':
      case 'aggregated':
      case 'apply':
        return [role];
    }
  }

  #setStep(): void {
    const step = this.#module.entries.step;
    if (step === undefined) return;
    const fetches = step.fetches.map(({ name, tensor }) => ({ name, tensor: this.#combine(name, tensor) }));
    this.#editor.setEntry({ ...step, fetches }, { reason: 'fetches the towers together' });
  }

  #combine(name: string, tensor: TensorRef): TensorRef {
    const parts = this.#towers.map((_, tower) => this.#tensor(tensor, tower));
    const [first] = parts;
    if (first === undefined || parts.length === 1) return first ?? tensor;
    const { dtype, shape } = this.#editor.type(first);
    const add = (op: string, inputs: readonly TensorRef[], attrs = {}): TensorRef => ({
      node: this.#editor.addNode(
        { op, name: `${name}/${op}`, inputs, attrs, device: this.#host, phase: 'fetch' },
        { reason: `${name} of all towers`, from: inputs.map(({ node }) => node) },
      ),
      port: 0,
    });
    if (shape.length > 0) return add('ConcatV2', parts, { axis: 0 });
    const total = add('AddN', parts);
    if (name.endsWith('Count') || !isFloat(dtype)) return total;
    return add('Mul', [total, add('Const', [], { value: scalar(dtype, 1 / parts.length) })]);
  }
}

/** What acts on the count of steps, which stands outside of the towers. */
function counting(module: Module): NodeId[] {
  const increments = rolesOf(module, 'globalStep').map(({ node }) => node);
  const counts = new Set(increments.flatMap((id) => nodeOf(module.graph, id).resources));
  if (counts.size === 0) return increments;
  const reads = [...module.graph.nodes.values()].filter(({ resources }) =>
    resources.some((id) => counts.has(id)),
  );
  return [...increments, ...reads.map(({ id }) => id)];
}

/** Nodes that every tower has a copy of, in topological order, and the inputs that they share. */
function towerNodes(module: Module): { nodes: Node[]; inputs: NodeId[] } {
  const step = module.entries.step;
  const roots = [
    ...(step?.rounds.flat() ?? []),
    ...(step?.fetches.map(({ tensor }) => tensor.node) ?? []),
    ...rolesOf(module, 'gradient').map(({ tensor }) => tensor.node),
  ];
  const shared = ancestors(module.graph, counting(module));
  const ids = new Set([...ancestors(module.graph, roots)].filter((id) => !shared.has(id)));
  const order = topologicalOrder(subgraph(module.graph, ids));
  const isInput = (node: Node): boolean => nodeOf(module.graph, node.id).op === 'Placeholder';
  return { nodes: order.filter((node) => !isInput(node)), inputs: order.filter(isInput).map(({ id }) => id) };
}
