import type { DType } from '@placewright/ir';
import type { Parts } from './parts.js';

/**
 * What a model does with a variable. `trained`: the loss depends on it. `averaged`: a moving average that each step
 * changes. `frozen`: the step reads it and nothing changes it. `inference`: no tower uses it.
 */
export type Use = 'trained' | 'averaged' | 'frozen' | 'inference';

export interface VariablePlan {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly use: Use;
  readonly collection: 'global' | 'local';
  /** A device of the user's own, whole or in part; null for none. */
  readonly device: Parts | null;
}

/** A cluster as the one who compiles for it sees it. */
export interface SitePlan {
  /** Parameter servers; 0 for one machine. */
  readonly servers: number;
  readonly workers: number;
  /** The worker that is compiled for. */
  readonly worker: number;
  readonly towers: number;
  readonly type: 'CPU' | 'GPU';
}

/** A strategy as tf_cnn_benchmarks calls it, its flags in camel case. */
export interface FlagPlan {
  readonly variableUpdate: 'independent' | 'parameter_server' | 'replicated' | 'distributed_replicated';
  readonly localParameterDevice: 'cpu' | 'gpu';
  readonly stagedVars: boolean;
  readonly useNccl: boolean;
  readonly crossReplicaSync: boolean;
  readonly reduction: 'own' | 'sum' | 'mean';
  readonly optimizer: 'sgd' | 'momentum' | 'rmsprop';
}

/** All that placement follows from, as plain data. */
export interface PlacementPlan {
  readonly variables: readonly VariablePlan[];
  readonly site: SitePlan;
  readonly flags: FlagPlan;
}

/** The devices of a site. */
export interface Devices {
  /** Of the whole cluster, job by job and task by task. */
  readonly all: readonly Parts[];
  readonly host: Parts;
  readonly towers: readonly Parts[];
  readonly servers: readonly Parts[];
}

export function devicesOf({ servers, workers, worker, towers, type }: SitePlan): Devices {
  const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const units = (task: Parts): Parts[] => {
    const cpu = { ...task, type: 'CPU', index: 0 } as const;
    const own = count(towers).map((index) => ({ ...task, type, index }));
    return type === 'CPU' ? own : [cpu, ...own];
  };
  const ps = count(servers).map((task) => ({ job: 'ps', task, type: 'CPU', index: 0 }) as const);
  const tasks = servers === 0 ? [{}] : count(workers).map((task) => ({ job: 'worker', task }));
  const mine = tasks[servers === 0 ? 0 : worker] ?? {};
  return {
    all: [...ps, ...tasks.flatMap(units)],
    host: { ...mine, type: 'CPU', index: 0 },
    towers: count(towers).map((index) => ({ ...mine, type, index })),
    servers: ps,
  };
}
