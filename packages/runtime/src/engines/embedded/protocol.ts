import type { MessagePort } from 'node:worker_threads';
import type {
  DeviceName,
  DType,
  ErrorKind,
  ErrorPlace,
  ResourceId,
  Shape,
  TensorType,
  TensorValue,
  Tuples,
} from '@placewright/ir';
import { PlacewrightError } from '@placewright/ir';
import type { TraceEvent } from '../../trace.js';
import type { DevicePlan, RemoteTask } from './plan.js';

// What the session, the workers and the workers among each other say. All of it can be cloned between threads.

/** What a worker knows of the module's state that lives with it. */
export type ResourceInfo =
  | {
      readonly kind: 'variable';
      readonly id: ResourceId;
      readonly name: string;
      readonly dtype: DType;
      readonly shape: Shape;
    }
  | {
      /** A staging area or a queue. */
      readonly kind: 'buffer';
      readonly id: ResourceId;
      readonly name: string;
      readonly types: readonly TensorType[];
      /** Tuples that fit; 0 is no limit. */
      readonly capacity: number;
    };

/** A collective with the memory that its members share: a row for each member, and one for the sum. */
export interface SharedCollective {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly members: readonly RemoteTask[];
  /** What the sum is multiplied by: 1 where it is the sum. */
  readonly scale: number;
  readonly rows: SharedArrayBuffer;
  readonly sum: SharedArrayBuffer;
}

/** What a worker is started with. */
export interface WorkerSetup {
  readonly device: DeviceName;
  readonly threads: number;
  readonly trace: boolean;
  readonly resources: readonly ResourceInfo[];
  readonly peers: readonly (readonly [DeviceName, MessagePort])[];
}

export type ToWorker =
  | {
      readonly kind: 'install';
      readonly call: number;
      readonly plan: number;
      readonly device: DevicePlan;
      readonly collectives: readonly SharedCollective[];
      readonly models: readonly (readonly [string, Uint8Array])[];
    }
  | {
      readonly kind: 'run';
      readonly run: number;
      readonly plan: number;
      /** For the trace. */
      readonly step: number;
      readonly entry: TraceEvent['entry'];
      readonly feeds: readonly { readonly task: number; readonly value: TensorValue }[];
    }
  /** The plan will not be run again. */
  | { readonly kind: 'forget'; readonly plan: number }
  | { readonly kind: 'abort'; readonly run: number }
  /** Asks what all runs are doing; the answer has the same number. */
  | { readonly kind: 'status'; readonly probe: number }
  | { readonly kind: 'read'; readonly call: number; readonly ids: readonly ResourceId[] }
  | {
      readonly kind: 'write';
      readonly call: number;
      readonly values: readonly { readonly id: ResourceId; readonly value: TensorValue }[];
    }
  /** The reply has the tensors of the buffer's tuples one after the other. */
  | { readonly kind: 'read-buffer'; readonly call: number; readonly id: ResourceId }
  | { readonly kind: 'write-buffer'; readonly call: number; readonly id: ResourceId; readonly tuples: Tuples }
  | { readonly kind: 'close' };

export interface DeviceStatus {
  /** Whether nothing can run here until a message comes. */
  readonly idle: boolean;
  /** Messages to and from the other workers, in all runs so far. */
  readonly sent: number;
  readonly received: number;
  /** Runs under way here, with what they wait for. */
  readonly runs: readonly { readonly run: number; readonly reasons: readonly WaitReason[] }[];
}

/** What something waits for. */
export interface WaitReason {
  /** Shown name of a node that waits for a resource or for members; empty where only another node is waited for. */
  readonly node: string;
  readonly text: string;
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reply'; readonly call: number; readonly values: readonly (TensorValue | null)[] }
  | { readonly kind: 'refusal'; readonly call: number; readonly error: ErrorRecord }
  | {
      readonly kind: 'done';
      readonly run: number;
      readonly fetched: readonly { readonly name: string; readonly value: TensorValue }[];
      readonly trace: readonly TraceEvent[];
    }
  | { readonly kind: 'failed'; readonly run: number; readonly error: ErrorRecord }
  | { readonly kind: 'aborted'; readonly run: number }
  | { readonly kind: 'status'; readonly probe: number; readonly status: DeviceStatus };

/** What workers tell each other in a run. */
export interface PeerMessage {
  readonly run: number;
  /** When it was sent: microseconds, as in traces. */
  readonly sentUs: number;
  readonly values: readonly { readonly task: number; readonly value: TensorValue }[];
  /** Tasks that one more of their predecessors has run for. */
  readonly signals: readonly number[];
  /** Collectives, one mention for each member that has put its tensor into its row. */
  readonly arrived: readonly number[];
  /** Collectives whose sum this device has worked out for its share of the elements. */
  readonly reduced: readonly number[];
}

/** An error as data. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly kind: ErrorKind;
  readonly where: ErrorPlace;
  readonly hint: string;
  /** Message and stack of what caused it, for whoever debugs. */
  readonly cause: { readonly message: string; readonly stack: string } | null;
}

export function recordError(error: unknown): ErrorRecord {
  if (error instanceof PlacewrightError) {
    const { code, message, kind, where, hint } = error;
    return { code, message, kind, where, hint, cause: recordCause(error.cause) };
  }
  return {
    code: 'PW_ENGINE_WORKER',
    message: error instanceof Error ? error.message : String(error),
    kind: 'internal',
    where: {},
    hint: 'this is a fault of the engine: report it',
    cause: recordCause(error),
  };
}

function recordCause(cause: unknown): ErrorRecord['cause'] {
  if (!(cause instanceof Error)) return null;
  return { message: cause.message, stack: cause.stack ?? cause.message };
}

export function reviveError({ code, message, cause, ...details }: ErrorRecord): PlacewrightError {
  if (cause === null) return new PlacewrightError(code, message, details);
  const revived = new Error(cause.message);
  revived.stack = cause.stack;
  return new PlacewrightError(code, message, { ...details, cause: revived });
}

/** Microseconds on a clock that all threads share. */
export function nowUs(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}
