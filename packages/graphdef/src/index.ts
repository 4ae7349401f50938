export type { DeviceNames } from './device.js';
export { type OpNote, opNotes } from './ops/describe.js';
export { decodeGraphDef, encodeGraphDef, parseGraphDef, printGraphDef } from './proto/codec.js';
export type { GraphDef, NodeDef } from './proto/messages.js';
export { fromGraphDef, type ReadGraphOptions } from './read/graph-def.js';
export type {
  BufferAccess,
  GraphSidecar,
  NamedTensor,
  SidecarBuffer,
  SidecarEntry,
  SidecarModule,
  SidecarNode,
  SidecarVariable,
  VariableAccess,
} from './sidecar.js';
export { printSidecar, sidecarFromJson } from './sidecar-json.js';
export {
  type GraphDefOptions,
  graphDevices,
  linkedGraphDef,
  PRODUCER,
  type TaskEntries,
  toGraphDef,
  type WrittenGraph,
} from './write/graph-def.js';
export type { CollectiveForm } from './write/writing.js';
