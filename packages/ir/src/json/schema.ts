import type { Attr, Attrs } from '../attr.js';
import type { Cluster, TaskName } from '../cluster.js';
import { type ConstantTable, constantHash, tensorFromBytes } from '../constants.js';
import { canonicalDevice } from '../device.js';
import { DTYPES, type DType } from '../dtype.js';
import {
  type Decision,
  ENTRY_NAMES,
  type Entry,
  type Node,
  type NodeId,
  type Origin,
  PHASES,
  type Resource,
  type ResourceId,
  type Role,
  type TensorRef,
} from '../graph.js';
import { type Dim, elementCount, MAX_ELEMENTS, type Shape, sameShape, type TensorType } from '../shape.js';
import type { TensorValue } from '../tensor.js';
import { MAX_SMALL } from '../text/fields.js';
import { MAX_RANK } from '../text/values.js';
import type { TrainingSpec } from '../training.js';
import { fromBase64 } from './base64.js';
import {
  bool,
  type Decoder,
  float,
  int,
  listOf,
  Misfit,
  nullable,
  oneOf,
  record,
  text,
  variant,
} from './decode.js';

const ID = /^[nr](?:0|[1-9]\d{0,14})$/;

function id<T extends NodeId | ResourceId>(kind: 'n' | 'r' | ''): Decoder<T> {
  return (value) => {
    const name = text(value);
    if (ID.test(name) && name.startsWith(kind)) return name as T;
    throw new Misfit(
      `is ${JSON.stringify(name.slice(0, 40))}, which is no id`,
      'ids are n0, n1, …, r0, r1, …',
    );
  };
}

export const nodeId = id<NodeId>('n');
export const resourceId = id<ResourceId>('r');
const replica = nullable(int(0, MAX_SMALL));
const device: Decoder<string> = (value) => canonicalDevice(text(value));
const dtype = oneOf(DTYPES);
const exactly = <const T extends string>(kind: T): Decoder<T> => oneOf([kind]);

const dimension = int(0, MAX_ELEMENTS);

function checkShape<S extends Shape>(shape: S): S {
  if (shape.length > MAX_RANK) throw new Misfit(`has rank ${shape.length}`, `at most ${MAX_RANK}`);
  elementCount(shape);
  return shape;
}

const staticShape: Decoder<number[]> = (value) => checkShape(listOf(dimension)(value));
const shape: Decoder<Dim[]> = (value) => checkShape(listOf(nullable(dimension))(value));
const tensorType = record<TensorType>({ dtype, shape });
const tensorRef = record<TensorRef>({ node: nodeId, port: int(0, MAX_SMALL) });

const origin = record<Origin>({ pass: text, from: listOf(nodeId), reason: text });

const SAFE = Number.MAX_SAFE_INTEGER;
const anyInt = int(-SAFE, SAFE);

interface NamedAttr {
  readonly name: string;
  readonly kind: Attr['kind'];
  readonly value: Attr['value'];
}

function attr(constants: ConstantTable): Decoder<NamedAttr> {
  const of = (kind: Attr['kind'], value: Decoder<Attr['value']>): Decoder<NamedAttr> =>
    record<NamedAttr>({ name: text, kind: exactly(kind), value });
  return variant({
    int: of('int', anyInt),
    float: of('float', float),
    bool: of('bool', bool),
    string: of('string', text),
    dtype: of('dtype', dtype),
    shape: of('shape', shape),
    ints: of('ints', listOf(anyInt)),
    floats: of('floats', listOf(float)),
    strings: of('strings', listOf(text)),
    tensor: of('tensor', tensor(constants)),
  });
}

/** A tensor with its bytes (`base64`), or with the hash of a constant that stands elsewhere (`hash`). */
interface TensorRecord {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly base64?: string;
  readonly hash?: string;
}

// A large constant is one string here; what bounds it is the text that it came in.
const base64: Decoder<string> = (value) => (typeof value === 'string' ? value : text(value));

function tensor(constants: ConstantTable): Decoder<TensorValue> {
  const read = record<TensorRecord>({ dtype, shape: staticShape, base64, hash: text }, ['base64', 'hash']);
  return (value) => {
    const found = read(value);
    if (found.base64 === undefined) return tableTensor(found, constants);
    const bytes = fromBase64(found.base64);
    if (bytes === null) {
      throw new Misfit('has a "base64" that is none', 'write the bytes of the elements, little-endian');
    }
    return tensorFromBytes(found.dtype, found.shape, bytes);
  };
}

function tableTensor({ dtype, shape, hash }: TensorRecord, constants: ConstantTable): TensorValue {
  if (hash === undefined) {
    throw new Misfit(
      'lacks "base64" or "hash"',
      'give the elements as "base64", or the "hash" of a constant of the file beside',
    );
  }
  const value = constants.get(hash);
  if (value === undefined) {
    throw new Misfit(
      `is the constant ${hash.slice(0, 80)}, which is missing`,
      'give the constants file that belongs to it',
    );
  }
  if (value.dtype === dtype && sameShape(value.shape, shape) && constantHash(value) === hash) return value;
  throw new Misfit(
    `is another constant than ${hash}`,
    'the module and its constants file do not belong together',
  );
}

