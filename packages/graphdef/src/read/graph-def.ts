import {
  type Attr,
  builtinRegistry,
  type DeviceName,
  type Entry,
  type EntryName,
  inferOutputs,
  lookupOp,
  type Module,
  makeNode,
  type Node,
  type NodeId,
  type OpRegistry,
  PlacewrightError,
  type Resource,
  verify,
} from '@placewright/ir';
import { FOR_MARK, FUNCTION_PREFIX, INPUTS_MARK, NAME_MARK, OP_MARK } from '../marks.js';
import type { GraphDef } from '../proto/messages.js';
import type { GraphSidecar, NamedTensor, SidecarEntry, SidecarNode } from '../sidecar.js';
import { sidecarError } from '../sidecar-json.js';
import { foreignOutputs, opaqueName, readForeign } from './foreign.js';
import { readGroups } from './groups.js';
import { type GraphNode, graphNodes, shown, tensorOfText, textAttrOf, textsAttrOf } from './nodes.js';
import { type ReadOp, readBuiltin } from './op.js';
import { inOrder } from './order.js';
import { deviceOf, idOf, type Reading, refOf } from './reading.js';
import { HANDLE_OPS, IMPORTED, type ResourceTable, readResources } from './resources.js';

export interface ReadGraphOptions {
  readonly registry?: OpRegistry;
  /** What was written beside the graph; without it the module has no entries, and says nothing beyond the graph. */
  readonly sidecar?: GraphSidecar;
  /** Name of the module, where there is no sidecar. */
  readonly name?: string;
  /** Named in errors. */
  readonly file?: string;
}

/**
 * The module of a GraphDef. One that `toGraphDef` wrote comes back as it was, with its sidecar whole. Of others, ops that
 * the IR has are read as these; what it cannot express stays as opaque nodes, which can be placed and printed, not run.
 * Throws PW_GRAPHDEF_*, PW_DEVICE_NAME.
 */
export function fromGraphDef(graph: GraphDef, options: ReadGraphOptions = {}): Module {
  const { file } = options;
  try {
    return readGraph(graph, options);
  } catch (error) {
    throw error instanceof PlacewrightError && file !== undefined ? error.at({ file }) : error;
  }
}

function readGraph(
  graph: GraphDef,
  { registry = builtinRegistry, sidecar, name = 'graph' }: ReadGraphOptions,
): Module {
  checkLibrary(graph);
  const reading = startReading(graph, registry, sidecar ?? null);
  const areas = readResources(reading);
  const own = [...reading.graph.values()].filter((node) => !isPart(node) && !HANDLE_OPS.has(node.op));
  for (const { name: each } of own) idOf(reading, each, () => nextId(reading));
  for (const node of inOrder(own, namesBefore)) addNode(reading, areas, node);
  const nodes = keptNodes(reading, own);
  const module = moduleOf(reading, nodes, sidecar?.name ?? name);
  checkModule(module, registry);
  return module;
}

/** The functions of a graph have no place in the IR; ours are parts of random ops. */
function checkLibrary({ library }: GraphDef): void {
  const foreign = (library?.function ?? []).flatMap(({ signature }) => signature?.name ?? '');
  const [first] = foreign.filter((name) => !name.startsWith(FUNCTION_PREFIX));
  if (first === undefined) return;
  throw new PlacewrightError(
    'PW_GRAPHDEF_LIBRARY',
    `the graph calls functions, such as ${shown(first)}, which the IR does not have`,
    {
      hint: 'write a graph without functions: `convert_variables_to_constants_v2` of TensorFlow inlines them',
    },
  );
}

function startReading(graph: GraphDef, registry: OpRegistry, sidecar: GraphSidecar | null): Reading {
  const nodes = graphNodes(graph);
  const usedPorts = new Map<string, number>();
  for (const { inputs } of nodes.values()) {
    for (const { node, port } of inputs) usedPorts.set(node, Math.max(usedPorts.get(node) ?? 0, port));
  }
  return {
    registry,
    graph: nodes,
    sidecar,
    described: describedNodes(sidecar, nodes),
    renamedDevices: new Map(sidecar?.devices.map((each): [string, DeviceName] => [each.graph, each.module])),
    usedPorts,
    ids: new Map(),
    nodes: new Map(),
    resources: new Map(),
    handles: new Map(),
    folded: new Set(),
    folding: [],
    groups: readGroups(nodes),
    nextId: sidecar?.module?.nextId ?? 0,
  };
}

