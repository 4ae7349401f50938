import {
  type DType,
  type Origin,
  PlacewrightError,
  type QueueResource,
  type Resource,
  type ResourceId,
  resourceName,
  type Shape,
  sameShape,
  type TensorType,
  type VariableResource,
} from '@placewright/ir';
import { dtypeOf } from '../dtype.js';
import { HELD_SHAPES, OUTPUT_SHAPES, RESOURCE_MARK } from '../marks.js';
import { sharedName } from '../names.js';
import { sidecarError } from '../sidecar-json.js';
import { shapeOf } from '../tensor.js';
import { type GraphNode, shown, textAttrOf } from './nodes.js';
import { deviceOf, type Reading } from './reading.js';

export const IMPORTED: Origin = { pass: 'import', from: [], reason: 'read from a GraphDef' };

export const HANDLE_OPS: ReadonlySet<string> = new Set(['VarHandleOp', 'FIFOQueueV2']);
const STAGING_OPS: ReadonlySet<string> = new Set(['Stage', 'Unstage']);

/** The resources of a graph, found by what TensorFlow finds them by: kind, container, device and shared name. */
export interface ResourceTable {
  /** The staging area of a `Stage` or `Unstage`. */
  areaOf(node: GraphNode): ResourceId;
}

/**
 * Makes the resources of a graph: from their handles, and staging areas from the ops on them. Those that the sidecar
 * describes are as it says. Throws PW_GRAPHDEF_TYPE, PW_GRAPHDEF_SHAPE, PW_GRAPHDEF_SIDECAR.
 */
export function readResources(reading: Reading): ResourceTable {
  const described = new Map<string, Resource>();
  for (const resource of reading.sidecar?.module?.resources ?? []) {
    described.set(keyOf(resource, sharedName(resourceName(resource))), resource);
    reading.resources.set(resource.id, resource);
  }
  const made = new Map<string, ResourceId>();
  const add: Add = (found) => {
    const key = keyOf(found, sharedName(found.name));
    const known = made.get(key);
    if (known !== undefined) return known;
    const whole = described.get(key);
    if (whole !== undefined) checkSame(found, whole);
    const id: ResourceId = whole?.id ?? `r${reading.nextId}`;
    if (whole === undefined) {
      reading.nextId += 1;
      reading.resources.set(id, { ...found, id });
    }
    made.set(key, id);
    return id;
  };
  for (const node of reading.graph.values()) {
    if (HANDLE_OPS.has(node.op))
      reading.handles.set(
        node.name,
        at(node, () => addHandle(reading, node, add)),
      );
  }
  const areas = new Map<string, ResourceId>();
  const known = (key: string): Resource | undefined => described.get(key);
  for (const { name, id } of stagingAreas(reading, known, add)) areas.set(name, id);
  const missing = [...described].find(
    ([key]) => !made.has(key) && described.get(key)?.kind !== 'stagingArea',
  );
  if (missing !== undefined) {
    throw sidecarError(`there is no handle of ${shown(resourceName(missing[1]))} in the graph`);
  }
  return { areaOf: ({ name }) => areas.get(name) as ResourceId };
}

function at<T>({ name }: GraphNode, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ node: name }) : error;
  }
}

const keyOf = ({ kind, container, device }: Found, shared: string): string =>
  [kind, container, device, shared].join('\0');

type WithoutId<R> = R extends Resource ? Omit<R, 'id'> : never;
/** A resource that has no id yet; its name is the shared one. */
type Found = WithoutId<Resource>;
type Add = (found: Found) => ResourceId;

function common(reading: Reading, node: GraphNode) {
  const shared = textAttrOf(node, 'shared_name') ?? '';
  const name = textAttrOf(node, RESOURCE_MARK) ?? (shared === '' ? node.name : shared);
  const container = textAttrOf(node, 'container') ?? '';
  return { name, container, device: deviceOf(reading, node.device), replica: null, origin: IMPORTED };
}

function addHandle(reading: Reading, node: GraphNode, add: Add): ResourceId {
  return add(node.op === 'VarHandleOp' ? variableOf(reading, node) : queueOf(reading, node));
}

function variableOf(reading: Reading, node: GraphNode): WithoutId<VariableResource> {
  const type = node.attrs.get('dtype');
  const shape = node.attrs.get('shape');
  const dtype = type?.case === 'type' ? dtypeOf(type.value) : undefined;
  const dims = shape?.case === 'shape' ? shapeOf(shape.value) : null;
  if (dtype === undefined)
    throw unknownType(node, 'is a variable of an element type that the IR does not have');
  if (dims === null) throw unknownShape(node, 'is a variable of unknown rank');
  return {
    ...common(reading, node),
    kind: 'variable',
    scope: '',
    dtype,
    shape: dims,
    trainable: false,
    collection: 'global',
    slotOf: null,
    savedAs: null,
  };
}

