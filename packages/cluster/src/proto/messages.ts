import type { TensorValue } from '@placewright/ir';
import { encodeConfig, type SessionConfig } from './config.js';
import { decodeTensor, encodeTensor } from './tensor.js';
import {
  badReply,
  boolField,
  bytesReader,
  type FieldReaders,
  fixed64Reader,
  int32Reader,
  int64Reader,
  intField,
  messageField,
  type Parts,
  readMessage,
  textElement,
  textField,
  textReader,
} from './wire.js';

/** Requests and replies of TensorFlow's master service, with the fields that are used here. */

export interface CreateSessionRequest {
  /** A GraphDef, as bytes. */
  readonly graph: Parts;
  readonly config: SessionConfig;
  /** What the session is called by its client: `grpc://host:port`. */
  readonly target: string;
}

export function encodeCreateSession({ graph, config, target }: CreateSessionRequest): Parts {
  return [...messageField(1, graph), ...messageField(2, encodeConfig(config)), ...textField(3, target)];
}

export interface CreatedSession {
  readonly handle: string;
  readonly version: bigint;
}

export function decodeCreateSession(bytes: Uint8Array): CreatedSession {
  let [handle, version] = ['', 0n];
  readMessage('a CreateSessionResponse', bytes, {
    1: textReader((text) => {
      handle = text;
    }),
    2: int64Reader((value) => {
      version = value;
    }),
  });
  if (handle === '') throw badReply('a CreateSessionResponse has no session');
  return { handle, version };
}

export function encodeExtendSession(handle: string, graph: Parts, version: bigint): Parts {
  return [...textField(1, handle), ...messageField(2, graph), ...intField(3, version)];
}

/** The new version of the graph. */
export function decodeExtendSession(bytes: Uint8Array): bigint {
  let version = 0n;
  readMessage('an ExtendSessionResponse', bytes, {
    4: int64Reader((value) => {
      version = value;
    }),
  });
  return version;
}

/** A session, as CloseSession, ListDevices and the callables begin. */
export function encodeHandle(handle: string): Parts {
  return textField(1, handle);
}

/** Containers whose resources are dropped: all when none is named. */
export function encodeReset(containers: readonly string[]): Parts {
  return containers.flatMap((name) => textElement(1, name));
}

/** How a step runs: what is used of RunOptions. */
export interface StepOptions {
  /** After how many milliseconds the server gives up. */
  readonly timeoutMs?: number;
  /** Whether it tells what ran where, and when. */
  readonly trace?: boolean;
  /** The same number in all steps whose collectives belong together, another one for the next step. */
  readonly collectiveKey?: number;
}

const FULL_TRACE = 3;

function encodeOptions({ timeoutMs = 0, trace = false, collectiveKey = 0 }: StepOptions): Parts {
  return [
    ...intField(1, trace ? FULL_TRACE : 0),
    ...intField(2, timeoutMs),
    ...(collectiveKey === 0 ? [] : messageField(8, intField(1, collectiveKey))),
  ];
}

export interface RunStepRequest {
  readonly handle: string;
  readonly feeds: ReadonlyMap<string, TensorValue>;
  readonly fetches: readonly string[];
  readonly targets: readonly string[];
  readonly options: StepOptions;
}

export function encodeRunStep({ handle, feeds, fetches, targets, options }: RunStepRequest): Parts {
  return [
    ...textField(1, handle),
    ...[...feeds].flatMap(([name, value]) =>
      messageField(2, [...textField(1, name), ...messageField(2, encodeTensor(value))]),
    ),
    ...fetches.flatMap((name) => textElement(3, name)),
    ...targets.flatMap((name) => textElement(4, name)),
    ...messageField(5, encodeOptions(options)),
    // Errors in the reply's body may be long; those in a header are cut short.
    ...boolField(7, true),
  ];
}

/** What a step ended with: `status` 0, or a code and TensorFlow's text. */
export interface RunStepReply {
  readonly tensors: ReadonlyMap<string, TensorValue>;
  readonly stats: readonly NodeStats[];
  readonly status: number;
  readonly message: string;
}

export function decodeRunStep(bytes: Uint8Array): RunStepReply {
  const tensors = new Map<string, TensorValue>();
  const stats: NodeStats[] = [];
  let [status, message] = [0, ''];
  readMessage('a RunStepResponse', bytes, {
    1: bytesReader((named) => addNamed(named, tensors)),
    2: bytesReader((metadata) => readMetadata(metadata, stats)),
    3: int32Reader((code) => {
      status = code;
    }),
    4: textReader((text) => {
      message = text;
    }),
  });
  return { tensors, stats, status, message };
}

function addNamed(bytes: Uint8Array, tensors: Map<string, TensorValue>): void {
  let name = '';
  let tensor: Uint8Array | undefined;
  readMessage('a named tensor', bytes, {
    1: textReader((text) => {
      name = text;
    }),
    2: bytesReader((body) => {
      tensor = body;
    }),
  });
  if (tensor === undefined) throw badReply('a named tensor has no tensor');
  tensors.set(name, decodeTensor(tensor));
}