function describedNodes(
  sidecar: GraphSidecar | null,
  graph: ReadonlyMap<string, GraphNode>,
): Map<string, SidecarNode> {
  const out = new Map<string, SidecarNode>();
  const ids = new Set<string>();
  for (const node of sidecar?.module?.nodes ?? []) {
    if (!graph.has(node.graph)) throw sidecarError(`there is no node ${shown(node.graph)} in the graph`);
    if (out.has(node.graph) || ids.has(node.id)) throw sidecarError(`${shown(node.graph)} stands twice`);
    out.set(node.graph, node);
    ids.add(node.id);
  }
  return out;
}

function nextId(reading: Reading): NodeId {
  reading.nextId += 1;
  return `n${reading.nextId - 1}`;
}

const isPart = ({ attrs }: GraphNode): boolean => attrs.has(FOR_MARK);

/** Names of nodes that go before one, as far as the graph says it directly. */
function namesBefore(node: GraphNode): string[] {
  const marked = textsAttrOf(node, INPUTS_MARK)?.map((text) => tensorOfText(text).node) ?? [];
  return [...new Set([...marked, ...node.inputs.map(({ node: from }) => from), ...node.controls])];
}

function addNode(reading: Reading, areas: ResourceTable, node: GraphNode): void {
  try {
    const { op, inputs, attrs, resources, outputs } = typedOp(reading, areas, node);
    const about = reading.described.get(node.name);
    const id = idOf(reading, node.name, () => nextId(reading));
    const group = reading.groups.get(node.name) ?? null;
    reading.nodes.set(
      id,
      makeNode({
        id,
        name: about?.name ?? textAttrOf(node, NAME_MARK) ?? node.name,
        op,
        inputs,
        controls: node.controls.flatMap((before) => controlOf(reading, before)),
        attrs: withFloats(attrs, about),
        outputs,
        resources,
        device: deviceOf(reading, node.device),
        replica: about?.replica ?? null,
        variable: about?.variable ?? null,
        phase: about?.phase ?? 'forward',
        group: about?.group ?? '',
        colocation: about === undefined ? group : (about.colocation ?? null),
        origin: about?.origin ?? IMPORTED,
      }),
    );
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ node: node.name }) : error;
  }
}

/** A control edge from a handle or a part orders nothing that the IR has. */
function controlOf({ ids }: Reading, name: string): NodeId[] {
  const id = ids.get(name);
  return id === undefined ? [] : [id];
}

/** Floats of the module that a float32 of the graph only comes near. */
function withFloats(attrs: ReadOp['attrs'], about: SidecarNode | undefined): ReadOp['attrs'] {
  if (about?.floats === undefined) return attrs;
  const exact = new Map<string, Attr>(attrs);
  for (const { name, value } of about.floats) {
    const given = attrs.get(name);
    if (given?.kind === 'float' && Math.fround(given.value) === Math.fround(value)) {
      exact.set(name, { kind: 'float', value });
    }
  }
  return exact;
}

type TypedOp = ReadOp & Pick<Node, 'outputs'>;

/** A node as an op that is declared, else as an opaque one. */
function typedOp(reading: Reading, areas: ResourceTable, node: GraphNode): TypedOp {
  reading.folding = [];
  try {
    const found = readBuiltin(reading, areas, node) ?? readOwn(reading, node);
    if (found !== null) {
      const outputs = typesOfOutputs(reading, found);
      for (const name of reading.folding) reading.folded.add(name);
      return { ...found, outputs };
    }
  } catch (error) {
    // What is ours must be read as what it was.
    const ours = node.attrs.has(OP_MARK) || reading.described.has(node.name);
    if (!(error instanceof PlacewrightError) || ours) throw error;
    return asOpaque(reading, node, error);
  }
  return { ...readForeign(reading, node, node.op), outputs: foreignOutputs(reading, node) };
}

/** An op that the user's registry declares. */
function readOwn(reading: Reading, node: GraphNode): ReadOp | null {
  return reading.registry.ops.has(node.op) ? readForeign(reading, node, node.op) : null;
}

function typesOfOutputs(
  { registry, nodes, resources }: Reading,
  { op, inputs, attrs, resources: ids }: ReadOp,
) {
  const acts = ids.flatMap((id): readonly Resource[] => {
    const resource = resources.get(id);
    return resource === undefined ? [] : [resource];
  });
  return inferOutputs(lookupOp(registry, op), { inputs, attrs, resources: acts }, { nodes });
}

