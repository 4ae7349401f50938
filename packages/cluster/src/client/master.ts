import { PlacewrightError, type TensorValue } from '@placewright/ir';
import type { TaskAddress } from '../addresses.js';
import type { SessionConfig } from '../proto/config.js';
import {
  type CallableRequest,
  decodeCreateSession,
  decodeExtendSession,
  decodeGetStatus,
  decodeListDevices,
  decodeMakeCallable,
  decodeRunCallable,
  decodeRunStep,
  encodeCreateSession,
  encodeExtendSession,
  encodeHandle,
  encodeMakeCallable,
  encodeReleaseCallable,
  encodeReset,
  encodeRunCallable,
  encodeRunStep,
  type NodeStats,
  type ServerDevice,
  type StepOptions,
} from '../proto/messages.js';
import type { Parts } from '../proto/wire.js';
import {
  type CallOptions,
  type Channel,
  type ConnectOptions,
  DEFAULT_TIMEOUT_MS,
  type Method,
  openChannel,
} from './channel.js';
import { callError, STATUS } from './status.js';

/** A GraphDef as bytes, in one piece or several. */
export type GraphBytes = Uint8Array | Parts;

const partsOf = (graph: GraphBytes): Parts => (graph instanceof Uint8Array ? [graph] : graph);

const master = (name: string): Method => ({ service: 'MasterService', name });
const METHODS = {
  createSession: master('CreateSession'),
  extendSession: master('ExtendSession'),
  runStep: master('RunStep'),
  closeSession: master('CloseSession'),
  listDevices: master('ListDevices'),
  reset: master('Reset'),
  makeCallable: master('MakeCallable'),
  runCallable: master('RunCallable'),
  releaseCallable: master('ReleaseCallable'),
  getStatus: { service: 'WorkerService', name: 'GetStatus' },
} as const satisfies Record<string, Method>;

/** A task that is asked as TensorFlow's master. */
export interface Master {
  readonly who: TaskAddress;
  /** Makes a session for a graph, and waits for all tasks that it may use. Throws PW_CLUSTER_*. */
  createSession(graph: GraphBytes, config?: SessionConfig, options?: CallOptions): Promise<MasterSession>;
  /** The devices of this task alone: the cheapest question, which waits for no other task. */
  ownDevices(options?: CallOptions): Promise<ServerDevice[]>;
  /** Drops the variables and all else in the named containers of all tasks, in the default one when none is named; ends sessions. */
  reset(containers?: readonly string[], options?: CallOptions): Promise<void>;
  /** Ends the connection. Sessions stay until they are closed. */
  close(): void;
}

/** What a step runs, by TensorFlow's names. */
export interface Step extends StepOptions {
  readonly feeds?: ReadonlyMap<string, TensorValue>;
  /** Tensors, `node:port`. */
  readonly fetches?: readonly string[];
  /** Nodes that run and give nothing. */
  readonly targets?: readonly string[];
}

export interface StepResult {
  /** By the names of the fetches. Large ones are views of one message: copy what is kept for long. */
  readonly values: ReadonlyMap<string, TensorValue>;
  /** What ran where, of a step with `trace`. */
  readonly stats: readonly NodeStats[];
}

/** A step that was prepared. */
export interface Callable {
  /** Feeds in the order of their names; the fetches in the order of theirs. */
  run(feeds: readonly TensorValue[], options?: CallOptions): Promise<TensorValue[]>;
  release(options?: CallOptions): Promise<void>;
}

/** A session of a master. Its steps may run at the same time; their order is up to the caller. */
export interface MasterSession {
  readonly handle: string;
  /** Adds nodes to the graph. */
  extend(graph: GraphBytes, options?: CallOptions): Promise<void>;
  /**
   * Runs a step; `timeoutMs` of the step is also that of the call. Throws PW_CLUSTER_*, PW_CLUSTER_REPLY where a fetch is
   * missing in the reply.
   */
  run(step: Step, options?: Pick<CallOptions, 'signal'>): Promise<StepResult>;
  prepare(request: CallableRequest, options?: CallOptions): Promise<Callable>;
  /** All devices that the session can use. */
  devices(options?: CallOptions): Promise<ServerDevice[]>;
  close(options?: CallOptions): Promise<void>;
}

