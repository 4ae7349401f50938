import {
  allocate,
  bytesOf,
  compareDevices,
  type DType,
  type EntryName,
  formatDevice,
  type Module,
  nodeName,
  nodeOf,
  parseDevice,
  type TensorValue,
} from '@placewright/ir';
import {
  encodeGraphDef,
  type GraphDefOptions,
  graphDevices,
  toGraphDef,
  type WrittenGraph,
} from '../../src/index.js';
import type { TensorFlow } from './python.js';

export type Feeds = ReadonlyMap<string, TensorValue>;

/**
 * `GPU:i` is `CPU:i+1`: a TensorFlow without GPUs has as many CPU devices as it is asked for. Devices of several tasks get
 * one number after the other, since one session has one task.
 */
export function cpuDevices(module: Module): Map<string, string> {
  const devices = [...graphDevices(module)].sort(compareDevices);
  const local = devices.every((device) => parseDevice(device).job === undefined);
  return new Map(
    devices.map((device, i) => {
      const { type, index = 0 } = parseDevice(device);
      const number = local ? index + (type === 'GPU' ? 1 : 0) : i;
      return [device, formatDevice({ type: 'CPU', index: number })];
    }),
  );
}

/** A session of TensorFlow over the GraphDef of a module, in the form that the suite of engines takes. */
export interface TensorFlowSession {
  readonly written: WrittenGraph;
  run(
    entry: EntryName,
    feeds?: Feeds,
    options?: { readonly fetch?: readonly string[] },
  ): Promise<Map<string, TensorValue>>;
  /** As `run`, and on which devices which nodes ran. */
  trace(entry: EntryName, feeds?: Feeds): Promise<readonly (readonly [device: string, node: string])[]>;
  readVariables(): Promise<Map<string, TensorValue>>;
  writeVariables(values: Feeds): Promise<void>;
  close(): Promise<void>;
}

let sessions = 0;

export async function openSession(
  tensorflow: TensorFlow,
  module: Module,
  options: GraphDefOptions = {},
): Promise<TensorFlowSession> {
  const devices = cpuDevices(module);
  const written = toGraphDef(module, { devices, access: true, ...options });
  sessions += 1;
  const session = sessions;
  const count = 1 + Math.max(0, ...[...devices.values()].map((name) => parseDevice(name).index ?? 0));
  await tensorflow.ask('load', { session, devices: count }, [encodeGraphDef(written.graph)]);
  const ask = (run: Run) => ({ session, ...run.header });
  const send = async (run: Run): Promise<{ values: TensorValue[]; ran: readonly [string, string][] }> => {
    const { header, blobs } = await tensorflow.ask('run', ask(run), run.blobs);
    const specs = header.tensors as { dtype: DType; shape: number[] }[];
    const values = specs.map((spec, i) => tensorOf(spec, blobs[i] ?? new Uint8Array(0)));
    return { values, ran: header.ran as [string, string][] };
  };
  return {
    written,
    run: (entry, feeds = new Map(), { fetch = [] } = {}) =>
      runEntry(written, send, entry, feeds, fetch.map(shownTensor(module, written))),
    async trace(entry, feeds = new Map()) {
      const ran: [string, string][] = [];
      const traced = async (run: Run) => {
        const result = await send({ ...run, header: { ...run.header, trace: true } });
        ran.push(...result.ran);
        return result;
      };
      await runEntry(written, traced, entry, feeds, []);
      return ran;
    },
    readVariables: () => readVariables(written, send),
    async writeVariables(values) {
      for (const { name, access } of written.sidecar.variables) {
        const value = values.get(name);
        if (value === undefined || access === null) continue;
        await send(runOf([{ name: `${access.feed}:0`, value }], [], [access.assign]));
      }
    },
    async close() {
      await tensorflow.ask('close', { session });
    },
  };
}

interface More {
  readonly name: string;
  readonly tensor: string;
}

/** Tensors by the names that the module shows; TensorFlow does not take all of them. */
function shownTensor(module: Module, { sidecar }: WrittenGraph): (shown: string) => More {
  const names = new Map(
    sidecar.module?.nodes.map(({ graph, id }) => [nodeName(nodeOf(module.graph, id)), graph] as const),
  );
  return (shown) => {
    const at = shown.lastIndexOf(':');
    return { name: shown, tensor: `${names.get(shown.slice(0, at)) ?? ''}${shown.slice(at)}` };
  };
}

interface Run {
  readonly header: Readonly<Record<string, unknown>>;
  readonly blobs: readonly Uint8Array[];
}

type Send = (run: Run) => Promise<{ values: TensorValue[] }>;

function runOf(
  feeds: readonly { name: string; value: TensorValue }[],
  fetches: readonly string[],
  targets: readonly string[],
): Run {
  const specs = feeds.map(({ name, value: { dtype, shape } }) => ({ tensor: name, dtype, shape }));
  const header = { feeds: specs, fetches, targets, collective: 1 };
  return { header, blobs: feeds.map(({ value }) => bytesOf(value)) };
}

function tensorOf({ dtype, shape }: { dtype: DType; shape: number[] }, blob: Uint8Array): TensorValue {
  const data = allocate(
    dtype,
    shape.reduce((product, dim) => product * dim, 1),
  );
  new Uint8Array(data.buffer).set(blob);
  return { dtype, shape, data };
}

async function runEntry(
  { sidecar }: WrittenGraph,
  send: Send,
  name: EntryName,
  values: Feeds,
  more: readonly More[],
): Promise<Map<string, TensorValue>> {
  const entry = sidecar.entries[name];
  if (entry === undefined) throw new Error(`there is no entry ${name}`);
  const feeds = entry.feeds.flatMap(({ name: feed, tensor }) => {
    const value = values.get(feed);
    return value === undefined ? [] : [{ name: tensor, value }];
  });
  const fetches = [...entry.fetches, ...more];
  const out = new Map<string, TensorValue>();
  for (const [i, targets] of entry.rounds.entries()) {
    const wanted = i === entry.rounds.length - 1 ? fetches : [];
    if (targets.length + wanted.length === 0) continue;
    const tensors = wanted.map(({ tensor }) => tensor);
    const { values: found } = await send(runOf(feeds, tensors, targets));
    wanted.forEach(({ name: fetch }, at) => {
      const value = found[at];
      if (value !== undefined) out.set(fetch, value);
    });
  }
  return out;
}

async function readVariables({ sidecar }: WrittenGraph, send: Send): Promise<Map<string, TensorValue>> {
  const reads = sidecar.variables.flatMap(({ name, access }) =>
    access === null ? [] : [{ name, tensor: `${access.read}:0` }],
  );
  if (reads.length === 0) return new Map();
  const { values } = await send(
    runOf(
      [],
      reads.map(({ tensor }) => tensor),
      [],
    ),
  );
  return new Map(
    reads.flatMap(({ name }, i) => (values[i] === undefined ? [] : [[name, values[i]] as const])),
  );
}
