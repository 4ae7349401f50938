import {
  DTYPES,
  decode,
  ENTRY_NAMES,
  jsonSchema,
  PHASES,
  PlacewrightError,
  type TensorType,
} from '@placewright/ir';
import {
  type BufferAccess,
  type GraphSidecar,
  type NamedTensor,
  SIDECAR_VERSION,
  type SidecarBuffer,
  type SidecarEntry,
  type SidecarModule,
  type SidecarNode,
  type SidecarVariable,
  type VariableAccess,
} from './sidecar.js';

const { float, int, listOf, nullable, oneOf, record, text } = decode;

/** A sidecar as JSON text; numbers that JSON lacks are strings, `"nan"`, `"inf"`, `"-inf"`, `"-0"`. */
export function printSidecar(sidecar: GraphSidecar): string {
  return `${JSON.stringify(sidecar, (_, value: unknown) => plain(value), 1)}\n`;
}

function plain(value: unknown): unknown {
  if (typeof value !== 'number') return value;
  if (Object.is(value, -0)) return '-0';
  if (Number.isNaN(value)) return 'nan';
  return Number.isFinite(value) ? value : value > 0 ? 'inf' : '-inf';
}

const namedTensor = record<NamedTensor>(
  { name: text, tensor: text, of: text } as decode.Fields<NamedTensor>,
  ['of'],
);
const entry = record<SidecarEntry>({
  feeds: listOf(namedTensor),
  fetches: listOf(namedTensor),
  rounds: listOf(listOf(text)),
});
const entries = record<GraphSidecar['entries']>(
  Object.fromEntries(ENTRY_NAMES.map((name) => [name, entry])) as Record<
    (typeof ENTRY_NAMES)[number],
    typeof entry
  >,
  ENTRY_NAMES,
);

const variable = record<SidecarVariable>({
  name: text,
  resource: jsonSchema.resourceId,
  handle: text,
  device: text,
  dtype: oneOf(DTYPES),
  shape: listOf(nullable(int())),
  access: nullable(record<VariableAccess>({ read: text, initialised: text, feed: text, assign: text })),
});

const buffer = record<SidecarBuffer>({
  name: text,
  resource: jsonSchema.resourceId,
  device: text,
  types: listOf(record<TensorType>({ dtype: oneOf(DTYPES), shape: listOf(nullable(int())) })),
  access: nullable(
    record<BufferAccess>({
      ...{ size: text, get: text, at: nullable(text), clear: nullable(text) },
      ...{ put: text, feeds: listOf(text) },
    }),
  ),
});

const node = record<SidecarNode>(
  {
    graph: text,
    id: jsonSchema.nodeId,
    name: text,
    replica: int(),
    variable: text,
    phase: oneOf(PHASES),
    group: text,
    colocation: text,
    origin: record<SidecarNode['origin']>({ pass: text, from: listOf(jsonSchema.nodeId), reason: text }),
    floats: listOf(record<{ readonly name: string; readonly value: number }>({ name: text, value: float })),
  } as decode.Fields<SidecarNode>,
  ['name', 'replica', 'variable', 'phase', 'group', 'colocation', 'floats'],
);

const module = record<SidecarModule>({
  towers: int(),
  nextId: int(),
  established: listOf(text),
  training: nullable(jsonSchema.training),
  cluster: nullable(jsonSchema.cluster),
  task: nullable(jsonSchema.task),
  roles: listOf(jsonSchema.role),
  decisions: listOf(jsonSchema.decision),
  resources: listOf(jsonSchema.resource),
  nodes: listOf(node),
});

const sidecar = record<GraphSidecar>({
  format: oneOf(['placewright-graphdef']),
  version: int(SIDECAR_VERSION, SIDECAR_VERSION),
  name: text,
  entries,
  variables: listOf(variable),
  buffers: listOf(buffer),
  devices: listOf(record<GraphSidecar['devices'][number]>({ module: text, graph: text })),
  module: nullable(module),
});

/** Reads what `printSidecar` wrote and `JSON.parse` gave back. Throws PW_GRAPHDEF_SIDECAR with the way to what is wrong. */
export function sidecarFromJson(value: unknown, file?: string): GraphSidecar {
  try {
    return sidecar(value);
  } catch (error) {
    if (!(error instanceof decode.Misfit)) throw error;
    const where = error.where();
    throw sidecarError(`${where === '' ? 'it' : where} ${error.message}`, file, error.hint);
  }
}

/** Says that a sidecar does not fit, by itself or to its graph. */
export function sidecarError(what: string, file?: string, hint = ''): PlacewrightError {
  return new PlacewrightError(
    'PW_GRAPHDEF_SIDECAR',
    `the description beside the GraphDef does not fit: ${what}`,
    {
      where: file === undefined ? {} : { file },
      hint:
        hint === ''
          ? 'write both again with `placewright compile --graphdef FILE`, or move the description away'
          : hint,
    },
  );
}
