import { type Draft, enablePatches, Immer, type Patch } from 'immer';
import type { Attrs } from './attr.js';
import { NO_ATTRS } from './attr.js';
import { canonicalDevice, type DeviceName } from './device.js';
import { PlacewrightError } from './errors.js';
import {
  type Decision,
  type Entry,
  type EntryName,
  type Module,
  makeNode,
  type Node,
  type NodeId,
  nodeName,
  type Origin,
  type Phase,
  type Resource,
  type ResourceId,
  type Role,
  type TensorRef,
  tensorKey,
} from './graph.js';
import { completeAttrs, inferOutputs, lookupOp, tensorTypeOf } from './infer.js';
import type { AttrInput, OpRegistry } from './op.js';
import type { TensorType } from './shape.js';

enablePatches();
// One of our own: a frozen graph of 50,000 nodes costs more to freeze than to edit, and the settings of the immer that
// a program uses beside us are its own.
const immer = new Immer({ autoFreeze: false });

/** One change with its reason. What a pass's diff is made of. */
export interface Change {
  readonly kind: 'add' | 'update' | 'remove';
  /** A node, a resource, an entry, the roles, or the module's other fields. */
  readonly subject: NodeId | ResourceId | EntryName | 'roles' | 'frame';
  /** Rendered name after the change (before it, for a removal); for roles and other fields, which ones. */
  readonly name: string;
  readonly reason: string;
  /** Fields that an update changed. */
  readonly fields: readonly string[];
}

/** What an edit gives: the new module, immer's patches there and back, and the changes with their reasons. */
export interface EditResult {
  readonly module: Module;
  readonly patches: readonly Patch[];
  readonly inversePatches: readonly Patch[];
  readonly changes: readonly Change[];
}

/** A node to add. What is left out is empty; `attrs` are completed and checked by the op's declaration. */
export interface NewNode {
  readonly op: string;
  /** Wished name within its replica; made unique by `_1`, `_2`, … */
  readonly name: string;
  readonly inputs?: readonly TensorRef[];
  readonly controls?: readonly NodeId[];
  readonly attrs?: AttrInput;
  /** Ready attributes, instead of `attrs`: copied nodes and opaque ones. */
  readonly rawAttrs?: Attrs;
  /** Given for ops that the registry does not know; inferred otherwise. */
  readonly outputs?: readonly TensorType[];
  readonly resources?: readonly ResourceId[];
  readonly device?: DeviceName;
  readonly replica?: number | null;
  readonly variable?: string | null;
  readonly phase?: Phase;
  readonly group?: string;
  readonly colocation?: string | null;
}

/** Why a change is made and what from. */
export interface Why {
  readonly reason: string;
  readonly from?: readonly NodeId[];
  /** The pass whose doing it is, where the one that runs only carries out what that one has asked for. */
  readonly pass?: string;
}

type ResourceBody<R> = R extends Resource ? Omit<R, 'id' | 'origin'> : never;
/** A resource to add. */
export type NewResource = ResourceBody<Resource>;
/** Fields of a node that may be changed. */
export type NodeUpdate = Partial<Omit<Node, 'id' | 'origin'>>;
type Frame = Omit<Module, 'graph' | 'resources' | 'nextId'>;

function frameOf({ graph: _graph, resources: _resources, nextId: _nextId, ...frame }: Module): Frame {
  return frame;
}

/**
 * The one way to change a module. Used once per pass; asks for a reason with every change.
 * Nodes and resources are patched by hand (immer's drafts of them were measured too slow), the rest by immer.
 */
export class GraphEditor {
  readonly #before: Module;
  readonly #registry: OpRegistry;
  readonly #pass: string;
  readonly #nodes: Map<NodeId, Node>;
  readonly #resources: Map<ResourceId, Resource>;
  /** Ids by shown name, made when first needed: many passes add and rename nothing. */
  #known: Map<string, NodeId> | null = null;
  /** Next suffix to try for a taken name, so that many nodes of one name stay linear. */
  readonly #suffixes = new Map<string, number>();
  /** The module's other fields, as edited so far; plain values, so that what is read of them may be kept. */
  #frame: Frame;
  #roles: Role[] | null = null;
  readonly #decisions: Decision[] = [];
  readonly #changes: Change[] = [];
  readonly #touchedNodes = new Set<NodeId>();
  readonly #touchedResources = new Set<ResourceId>();
  #nextId: number;