export function unknownType({ name }: GraphNode, what: string): PlacewrightError {
  return new PlacewrightError('PW_GRAPHDEF_TYPE', `node ${shown(name)} ${what}`, {
    where: { node: name },
    hint: 'the IR has float32, float64, float16, bfloat16, int32, int64, uint8, bool and string',
  });
}

export function unknownShape({ name }: GraphNode, what: string): PlacewrightError {
  return new PlacewrightError('PW_GRAPHDEF_SHAPE', `node ${shown(name)} ${what}`, {
    where: { node: name },
    hint: 'export the graph with the shapes of all outputs: `graph.as_graph_def(add_shapes=True)`',
  });
}

/** Element types of a list attribute. */
export function typesOf(node: GraphNode, name: string): DType[] {
  const value = node.attrs.get(name);
  const numbers = value?.case === 'list' ? value.value.type : [];
  return numbers.map((number) => {
    const dtype = dtypeOf(number);
    if (dtype === undefined)
      throw unknownType(node, `has an element type in ${name} that the IR does not have`);
    return dtype;
  });
}

/** Shapes of a list attribute; null where it is missing or one of them has no rank. */
export function shapesOf(node: GraphNode, name: string): Shape[] | null {
  const value = node.attrs.get(name);
  if (value?.case !== 'list') return null;
  const shapes = value.value.shape.map(shapeOf);
  return shapes.every((shape) => shape !== null) ? shapes : null;
}

function capacityOf({ attrs }: GraphNode): number {
  const value = attrs.get('capacity');
  const capacity = value?.case === 'i' ? Number(value.value) : 0;
  // TensorFlow bounds nothing without a capacity.
  return capacity > 0 && Number.isSafeInteger(capacity) ? capacity : 2 ** 31 - 1;
}

function tupleTypes(
  node: GraphNode,
  dtypes: readonly DType[],
  shapes: readonly Shape[] | null,
): TensorType[] {
  if (shapes?.length !== dtypes.length) {
    throw unknownShape(node, 'does not say of which shapes the tensors are that it holds');
  }
  return dtypes.map((dtype, i) => ({ dtype, shape: shapes[i] ?? [] }));
}

function queueOf(reading: Reading, node: GraphNode): WithoutId<QueueResource> {
  const dtypes = typesOf(node, 'component_types');
  const own = shapesOf(node, 'shapes');
  const shapes = own?.length === dtypes.length ? own : shapesOf(node, HELD_SHAPES);
  const types = tupleTypes(node, dtypes, shapes);
  return { ...common(reading, node), kind: 'queue', types, capacity: capacityOf(node) };
}

/** Staging areas, by the nodes that act on them; ours, and those that take out, know the shapes. */
function stagingAreas(
  reading: Reading,
  described: (key: string) => Resource | undefined,
  add: Add,
): { name: string; id: ResourceId }[] {
  const nodes = [...reading.graph.values()].filter(({ op }) => STAGING_OPS.has(op));
  const shapes = new Map<string, Shape[]>();
  const key = (node: GraphNode): string => {
    const area = { ...common(reading, node), kind: 'stagingArea', types: [], capacity: 0 } as const;
    return keyOf(area, sharedName(area.name));
  };
  for (const node of nodes) {
    const found = shapesOf(node, node.op === 'Unstage' ? OUTPUT_SHAPES : HELD_SHAPES);
    if (found !== null) shapes.set(key(node), found);
  }
  return nodes.map((node) => {
    const id = at(node, () => {
      const whole = described(key(node));
      const known = whole?.kind === 'stagingArea' ? whole.types.map(({ shape }) => shape) : null;
      const types = tupleTypes(node, typesOf(node, 'dtypes'), shapes.get(key(node)) ?? known);
      return add({ ...common(reading, node), kind: 'stagingArea', types, capacity: capacityOf(node) });
    });
    return { name: node.name, id };
  });
}

/** What the graph itself says must be what the sidecar says. */
function checkSame(graph: Found, sidecar: Resource): void {
  const types = (resource: Found): readonly TensorType[] => {
    if (resource.kind === 'barrier') return [];
    return resource.kind === 'variable' ? [resource] : resource.types;
  };
  const [a, b] = [types(graph), types(sidecar)];
  const same =
    a.length === b.length &&
    a.every(({ dtype, shape }, i) => dtype === b[i]?.dtype && sameShape(shape, b[i]?.shape ?? []));
  if (!same) throw sidecarError(`${shown(resourceName(sidecar))} has another type in the graph`);
}