/** What our op does not express, kept as it stands; where that is not possible, why it is not our op. */
function asOpaque(reading: Reading, node: GraphNode, why: PlacewrightError): TypedOp {
  try {
    const found = readForeign(reading, node, opaqueName(reading, node));
    return { ...found, outputs: foreignOutputs(reading, node) };
  } catch {
    throw why;
  }
}

/** All nodes in the order of the graph, without constants that have become attributes and that nothing else uses. */
function keptNodes(reading: Reading, own: readonly GraphNode[]): Map<NodeId, Node> {
  const used = new Set<NodeId>();
  for (const name of namedByEntries(reading.sidecar)) used.add(reading.ids.get(name) ?? 'n0');
  for (const { inputs, controls } of reading.nodes.values()) {
    for (const { node } of inputs) used.add(node);
    for (const id of controls) used.add(id);
  }
  const kept = new Map<NodeId, Node>();
  for (const { name } of own) {
    const id = reading.ids.get(name);
    const node = id === undefined ? undefined : reading.nodes.get(id);
    if (node === undefined) continue;
    const idle = reading.folded.has(name) && !used.has(node.id) && !reading.described.has(name);
    if (!idle) kept.set(node.id, node);
  }
  return kept;
}

function namedByEntries(sidecar: GraphSidecar | null): string[] {
  return Object.values(sidecar?.entries ?? {}).flatMap(({ fetches, rounds }) => [
    ...fetches.map(({ tensor, of }) => tensorOfText(of ?? tensor).node),
    ...rounds.flat(),
  ]);
}

function moduleOf(reading: Reading, nodes: ReadonlyMap<NodeId, Node>, name: string): Module {
  const { sidecar, resources, nextId: next } = reading;
  const about = sidecar?.module;
  return {
    name,
    graph: { nodes: inDescribedOrder(nodes, about?.nodes ?? []) },
    resources,
    entries: entriesOf(reading, sidecar?.entries ?? {}),
    roles: about?.roles ?? [],
    decisions: about?.decisions ?? [],
    training: about?.training ?? null,
    cluster: about?.cluster ?? null,
    task: about?.task ?? null,
    towers: about?.towers ?? 0,
    established: about?.established ?? [],
    nextId: next,
  };
}

function inDescribedOrder(
  nodes: ReadonlyMap<NodeId, Node>,
  described: readonly SidecarNode[],
): ReadonlyMap<NodeId, Node> {
  const out = new Map<NodeId, Node>();
  for (const { id } of described) {
    const node = nodes.get(id);
    if (node !== undefined) out.set(id, node);
  }
  for (const [id, node] of nodes) out.set(id, node);
  return out;
}

function entriesOf(reading: Reading, entries: GraphSidecar['entries']): Module['entries'] {
  const out: Partial<Record<EntryName, Entry>> = {};
  for (const [name, entry] of Object.entries(entries) as [EntryName, SidecarEntry][]) {
    out[name] = entryOf(reading, name, entry);
  }
  return out;
}

function entryOf(reading: Reading, name: EntryName, { feeds, fetches, rounds }: SidecarEntry): Entry {
  const ref = ({ tensor, of }: NamedTensor) => {
    const found = tensorOfText(of ?? tensor);
    if (!reading.ids.has(found.node))
      throw sidecarError(`entry ${name} names ${shown(tensor)}, which is not there`);
    return refOf(reading, found);
  };
  const target = (node: string): NodeId => {
    const id = reading.ids.get(node);
    if (id === undefined) throw sidecarError(`entry ${name} runs ${shown(node)}, which is not there`);
    return id;
  };
  return {
    name,
    feeds: feeds.map((feed) => ({ name: feed.name, node: ref(feed).node })),
    fetches: fetches.map((fetch) => ({ name: fetch.name, tensor: ref(fetch) })),
    rounds: rounds.map((round) => round.map(target)),
  };
}

/** What a module that is read guarantees, whatever the sidecar says. */
const GUARANTEED = ['unique-names', 'edges-exist', 'acyclic', 'types-match', 'entries-well-formed'];

function checkModule(module: Module, registry: OpRegistry): void {
  const [first] = verify(module, registry, { only: GUARANTEED });
  if (first === undefined) return;
  throw new PlacewrightError('PW_GRAPHDEF_MODULE', first.message, {
    where: first.name === null ? {} : { node: first.name },
    hint: first.hint,
  });
}