  constructor(module: Module, registry: OpRegistry, pass: string) {
    this.#before = module;
    this.#registry = registry;
    this.#pass = pass;
    this.#nodes = new Map(module.graph.nodes);
    this.#resources = new Map(module.resources);
    this.#frame = frameOf(module);
    this.#nextId = module.nextId;
  }

  /** The graph as edited so far. */
  get graph(): { readonly nodes: ReadonlyMap<NodeId, Node> } {
    return { nodes: this.#nodes };
  }

  get resources(): ReadonlyMap<ResourceId, Resource> {
    return this.#resources;
  }

  get entries(): Readonly<Partial<Record<EntryName, Entry>>> {
    return this.#frame.entries;
  }

  get roles(): readonly Role[] {
    return this.#frame.roles;
  }

  /** The node as edited so far. Throws PW_DANGLING_EDGE. */
  node(id: NodeId): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new PlacewrightError('PW_DANGLING_EDGE', `there is no node ${id}`);
    return node;
  }

  resource(id: ResourceId): Resource {
    const resource = this.#resources.get(id);
    if (resource === undefined)
      throw new PlacewrightError('PW_RESOURCE_UNKNOWN', `there is no resource ${id}`);
    return resource;
  }

  type(tensor: TensorRef): TensorType {
    return tensorTypeOf(this.graph, tensor);
  }

