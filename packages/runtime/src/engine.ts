import type {
  Binding,
  EntryName,
  LinkedModule,
  Module,
  ModuleState,
  OpRegistry,
  TensorValue,
} from '@placewright/ir';
import type { Emitter, Kernel, Schedule } from './own-ops.js';
import type { TraceEvent } from './trace.js';

/** Whether an engine can run here, and what it found. */
export interface EngineProbe {
  readonly available: boolean;
  readonly version?: string;
  /** Parts that the engine can use; `how` says how to get one that is missing. */
  readonly details: readonly {
    readonly name: string;
    readonly status: 'available' | 'missing';
    readonly how?: string;
  }[];
}

/** What sums and functions of float32 tensors are computed in, before they are rounded to float32. */
export type Accumulate = 'float32' | 'float64';

export interface LoadOptions {
  /** Threads that one device computes with; the processor's cores shared among busy devices when left out. */
  readonly threadsPerDevice?: number;
  /**
   * How ops with long sums (products of matrices, convolutions, reductions, normalisation, losses, pools) add up float32:
   * `float32`, the default, or `float64` with one rounding at the op's output, as the reference engine always does. A
   * run then comes as near to a recorded one as float32 variables allow; it is several times slower, and a convolution
   * takes memory for its image once for each element of its kernel, twice as wide.
   */
  readonly accumulate?: Accumulate;
  /** Whether runs record what they do, for `takeTrace`. An engine that cannot refuses to load: PW_ENGINE_TRACE. */
  readonly trace?: boolean;
  /** After how long a run that is not done is given up; two minutes when left out. In a cluster: after the last run that ended. */
  readonly stepTimeoutMs?: number;
  /** Ops of the module; the built-in ones when left out. */
  readonly registry?: OpRegistry;
  /** How the reference engine computes further pure ops, or built-in ones in another way, by op. Others leave it. */
  readonly kernels?: ReadonlyMap<string, Kernel>;
  /** In which order the reference engine runs what is ready: the same results in any order is what a graph promises. Others leave it. */
  readonly schedule?: Schedule;
  /**
   * How the embedded engine writes further pure ops in ONNX, or built-in ones in another way, by op; `emitter` makes one.
   * Others leave it.
   */
  readonly emitters?: ReadonlyMap<string, Emitter>;
}

/**
 * How an engine runs an op, and in brackets the types of its operand where not all will do: `onnx: Conv (float32)`,
 * `runtime kernel (not float16, bfloat16, string)`, `refused: why`.
 */
export interface OpSupport {
  readonly op: string;
  readonly how: string;
}

/** What executes lowered modules. */
export interface Engine {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Most devices, the host among them, that a module may have; any number when left out. */
  readonly maxDevices?: number;
  /** Never throws. */
  probe(): Promise<EngineProbe>;
  ops(): readonly OpSupport[];
  /** Loads a lowered module. Throws PW_ENGINE_* with everything that cannot run, before anything runs. */
  load(module: Module, options?: LoadOptions): Promise<Session>;
  /**
   * Loads a whole cluster into this process, its modules linked. Left out where an engine runs single modules alone.
   * Throws as `load` does.
   */
  loadCluster?(linked: LinkedModule, options?: LoadOptions): Promise<ClusterSession>;
}

/** A loaded cluster: one state, and a session for each task. */
export interface ClusterSession {
  /** What each logical device of the cluster is here. */
  readonly bindings: readonly Binding[];
  /**
   * The session of a task, by its index in `LinkedModule.tasks`; the same one for the same task. It knows the names and ids
   * of the task's own module. Its runs follow one another, and go on at the same time as those of other tasks. A run that
   * waits for another task's (at a barrier, in a queue) ends when that comes: PW_DEADLOCK when every task that has not
   * closed its session waits, PW_STEP_TIMEOUT when none comes for so long. To close it says that the task will run
   * nothing any more. Throws PW_LINK_TASK.
   */
  session(task: number): Session;
  /** What was recorded of all tasks since the last call; empty unless loaded with `trace`. */
  takeTrace(): TraceEvent[];
  /** Ends all sessions, and resolves when that is done. May be called twice. */
  close(): Promise<void>;
}

export interface SessionRunOptions {
  /** Tensors to give beside the entry's own fetches, by shown name: `tower_0/conv0/Conv2D:0`. */
  readonly fetch?: readonly string[];
}

/**
 * One loaded module with its variables and staging areas. Runs of one session follow one another. A run that fails
 * leaves the effects of what ran before its error.
 */
export interface Session {
  /** What each logical device is here. */
  readonly bindings: readonly Binding[];
  /**
   * Runs the rounds of an entry and gives its fetches by name. Throws PW_ENTRY_UNKNOWN, PW_FEED_*, PW_FETCH_UNKNOWN,
   * PW_VARIABLE_UNINITIALIZED, PW_KERNEL_INPUT, PW_DEADLOCK, PW_STEP_TIMEOUT, PW_ENGINE_*.
   */
  run(
    entry: EntryName,
    feeds?: ReadonlyMap<string, TensorValue>,
    options?: SessionRunOptions,
  ): Promise<ReadonlyMap<string, TensorValue>>;
  /** Copies of the named variables, of all initialised ones when left out. Throws PW_VARIABLE_*. */
  readVariables(names?: readonly string[]): Promise<ReadonlyMap<string, TensorValue>>;
  /** Sets variables by shown name, all or none. Throws PW_VARIABLE_*. */
  writeVariables(values: ReadonlyMap<string, TensorValue>): Promise<void>;
  /** Copies of all variables that have a value, and of what each staging area and queue holds, between two runs. */
  readState(): Promise<ModuleState>;
  /** Sets variables and what buffers hold, all or none; the rest stays. Throws PW_STATE_*, PW_VARIABLE_*. */
  writeState(state: ModuleState): Promise<void>;
  /** What was recorded since the last call; empty unless loaded with `trace`. */
  takeTrace(): TraceEvent[];
  /**
   * Ends all that the session started, and resolves when it has: a call that is running is not cut short. Await it
   * before `process.exit`. May be called twice.
   */
  close(): Promise<void>;
}