/** The server is to give up first, since it knows why. */
const GRACE_MS = 500;

/** Connects to a task. Nothing is sent before the first call. Throws PW_CLUSTER_NETWORK, PW_CLUSTER_MESSAGE_SIZE. */
export function openMaster(who: TaskAddress, options: ConnectOptions = {}): Master {
  const channel = openChannel(who, options);
  return {
    who,
    async createSession(graph, config = {}, call = {}) {
      const request = { graph: partsOf(graph), config, target: `grpc://${who.address}` };
      const created = await channel.call(
        METHODS.createSession,
        encodeCreateSession(request),
        decodeCreateSession,
        call,
      );
      return masterSession(channel, created.handle, created.version);
    },
    ownDevices: (call = {}) => channel.call(METHODS.getStatus, [], decodeGetStatus, call),
    reset: (containers = [], call = {}) =>
      channel.call(METHODS.reset, encodeReset(containers), nothing, call),
    close: () => channel.close(),
  };
}

const nothing = (): void => {};

function masterSession(channel: Channel, handle: string, created: bigint): MasterSession {
  let version = created;
  return {
    handle,
    async extend(graph, call = {}) {
      const request = encodeExtendSession(handle, partsOf(graph), version);
      version = await channel.call(METHODS.extendSession, request, decodeExtendSession, call);
    },
    run: (step, call = {}) => runStep(channel, handle, step, call),
    prepare: (request, call = {}) => prepare(channel, handle, request, call),
    devices: (call = {}) => channel.call(METHODS.listDevices, encodeHandle(handle), decodeListDevices, call),
    close: (call = {}) => channel.call(METHODS.closeSession, encodeHandle(handle), nothing, call),
  };
}

async function runStep(
  channel: Channel,
  handle: string,
  step: Step,
  call: Pick<CallOptions, 'signal'>,
): Promise<StepResult> {
  const { feeds = new Map(), fetches = [], targets = [], timeoutMs = DEFAULT_TIMEOUT_MS } = step;
  const request = encodeRunStep({ handle, feeds, fetches, targets, options: { ...step, timeoutMs } });
  const reply = await channel.call(METHODS.runStep, request, decodeRunStep, {
    ...call,
    timeoutMs: timeoutMs + GRACE_MS,
  });
  const { status, message, tensors, stats } = reply;
  if (status !== STATUS.ok) {
    throw callError({ who: channel.who, method: METHODS.runStep.name, status, text: message });
  }
  return { values: wanted(channel.who, fetches, tensors), stats };
}

/** The fetches in their order, which a reply need not keep. */
function wanted(
  who: TaskAddress,
  fetches: readonly string[],
  tensors: ReadonlyMap<string, TensorValue>,
): ReadonlyMap<string, TensorValue> {
  const values = new Map<string, TensorValue>();
  for (const name of fetches) {
    const value = tensors.get(name);
    if (value === undefined) throw missing(who, name);
    values.set(name, value);
  }
  return values;
}

function missing({ task, address }: TaskAddress, what: string): PlacewrightError {
  return new PlacewrightError(
    'PW_CLUSTER_REPLY',
    `the reply of ${task.job} ${task.index} (${address}) lacks ${what}`,
    { hint: 'is that a TensorFlow server of a version that was tested? `placewright cluster up` starts one' },
  );
}

async function prepare(
  channel: Channel,
  handle: string,
  request: CallableRequest,
  call: CallOptions,
): Promise<Callable> {
  const id = await channel.call(
    METHODS.makeCallable,
    encodeMakeCallable(handle, request),
    decodeMakeCallable,
    call,
  );
  return {
    async run(feeds, options = {}) {
      const body = encodeRunCallable(handle, id, feeds);
      const values = await channel.call(METHODS.runCallable, body, decodeRunCallable, options);
      const { length } = request.fetches;
      if (values.length !== length) throw missing(channel.who, `${length} fetches, and has ${values.length}`);
      return values;
    },
    release: (options = {}) =>
      channel.call(METHODS.releaseCallable, encodeReleaseCallable(handle, id), nothing, options),
  };
}
