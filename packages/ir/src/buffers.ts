import { type Attrs, getAttr } from './attr.js';
import { PlacewrightError } from './errors.js';
import type { QueueResource, Resource, StagingAreaResource } from './graph.js';
import { sameShape, type TensorType } from './shape.js';
import { allocate, type TensorData, type TensorValue } from './tensor.js';

/** What holds tuples from step to step, first in first out: a staging area of one device, or a queue. */
export type BufferResource = StagingAreaResource | QueueResource;

export function isBuffer(resource: Resource | undefined): resource is BufferResource {
  return resource?.kind === 'stagingArea' || resource?.kind === 'queue';
}

/** Whether an op puts a tuple into a buffer, and waits while that is full. */
export function putsIntoBuffer(op: string): boolean {
  return op === 'Stage' || op === 'QueueEnqueueV2';
}

/** Whether an op takes the oldest tuples out of a buffer, and waits until there are enough. */
export function takesFromBuffer(op: string): boolean {
  return op === 'Unstage' || op === 'QueueDequeueV2' || op === 'QueueDequeueManyV2';
}

/** How many tuples an op takes at once: it waits until so many are there, and takes none before. */
export function tuplesTaken(node: { readonly op: string; readonly attrs: Attrs }): number {
  if (node.op === 'QueueDequeueManyV2') return getAttr(node, 'n', 'int');
  return takesFromBuffer(node.op) ? 1 : 0;
}

/** Types of what an op takes out of a buffer of these types: many tuples come as one, with a first dimension more. */
export function takenTypes(
  types: readonly TensorType[],
  node: { readonly op: string; readonly attrs: Attrs },
): readonly TensorType[] {
  if (node.op !== 'QueueDequeueManyV2') return types;
  const n = tuplesTaken(node);
  return types.map(({ dtype, shape }) => ({ dtype, shape: [n, ...shape] }));
}

/**
 * Tuples as one, oldest first, each component with a first dimension more; `types` are those of `takenTypes`.
 * Throws PW_KERNEL_INPUT where the tuples differ in shape.
 */
export function stackTuples(
  types: readonly TensorType[],
  tuples: readonly (readonly TensorValue[])[],
): TensorValue[] {
  return types.map((type, i) => {
    const parts = tuples.flatMap((tuple) => tuple[i] ?? []);
    const shape = parts[0]?.shape ?? type.shape.slice(1).map((dim) => dim ?? 0);
    const size = shape.reduce((product, dim) => product * dim, 1);
    const data = allocate(type.dtype, parts.length * size);
    parts.forEach((part, row) => {
      if (!sameShape(part.shape, shape)) throw unlike(part.shape, shape);
      setAll(data, part.data, row * size);
    });
    return { dtype: type.dtype, shape: [parts.length, ...shape], data };
  });
}

/** Copies elements between arrays of one kind. */
function setAll(to: TensorData, from: TensorData, offset: number): void {
  (to as Float32Array).set(from as Float32Array, offset);
}

function unlike(a: readonly number[], b: readonly number[]): PlacewrightError {
  return new PlacewrightError(
    'PW_KERNEL_INPUT',
    `QueueDequeueManyV2: tuples of the shapes [${b.join(', ')}] and [${a.join(', ')}] cannot be put together`,
    { hint: 'take them one by one with QueueDequeueV2, or enqueue values of one shape' },
  );
}