  /** Adds a node; its output types are inferred. Gives its id. Throws PW_OP_*, PW_ATTR_*, PW_SHAPE_*. */
  addNode(spec: NewNode, why: Why): NodeId {
    const id: NodeId = `n${this.#nextId}`;
    const replica = spec.replica ?? null;
    const name = this.#uniqueName(spec.name, replica);
    const inputs = spec.inputs ?? [];
    const resources = spec.resources ?? [];
    const decl = this.#registry.ops.get(spec.op);
    try {
      const attrs =
        spec.rawAttrs ??
        (decl === undefined && spec.outputs !== undefined
          ? NO_ATTRS
          : completeAttrs(lookupOp(this.#registry, spec.op), spec.attrs ?? {}));
      const outputs =
        decl === undefined && spec.outputs !== undefined
          ? spec.outputs
          : inferOutputs(
              lookupOp(this.#registry, spec.op),
              { inputs, attrs, resources: resources.map((resource) => this.resource(resource)) },
              this.graph,
            );
      const node = makeNode({
        id,
        name,
        op: spec.op,
        inputs,
        controls: spec.controls ?? [],
        attrs,
        outputs,
        resources,
        device: canonicalDevice(spec.device ?? ''),
        replica,
        variable: spec.variable ?? null,
        phase: spec.phase ?? 'forward',
        group: spec.group ?? '',
        colocation: spec.colocation ?? null,
        origin: this.#origin(why),
      });
      this.#nextId += 1;
      this.#nodes.set(id, node);
      this.#names.set(nodeName(node), id);
      this.#changed('add', node, why, []);
      return id;
    } catch (error) {
      if (error instanceof PlacewrightError) throw error.at({ node: nodeName({ name: spec.name, replica }) });
      throw error;
    }
  }

  /** Changes fields of a node. Output types are inferred again when inputs, attributes or resources change. */
  updateNode(id: NodeId, update: NodeUpdate, why: Why): void {
    const before = this.node(id);
    let after: Node = { ...before, ...update };
    if (update.name !== undefined || update.replica !== undefined) {
      this.#names.delete(nodeName(before));
      after = { ...after, name: this.#uniqueName(after.name, after.replica) };
      this.#names.set(nodeName(after), id);
    }
    if (update.device !== undefined) after = { ...after, device: canonicalDevice(update.device) };
    const decl = this.#registry.ops.get(after.op);
    if (
      decl !== undefined &&
      update.outputs === undefined &&
      (update.inputs ?? update.attrs ?? update.resources ?? update.op) !== undefined
    ) {
      const resources = after.resources.map((resource) => this.resource(resource));
      const { inputs, attrs } = after;
      const infer = () => inferOutputs(decl, { inputs, attrs, resources }, this.graph);
      after = { ...after, outputs: atNode(after, infer) };
    }
    this.#nodes.set(id, makeNode(after));
    this.#changed('update', after, why, Object.keys(update));
  }

  /** Removes a node; edges to it are the caller's to mend (the verifier finds those left). */
  removeNode(id: NodeId, why: Why): void {
    const node = this.node(id);
    this.#names.delete(nodeName(node));
    this.#nodes.delete(id);
    this.#changed('remove', node, why, []);
  }

  /**
   * Makes every use of the tensors that `mapping` names (by `tensorKey`) a use of what it maps them to: data inputs of
   * the nodes in `users` (of all, when left out, together with fetches and roles). One scan for any number of tensors.
   */
  replaceTensors(mapping: ReadonlyMap<string, TensorRef>, why: Why, users?: Iterable<NodeId>): void {
    if (mapping.size === 0) return;
    const to = (ref: TensorRef): TensorRef => mapping.get(tensorKey(ref)) ?? ref;
    for (const id of [...(users ?? this.#nodes.keys())]) {
      const { inputs } = this.node(id);
      if (inputs.some((ref) => mapping.has(tensorKey(ref))))
        this.updateNode(id, { inputs: inputs.map(to) }, why);
    }
    if (users !== undefined) return;
    const uses = (ref: TensorRef): boolean => mapping.has(tensorKey(ref));
    if (this.roles.some((role) => 'tensor' in role && uses(role.tensor))) {
      this.setRoles(
        this.roles.map((role): Role => ('tensor' in role ? { ...role, tensor: to(role.tensor) } : role)),
        why,
      );
    }
    for (const entry of Object.values(this.entries)) {
      if (!entry.fetches.some(({ tensor }) => uses(tensor))) continue;
      const fetches = entry.fetches.map(({ name, tensor }) => ({ name, tensor: to(tensor) }));
      this.setEntry({ ...entry, fetches }, why);
    }
  }

  addControl(node: NodeId, before: NodeId, why: Why): void {
    const { controls } = this.node(node);
    if (!controls.includes(before)) this.updateNode(node, { controls: [...controls, before] }, why);
  }

  addResource(spec: NewResource, why: Why): ResourceId {
    const id: ResourceId = `r${this.#nextId}`;
    this.#nextId += 1;
    const resource: Resource = { ...spec, id, origin: this.#origin(why) };
    this.#resources.set(id, resource);
    this.#resourceChanged('add', resource, why, []);
    return id;
  }

  updateResource<R extends Resource>(
    id: ResourceId,
    update: Partial<Omit<R, 'id' | 'kind' | 'origin'>>,
    why: Why,
  ): void {
    const after = { ...this.resource(id), ...update } as Resource;
    this.#resources.set(id, after);
    this.#resourceChanged('update', after, why, Object.keys(update));
  }

  removeResource(id: ResourceId, why: Why): void {
    const resource = this.resource(id);
    this.#resources.delete(id);
    this.#resourceChanged('remove', resource, why, []);
  }

  /** Adds or replaces an entry. */
  setEntry(entry: Entry, why: Why = this.#byPass()): void {
    const kind = this.#frame.entries[entry.name] === undefined ? 'add' : 'update';
    this.#changes.push({ kind, subject: entry.name, name: entry.name, reason: why.reason, fields: [] });
    this.#frame = { ...this.#frame, entries: { ...this.#frame.entries, [entry.name]: entry } };
  }

  /** Replaces all roles. */
  setRoles(roles: readonly Role[], why: Why = this.#byPass()): void {
    this.#changes.push({ kind: 'update', subject: 'roles', name: 'all', reason: why.reason, fields: [] });
    this.#roles = null;
    this.#frame = { ...this.#frame, roles };
  }

  addRole(role: Role, why: Why = this.#byPass()): void {
    const name = 'variable' in role ? `${role.kind} of ${role.variable}` : role.kind;
    this.#changes.push({ kind: 'add', subject: 'roles', name, reason: why.reason, fields: [] });
    // One list of our own per edit: a copy for each role would be quadratic.
    if (this.#roles === null) this.#roles = [...this.#frame.roles];
    this.#roles.push(role);
    this.#frame = { ...this.#frame, roles: this.#roles };
  }

  /** Records what was chosen, from what, and by which rule. */
  decide(decision: Omit<Decision, 'pass'>): void {
    this.#decisions.push({ ...decision, pass: this.#pass });
  }

  /** Changes the module's other fields: `training`, `cluster`, `task`, `towers`, `established`, `name`. */
  setFrame(
    update: Partial<Pick<Module, 'name' | 'training' | 'cluster' | 'task' | 'towers' | 'established'>>,
    why: Why = this.#byPass(),
  ): void {
    const fields = Object.keys(update);
    this.#changes.push({
      kind: 'update',
      subject: 'frame',
      name: fields.join(', '),
      reason: why.reason,
      fields,
    });
    this.#frame = { ...this.#frame, ...update };
  }

  /** Ends the edit. The editor must not be used again. */
  finish(): EditResult {
    const [frame, forth, back] = immer.produceWithPatches(frameOf(this.#before), (draft: Draft<Frame>) => {
      const { decisions: _, ...rest } = this.#frame;
      for (const [key, value] of Object.entries(rest)) {
        // Frozen, since immer would else search it for drafts, which there are none of.
        if (value !== this.#before[key as keyof Frame]) Object.assign(draft, { [key]: Object.freeze(value) });
      }
      for (const decision of this.#decisions)
        draft.decisions.push(Object.freeze(decision) as Draft<Decision>);
    });
    const patches: Patch[] = [...forth];
    const inversePatches: Patch[] = [...back];
    mapPatches(
      this.#before.graph.nodes,
      this.#nodes,
      this.#touchedNodes,
      ['graph', 'nodes'],
      patches,
      inversePatches,
    );
    mapPatches(
      this.#before.resources,
      this.#resources,
      this.#touchedResources,
      ['resources'],
      patches,
      inversePatches,
    );
    if (this.#nextId !== this.#before.nextId) {
      patches.push({ op: 'replace', path: ['nextId'], value: this.#nextId });
      inversePatches.push({ op: 'replace', path: ['nextId'], value: this.#before.nextId });
    }
    const module: Module = {
      ...frame,
      graph: this.#touchedNodes.size === 0 ? this.#before.graph : { nodes: this.#nodes },
      resources: this.#touchedResources.size === 0 ? this.#before.resources : this.#resources,
      nextId: this.#nextId,
    };
    return { module, patches, inversePatches, changes: this.#changes };
  }

  get #names(): Map<string, NodeId> {
    if (this.#known === null) {
      this.#known = new Map();
      for (const node of this.#nodes.values()) this.#known.set(nodeName(node), node.id);
    }
    return this.#known;
  }

  #byPass(): Why {
    return { reason: `by ${this.#pass}` };
  }

  #origin(why: Why): Origin {
    return { pass: why.pass ?? this.#pass, from: why.from ?? [], reason: why.reason };
  }

  #uniqueName(name: string, replica: number | null): string {
    if (!this.#names.has(nodeName({ name, replica }))) return name;
    const taken = nodeName({ name, replica });
    for (let i = this.#suffixes.get(taken) ?? 1; ; i++) {
      const candidate = `${name}_${i}`;
      if (this.#names.has(nodeName({ name: candidate, replica }))) continue;
      this.#suffixes.set(taken, i + 1);
      return candidate;
    }
  }

  #changed(kind: Change['kind'], node: Node, why: Why, fields: readonly string[]): void {
    this.#touchedNodes.add(node.id);
    this.#changes.push({ kind, subject: node.id, name: nodeName(node), reason: why.reason, fields });
  }

  #resourceChanged(kind: Change['kind'], resource: Resource, why: Why, fields: readonly string[]): void {
    this.#touchedResources.add(resource.id);
    this.#changes.push({ kind, subject: resource.id, name: resource.name, reason: why.reason, fields });
  }
}

function mapPatches<K extends string, V>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
  touched: ReadonlySet<K>,
  path: readonly string[],
  patches: Patch[],
  inverse: Patch[],
): void {
  for (const key of touched) {
    const old = before.get(key);
    const now = after.get(key);
    if (old === now) continue;
    const at = [...path, key];
    if (now === undefined) patches.push({ op: 'remove', path: at });
    else patches.push({ op: old === undefined ? 'add' : 'replace', path: at, value: now });
    if (old === undefined) inverse.push({ op: 'remove', path: at });
    else inverse.push({ op: now === undefined ? 'add' : 'replace', path: at, value: old });
  }
}

/** Runs one edit. `pass` is recorded as the origin of what it adds. */
export function edit(
  module: Module,
  registry: OpRegistry,
  pass: string,
  body: (editor: GraphEditor) => void,
): EditResult {
  const editor = new GraphEditor(module, registry, pass);
  body(editor);
  return editor.finish();
}

/** Says of an error of `body` which node it is about. */
function atNode<T>(node: { readonly name: string; readonly replica: number | null }, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ node: nodeName(node) }) : error;
  }
}
