import { PlacewrightError, taskText } from '@placewright/ir';
import { type ClusterAddresses, clusterTasks, describeTask, type TaskAddress } from '../addresses.js';
import type { ConnectOptions } from './channel.js';
import { type Master, openMaster } from './master.js';

/** How a task went away: nobody answers at its address, it has fallen silent, or another server stands there. */
export type LossReason = 'unreachable' | 'silent' | 'restarted';

export interface TaskLoss extends TaskAddress {
  readonly reason: LossReason;
  /** PW_CLUSTER_TASK_LOST, with the task's name and what to do. */
  readonly error: PlacewrightError;
}

export interface WatchOptions extends ConnectOptions {
  /** How often each task is asked, in milliseconds; 1000 when left out. */
  readonly intervalMs?: number;
  /** How long it may take to answer, in milliseconds; 3000 when left out. With the interval: how soon a loss is noticed. */
  readonly timeoutMs?: number;
}

export interface TaskWatch {
  /** Aborted with the first loss's error: for `signal` of the calls that depend on the tasks. */
  readonly signal: AbortSignal;
  /**
   * The error to tell of where a call failed: that of a task which is lost, for which all are asked at once, else the one
   * given. A call on one task mostly fails in a roundabout way when another one is killed.
   */
  explain(error: unknown): Promise<unknown>;
  /** Tasks that were lost so far. */
  lost(): readonly TaskLoss[];
  /** Ends the watch. */
  stop(): void;
}

/** The call itself has no limit: gRPC's would count the time in which this process stood still. */
const NEVER_MS = 3_600_000;
/** How long one answer is waited for in one go: a timer that comes late shows that this process stood still. */
const SLICE_MS = 250;

/**
 * Watches over every task, each over a connection of its own, whatever else is running: a task that is killed, stopped or
 * started anew is noticed within the interval and the timeout together. `onLost` is called once for each. The watch keeps
 * the process alive until it is stopped. Throws PW_CLUSTER_NETWORK.
 */
export function watchTasks(
  cluster: ClusterAddresses,
  onLost: (loss: TaskLoss) => void = () => {},
  options: WatchOptions = {},
): TaskWatch {
  const controller = new AbortController();
  const losses: TaskLoss[] = [];
  let stopped = false;
  const lose = (loss: TaskLoss): void => {
    if (stopped) return;
    losses.push(loss);
    if (!controller.signal.aborted) controller.abort(loss.error);
    onLost(loss);
  };
  const watches = clusterTasks(cluster).map((who) => watchTask(who, options, lose));
  return {
    signal: controller.signal,
    async explain(error) {
      if (losses.length === 0) await Promise.all(watches.map(({ look }) => look()));
      return losses[0]?.error ?? error;
    },
    lost: () => losses,
    stop() {
      stopped = true;
      for (const watch of watches) watch.stop();
    },
  };
}

/** The watch over one task. */
interface Watched {
  /** Asks it once. */
  look(): Promise<void>;
  stop(): void;
}

function watchTask(who: TaskAddress, options: WatchOptions, lose: (loss: TaskLoss) => void): Watched {
  const { intervalMs = 1000, timeoutMs = 3000 } = options;
  const master = openMaster(who, options);
  const stopping = new AbortController();
  let server: bigint | undefined;
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    stopping.abort();
    clearTimeout(timer);
    master.close();
  };
  const look = async (): Promise<void> => {
    const found = await ask(master, timeoutMs, stopping.signal);
    if (stopping.signal.aborted) return;
    const reason = lossOf(found, server);
    if (typeof found === 'bigint') server = found;
    if (reason === undefined) return;
    stop();
    lose({ ...who, reason, error: lossError(who, reason, timeoutMs) });
  };
  const goOn = async (): Promise<void> => {
    await look();
    if (!stopping.signal.aborted) timer = setTimeout(goOn, intervalMs);
  };
  void goOn();
  return { look, stop };
}

function lossOf(found: bigint | LossReason, server: bigint | undefined): LossReason | undefined {
  if (typeof found !== 'bigint') return found;
  return server === undefined || server === found ? undefined : 'restarted';
}

/** Which server answers, by a number that it drew when it started. */
async function ask(master: Master, timeoutMs: number, signal: AbortSignal): Promise<bigint | LossReason> {
  // A refused connection is asked for once more, since gRPC may only now have noticed that an old one is gone.
  for (let attempt = 0; ; attempt++) {
    try {
      const asked = master.ownDevices({ timeoutMs: NEVER_MS, signal });
      const devices = await inTime(asked, timeoutMs);
      return devices === 'silent' ? 'silent' : (devices[0]?.incarnation ?? 0n);
    } catch {
      if (signal.aborted || attempt === 1) return 'unreachable';
    }
  }
}

/** What comes of a promise, if it comes in time: time in which this very process stood still does not count. */
async function inTime<T>(promise: Promise<T>, timeoutMs: number): Promise<T | 'silent'> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<'silent'>((resolve) => {
    let left = Math.ceil(timeoutMs / SLICE_MS);
    const tick = (): void => {
      if (left-- <= 0) resolve('silent');
      else timer = setTimeout(tick, Math.min(SLICE_MS, timeoutMs));
    };
    tick();
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}

const TOLD: Readonly<Record<LossReason, string>> = {
  unreachable: 'is gone: nobody answers at its address',
  silent: 'does not answer any more',
  restarted: 'was started anew, and has lost its variables',
};

function lossError(who: TaskAddress, reason: LossReason, timeoutMs: number): PlacewrightError {
  const how = reason === 'silent' ? ` (for ${timeoutMs / 1000} s)` : '';
  const again = reason === 'restarted' ? '' : `start ${taskText(who.task)} again, then `;
  return new PlacewrightError('PW_CLUSTER_TASK_LOST', `${describeTask(who)} ${TOLD[reason]}${how}`, {
    hint: `${again}train on from the last checkpoint with --resume; a server\u2019s log says why it ended`,
  });
}
