import {
  isStatic,
  PlacewrightError,
  type QueueResource,
  type Resource,
  resourceName,
  type VariableResource,
  variableNames,
} from '@placewright/ir';
import { entry, intAttr, shapeAttr, shapesAttr, textAttr, typeAttr, typesAttr } from '../attr.js';
import { FOR_MARK, HELD_SHAPES } from '../marks.js';
import { sharedName } from '../names.js';
import type { AttrEntry, NodeDef } from '../proto/messages.js';
import type { SidecarVariable, VariableAccess } from '../sidecar.js';
import { deviceText, resourceMarks, type Writing } from './writing.js';

/** TensorFlow's rule for containers. */
const CONTAINER = /^(?:[A-Za-z0-9.][A-Za-z0-9_.\-/]*)?$/;

/** Adds one handle for each variable and queue; staging areas have none. */
export function writeHandles(writing: Writing): void {
  const taken = new Map<string, Resource>();
  for (const resource of writing.module.resources.values()) {
    checkResource(resource, taken);
    if (resource.kind !== 'variable' && resource.kind !== 'queue') continue;
    const name = writing.names.claim(resourceName(resource));
    writing.handles.set(resource.id, name);
    writing.nodes.push(handleNode(writing, name, resource));
  }
}

function checkResource(resource: Resource, taken: Map<string, Resource>): void {
  const { kind, container, device } = resource;
  const name = resourceName(resource);
  if (!CONTAINER.test(container)) {
    throw new PlacewrightError(
      'PW_GRAPHDEF_NAME',
      `${JSON.stringify(container.slice(0, 80))}, the container of ${JSON.stringify(name)}, is no name of TensorFlow's`,
      { hint: 'letters, digits and _ . - / are possible, a letter, digit or dot first' },
    );
  }
  const key = [kind, container, device, sharedName(name)].join('\0');
  const other = taken.get(key);
  if (other !== undefined) {
    throw new PlacewrightError(
      'PW_GRAPHDEF_NAME',
      `${JSON.stringify(resourceName(other))} and ${JSON.stringify(name)} would be one resource of ${device}`,
      { hint: 'rename one of the two' },
    );
  }
  taken.set(key, resource);
}

function handleNode(writing: Writing, name: string, resource: VariableResource | QueueResource): NodeDef {
  const common = [
    entry('container', textAttr(resource.container)),
    entry('shared_name', textAttr(sharedName(resourceName(resource)))),
    ...resourceMarks(resource),
  ];
  const device = deviceText(writing, resource.device);
  if (resource.kind === 'queue')
    return { name, op: 'FIFOQueueV2', input: [], device, attr: queueAttrs(resource, common) };
  const { dtype, shape } = resource;
  const attr = [entry('dtype', typeAttr(dtype)), entry('shape', shapeAttr(shape)), ...common];
  return { name, op: 'VarHandleOp', input: [], device, attr };
}

/** Shapes are all or none: TensorFlow's queue holds none that is known in part. */
function queueAttrs({ types, capacity }: QueueResource, common: readonly AttrEntry[]): AttrEntry[] {
  const known = types.every(({ shape }) => isStatic(shape));
  const shapes = types.map(({ shape }) => shape);
  return [
    entry('component_types', typesAttr(types.map(({ dtype }) => dtype))),
    entry('shapes', shapesAttr(known ? shapes : [])),
    entry('capacity', intAttr(capacity)),
    ...common,
    ...(known ? [] : [entry(HELD_SHAPES, shapesAttr(shapes))]),
  ];
}

/** The variables by the names that callers know them by, each with nodes to read and set it where these are asked for. */
export function describeVariables(writing: Writing, access: boolean): SidecarVariable[] {
  return [...variableNames(writing.module)].map(([name, variable]) => ({
    name,
    resource: variable.id,
    handle: writing.handles.get(variable.id) ?? '',
    device: deviceText(writing, variable.device),
    dtype: variable.dtype,
    shape: variable.shape,
    access: access ? addAccess(writing, name, variable) : null,
  }));
}

function addAccess(writing: Writing, name: string, variable: VariableResource): VariableAccess {
  const handle = writing.handles.get(variable.id) ?? '';
  const device = deviceText(writing, variable.device);
  const dtype = entry('dtype', typeAttr(variable.dtype));
  const mark = entry(FOR_MARK, textAttr(''));
  const add = (
    op: string,
    end: string,
    input: readonly string[],
    attr: readonly AttrEntry[] | null = [],
  ): string => {
    const full = writing.names.claim(`placewright/${name}/${end}`);
    writing.nodes.push({
      name: full,
      op,
      input,
      device,
      attr: attr === null ? [mark] : [dtype, ...attr, mark],
    });
    return full;
  };
  const read = add('ReadVariableOp', 'read', [handle]);
  const initialised = add('VarIsInitializedOp', 'initialised', [handle], null);
  const feed = add('Placeholder', 'value', [], [entry('shape', shapeAttr(variable.shape))]);
  return { read, initialised, feed, assign: add('AssignVariableOp', 'set', [handle, feed]) };
}
