import type { TaskName } from '@placewright/ir';
import { boolField, intField, messageField, type Parts, textElement, textField } from './wire.js';

/** How a session runs graphs: what is used of TensorFlow's ConfigProto. */
export interface SessionConfig {
  /** The task that hands out the keys of collectives; the servers must have been started with the same one. */
  readonly collectiveLeader?: TaskName;
  /**
   * Devices that the session may use, as partial names (`/job:ps`, `/job:worker/task:0`); all when left out. A session
   * waits for every task that it may use, when it is made and when it is closed.
   */
  readonly deviceFilters?: readonly string[];
  /** Whether nodes may run elsewhere than their device says; no when left out. */
  readonly softPlacement?: boolean;
  /** Whether TensorFlow may rewrite the graph (constants folded, equal nodes merged); no when left out. */
  readonly optimize?: boolean;
  /** Longest time of an operation, in milliseconds, where a step names none; no limit when left out. */
  readonly operationTimeoutMs?: number;
  /** Threads that one op may compute with; the server's own choice when left out. */
  readonly threads?: number;
}

/** No optimisation at all, in OptimizerOptions.opt_level. */
const LEVEL_NONE = -1;

export function taskDevice({ job, index }: TaskName): string {
  return `/job:${job}/replica:0/task:${index}`;
}

/** A ConfigProto. */
export function encodeConfig(config: SessionConfig): Parts {
  return [
    ...intField(2, config.threads ?? 0),
    ...(config.deviceFilters ?? []).flatMap((filter) => textElement(4, filter)),
    ...boolField(7, config.softPlacement ?? false),
    ...(config.optimize === true ? [] : messageField(10, UNCHANGED)),
    ...intField(11, config.operationTimeoutMs ?? 0),
    ...(config.collectiveLeader === undefined
      ? []
      : messageField(16, textField(1, taskDevice(config.collectiveLeader)))),
  ];
}

/** GraphOptions under which the graph that runs is the one that was sent: no optimiser, no rewriter. */
const UNCHANGED: Parts = [
  ...messageField(3, intField(3, LEVEL_NONE)),
  ...messageField(10, boolField(19, true)),
];
