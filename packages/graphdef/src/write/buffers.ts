import { type BufferResource, isBuffer, resourceName, type TensorType } from '@placewright/ir';
import { entry, intAttr, shapeAttr, textAttr, typeAttr, typesAttr } from '../attr.js';
import { FOR_MARK } from '../marks.js';
import { sharedName } from '../names.js';
import type { AttrCase, AttrEntry } from '../proto/messages.js';
import type { BufferAccess, SidecarBuffer } from '../sidecar.js';
import { deviceText, type Writing } from './writing.js';

/** The staging areas and queues, each with nodes to look at it and to fill it where these are asked for. */
export function describeBuffers(writing: Writing, access: boolean): SidecarBuffer[] {
  return [...writing.module.resources.values()].filter(isBuffer).map((buffer) => ({
    name: resourceName(buffer),
    resource: buffer.id,
    device: deviceText(writing, buffer.device),
    types: buffer.types,
    access: !access
      ? null
      : buffer.kind === 'queue'
        ? queueAccess(writing, buffer)
        : areaAccess(writing, buffer),
  }));
}

/** Adds a helper beside a buffer; gives its name. */
type Add = (end: string, op: string, input: readonly string[], attr: readonly AttrEntry[]) => string;

function adder(writing: Writing, buffer: BufferResource): Add {
  const device = deviceText(writing, buffer.device);
  return (end, op, input, attr) => {
    const name = writing.names.claim(`placewright/${resourceName(buffer)}/${end}`);
    writing.nodes.push({ name, op, input, device, attr: [...attr, entry(FOR_MARK, textAttr(''))] });
    return name;
  };
}

const dtypes = (types: readonly TensorType[]): AttrCase => typesAttr(types.map(({ dtype }) => dtype));

/** A placeholder for each component of a tuple. */
function addFeeds(add: Add, types: readonly TensorType[]): string[] {
  return types.map(({ dtype, shape }, i) =>
    add(`value_${i}`, 'Placeholder', [], [entry('dtype', typeAttr(dtype)), entry('shape', shapeAttr(shape))]),
  );
}

/** TensorFlow finds an area by the attributes of each op on it. */
function areaAccess(writing: Writing, buffer: BufferResource): BufferAccess {
  const add = adder(writing, buffer);
  const { types, capacity, container } = buffer;
  const own = [
    entry('dtypes', dtypes(types)),
    entry('capacity', intAttr(capacity)),
    entry('container', textAttr(container)),
    entry('shared_name', textAttr(sharedName(resourceName(buffer)))),
  ];
  const at = add('at', 'Placeholder', [], [entry('dtype', typeAttr('int32')), entry('shape', shapeAttr([]))]);
  const feeds = addFeeds(add, types);
  return {
    size: add('size', 'StageSize', [], own),
    at,
    get: add('peek', 'StagePeek', [at], own),
    clear: add('clear', 'StageClear', [], own),
    feeds,
    put: add('put', 'Stage', feeds, own),
  };
}

function queueAccess(writing: Writing, buffer: BufferResource): BufferAccess {
  const add = adder(writing, buffer);
  const { types } = buffer;
  const handle = writing.handles.get(buffer.id) ?? '';
  const feeds = addFeeds(add, types);
  return {
    size: add('size', 'QueueSizeV2', [handle], []),
    at: null,
    get: add('take', 'QueueDequeueV2', [handle], [entry('component_types', dtypes(types))]),
    clear: null,
    feeds,
    put: add('put', 'QueueEnqueueV2', [handle, ...feeds], [entry('Tcomponents', dtypes(types))]),
  };
}
