import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { PlacewrightError } from '@placewright/ir';
import { checkNetwork, describeTask, type TaskAddress } from '../addresses.js';
import { type Parts, sizeOf, writable } from '../proto/wire.js';
import { callError, replyError, STATUS } from './status.js';

/** How servers are connected to. */
export interface ConnectOptions {
  /** Largest request and reply, in bytes: 1 GiB when left out, at most 2 GiB - 1, which is protobuf's own limit. */
  readonly maxMessageBytes?: number;
  /** Whether servers may stand elsewhere than on this machine; see `networkWarning`. */
  readonly allowNetwork?: boolean;
}

/** Of one call. */
export interface CallOptions {
  /** After how many milliseconds the call is given up; two minutes when left out. */
  readonly timeoutMs?: number;
  /** Ends the call with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A connection to one task. */
export interface Channel {
  readonly who: TaskAddress;
  /**
   * Calls a method, and reads its reply with `decode`. Throws PW_CLUSTER_* with the task's name, or the reason of the
   * signal.
   */
  call<T>(
    method: Method,
    request: Parts,
    decode: (reply: Uint8Array) => T,
    options?: CallOptions,
  ): Promise<T>;
  close(): void;
}

/** A method, as gRPC calls it: `/tensorflow.MasterService/RunStep`. */
export interface Method {
  readonly service: 'MasterService' | 'WorkerService';
  readonly name: string;
}

export const DEFAULT_MESSAGE_BYTES = 2 ** 30;
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;
export const DEFAULT_TIMEOUT_MS = 120_000;
/** How much a server may send before it hears that some was read. With the 64 KB of HTTP/2 a fetch of 64 MB takes a third longer; more than this gains nothing. */
const WINDOW_BYTES = 2 ** 22;

/** Opens a connection; nothing is sent yet. Throws PW_CLUSTER_NETWORK, PW_CLUSTER_MESSAGE_SIZE. */
export function openChannel(who: TaskAddress, options: ConnectOptions = {}): Channel {
  checkNetwork([who.address], options.allowNetwork ?? false);
  const most = messageLimit(options.maxMessageBytes);
  const client = new Client(who.address, credentials.createInsecure(), {
    'grpc.max_send_message_length': most,
    'grpc.max_receive_message_length': most,
    'grpc-node.flow_control_window': WINDOW_BYTES,
    // A proxy of the environment has no business with these.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // A step must not run twice.
    'grpc.enable_retries': 0,
    // Connections of our own, so that a large tensor on one holds up no call on another.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
  });
  return {
    who,
    async call(method, request, decode, callOptions = {}) {
      checkRequest(who, method, request, most);
      const reply = await unary(client, who, method, request, callOptions);
      return readReply(who, method.name, reply, decode);
    },
    close: () => client.close(),
  };
}

/** Reads a reply. Whatever is wrong with it is PW_CLUSTER_REPLY. */
export function readReply<T>(
  who: TaskAddress,
  method: string,
  reply: Uint8Array,
  decode: (reply: Uint8Array) => T,
): T {
  try {
    return decode(reply);
  } catch (cause) {
    throw replyError(who, method, cause);
  }
}

function messageLimit(bytes = DEFAULT_MESSAGE_BYTES): number {
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= MAX_MESSAGE_BYTES) return bytes;
  throw new PlacewrightError('PW_CLUSTER_MESSAGE_SIZE', `messages of ${bytes} bytes are not possible`, {
    hint: `give 1 to ${MAX_MESSAGE_BYTES}`,
  });
}

function checkRequest(who: TaskAddress, { name }: Method, request: Parts, most: number): void {
  const size = sizeOf(request);
  if (size <= most) return;
  throw new PlacewrightError(
    'PW_CLUSTER_MESSAGE_SIZE',
    `${name} on ${describeTask(who)} would send ${size} bytes, and ${most} are allowed`,
    {
      hint: 'feed less in one step, initialise large variables with ops, or allow more with `maxMessageBytes`',
    },
  );
}

/**
 * What grpc-js sends: it asks a message for its length, and to be copied behind the five bytes that gRPC puts before it. To
 * join the pieces first would cost a second copy of all tensors. grpc-js has an exact version here, and the tests send
 * messages of many pieces.
 */
function asMessage(parts: Parts): Buffer {
  return writable(parts) as unknown as Buffer;
}

/** The reply's bytes are ours alone: gRPC puts them together anew for each call. */
function unary(
  client: Client,
  who: TaskAddress,
  method: Method,
  request: Parts,
  { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CallOptions,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const call = client.makeUnaryRequest<Parts, Buffer>(
      `/tensorflow.${method.service}/${method.name}`,
      asMessage,
      (bytes) => bytes,
      request,
      new Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error, reply) => {
        signal?.removeEventListener('abort', abort);
        if (error === null && reply !== undefined) resolve(reply);
        else if (signal?.aborted) reject(signal.reason);
        else reject(statusError(who, method, error?.code ?? STATUS.cancelled, error?.details ?? ''));
      },
    );
    const abort = (): void => {
      // The reason first: the call's own end may be long in coming.
      reject(signal?.reason);
      call.cancel();
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

function statusError(who: TaskAddress, { name }: Method, status: number, text: string): PlacewrightError {
  return callError({ who, method: name, status, text });
}