/** What one node did in a step that was traced. Times are microseconds since 1970. */
export interface NodeStats {
  readonly device: string;
  /** The node's name, with what TensorFlow appends for sends and receives. */
  readonly node: string;
  readonly startMicros: bigint;
  readonly endMicros: bigint;
  /** `name = Op(inputs)`, where TensorFlow says it. */
  readonly label: string;
}

function readMetadata(bytes: Uint8Array, stats: NodeStats[]): void {
  readMessage('RunMetadata', bytes, {
    1: bytesReader((all) =>
      readMessage('StepStats', all, { 1: bytesReader((device) => readDeviceStats(device, stats)) }),
    ),
  });
}

function readDeviceStats(bytes: Uint8Array, stats: NodeStats[]): void {
  let device = '';
  const nodes: Uint8Array[] = [];
  readMessage('DeviceStepStats', bytes, {
    1: textReader((text) => {
      device = text;
    }),
    2: bytesReader((node) => nodes.push(node)),
  });
  for (const node of nodes) stats.push({ device, ...readNodeStats(node) });
}

function readNodeStats(bytes: Uint8Array): Omit<NodeStats, 'device'> {
  const stats = { node: '', startMicros: 0n, label: '' };
  let micros = 0n;
  readMessage('NodeExecStats', bytes, {
    1: textReader((text) => {
      stats.node = text;
    }),
    2: int64Reader((value) => {
      stats.startMicros = value;
    }),
    5: int64Reader((value) => {
      micros = value;
    }),
    8: textReader((text) => {
      stats.label = text;
    }),
  });
  return { ...stats, endMicros: stats.startMicros + micros };
}

/** A device as a server has it. */
export interface ServerDevice {
  readonly name: string;
  readonly type: string;
  /** Bytes. */
  readonly memory: bigint;
  /** Another number after each start of the server. */
  readonly incarnation: bigint;
  /** What a GPU is; empty for a CPU. */
  readonly description: string;
}

function readDevice(bytes: Uint8Array): ServerDevice {
  const device = { name: '', type: '', memory: 0n, incarnation: 0n, description: '' };
  const text = (key: 'name' | 'type' | 'description') =>
    textReader((value) => {
      device[key] = value;
    });
  readMessage('DeviceAttributes', bytes, {
    1: text('name'),
    2: text('type'),
    4: int64Reader((value) => {
      device.memory = value;
    }),
    6: fixed64Reader((value) => {
      device.incarnation = value;
    }),
    7: text('description'),
  });
  return device;
}

/** The devices in some fields of a message. */
function devicesIn(what: string, bytes: Uint8Array, numbers: readonly number[]): ServerDevice[] {
  const devices: ServerDevice[] = [];
  const reader = bytesReader((device) => devices.push(readDevice(device)));
  readMessage(what, bytes, Object.fromEntries(numbers.map((number) => [number, reader])) as FieldReaders);
  return devices;
}

/** Devices of the task that was asked, then those of all others. */
export function decodeListDevices(bytes: Uint8Array): ServerDevice[] {
  return devicesIn('a ListDevicesResponse', bytes, [1, 2]);
}

/** Devices of one task, from its worker service. */
export function decodeGetStatus(bytes: Uint8Array): ServerDevice[] {
  return devicesIn('a GetStatusResponse', bytes, [1]);
}

/** A step that is run many times, whose names are sent once. */
export interface CallableRequest {
  readonly feeds: readonly string[];
  readonly fetches: readonly string[];
  readonly targets: readonly string[];
  readonly options: StepOptions;
}

export function encodeMakeCallable(handle: string, request: CallableRequest): Parts {
  const options = [
    ...request.feeds.flatMap((name) => textElement(1, name)),
    ...request.fetches.flatMap((name) => textElement(2, name)),
    ...request.targets.flatMap((name) => textElement(3, name)),
    ...messageField(4, encodeOptions(request.options)),
  ];
  return [...encodeHandle(handle), ...messageField(2, options)];
}

/** The handle of the callable. */
export function decodeMakeCallable(bytes: Uint8Array): bigint {
  let handle = 0n;
  readMessage('a MakeCallableResponse', bytes, {
    1: int64Reader((value) => {
      handle = value;
    }),
  });
  return handle;
}

/** Feeds come in the order in which the callable names them. */
export function encodeRunCallable(handle: string, callable: bigint, feeds: readonly TensorValue[]): Parts {
  return [
    ...encodeHandle(handle),
    ...intField(2, callable),
    ...feeds.flatMap((value) => messageField(3, encodeTensor(value))),
  ];
}

/** Fetches in the order in which the callable names them. */
export function decodeRunCallable(bytes: Uint8Array): TensorValue[] {
  const tensors: TensorValue[] = [];
  readMessage('a RunCallableResponse', bytes, {
    1: bytesReader((tensor) => tensors.push(decodeTensor(tensor))),
  });
  return tensors;
}

export function encodeReleaseCallable(handle: string, callable: bigint): Parts {
  return [...encodeHandle(handle), ...intField(2, callable)];
}