function attrs(constants: ConstantTable): Decoder<Attrs> {
  const list = listOf(attr(constants));
  return (value) => {
    const out = new Map<string, Attr>();
    for (const { name, kind, value: content } of list(value)) {
      if (out.has(name)) {
        throw new Misfit(
          `has the attribute ${JSON.stringify(name.slice(0, 80))} twice`,
          'keep one of the two',
        );
      }
      out.set(name, { kind, value: content } as Attr);
    }
    return out;
  };
}

export function node(constants: ConstantTable): Decoder<Node> {
  return record<Node>({
    id: nodeId,
    name: text,
    op: text,
    inputs: listOf(tensorRef),
    controls: listOf(nodeId),
    attrs: attrs(constants),
    outputs: listOf(tensorType),
    resources: listOf(resourceId),
    device,
    replica,
    variable: nullable(text),
    phase: oneOf(PHASES),
    group: text,
    colocation: nullable(text),
    origin,
  });
}

const shared = { id: resourceId, container: text, device, replica, origin, name: text };
const buffer = { ...shared, types: listOf(tensorType), capacity: int() };

export const resource: Decoder<Resource> = variant<Resource['kind'], Resource>({
  variable: record({
    ...shared,
    kind: exactly('variable'),
    scope: text,
    dtype,
    shape,
    trainable: bool,
    collection: oneOf(['global', 'local']),
    slotOf: nullable(resourceId),
    savedAs: nullable(text),
  }),
  stagingArea: record({ ...buffer, kind: exactly('stagingArea') }),
  queue: record({ ...buffer, kind: exactly('queue') }),
  barrier: record({ ...shared, kind: exactly('barrier'), parties: int() }),
});

export const entry = record<Entry>({
  name: oneOf(ENTRY_NAMES),
  feeds: listOf(record({ name: text, node: nodeId })),
  fetches: listOf(record({ name: text, tensor: tensorRef })),
  rounds: listOf(listOf(nodeId)),
});

const ofVariable = { replica, variable: text };

export const role: Decoder<Role> = variant<Role['kind'], Role>({
  loss: record({ kind: exactly('loss'), replica, tensor: tensorRef }),
  gradient: record({ kind: exactly('gradient'), ...ofVariable, tensor: tensorRef }),
  aggregated: record({ kind: exactly('aggregated'), ...ofVariable, tensor: tensorRef }),
  apply: record({ kind: exactly('apply'), ...ofVariable, node: nodeId }),
  update: record({ kind: exactly('update'), ...ofVariable, node: nodeId }),
  initializer: record({ kind: exactly('initializer'), ...ofVariable, node: nodeId }),
  globalStep: record({ kind: exactly('globalStep'), node: nodeId }),
});

export const decision = record<Decision>({
  pass: text,
  about: oneOf(['device', 'readDevice', 'cachingDevice', 'staging', 'aggregation', 'slot', 'name']),
  subject: id<NodeId | ResourceId>(''),
  chosen: text,
  candidates: listOf(record({ name: text, load: float })),
  rule: text,
  option: text,
});

export const training = record<TrainingSpec>({
  optimizer: variant<TrainingSpec['optimizer']['kind'], TrainingSpec['optimizer']>({
    sgd: record({ kind: exactly('sgd'), learningRate: float }),
    momentum: record({ kind: exactly('momentum'), learningRate: float, momentum: float, nesterov: bool }),
    rmsprop: record({
      kind: exactly('rmsprop'),
      learningRate: float,
      decay: float,
      momentum: float,
      epsilon: float,
    }),
  }),
  weightDecay: float,
  clip: variant<TrainingSpec['clip']['kind'], TrainingSpec['clip']>({
    none: record({ kind: exactly('none') }),
    value: record({ kind: exactly('value'), limit: float }),
    globalNorm: record({ kind: exactly('globalNorm'), limit: float }),
  }),
});

export const task = record<TaskName>({ job: text, index: int(0, MAX_SMALL) });

export const cluster = record<Cluster>({
  jobs: listOf(
    record({
      name: text,
      tasks: listOf(
        record<Cluster['jobs'][number]['tasks'][number]>(
          {
            index: int(),
            address: text,
            devices: listOf(
              record<Cluster['jobs'][number]['tasks'][number]['devices'][number]>(
                { type: text, index: int(), memory: float },
                ['memory'],
              ),
            ),
          },
          ['address'],
        ),
      ),
    }),
  ),
  links: listOf(record({ a: text, b: text, bandwidth: float, latency: float })),
});
