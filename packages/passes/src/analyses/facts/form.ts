import type { DeviceName } from '@placewright/ir';
import type { BalancerLoads } from '../balancer-loads.js';

/** A variable: where it lives, and where its value is first read. */
export interface VariableFacts {
  readonly name: string;
  readonly shape: readonly (number | null)[];
  readonly dtype: string;
  readonly device: DeviceName;
  readonly trainable: boolean;
  readonly collection: 'global' | 'local';
  /** The caching device where there is one. */
  readonly readDevice: DeviceName;
}

/** What a checkpoint holds under a key. */
export interface SavableFacts {
  readonly key: string;
  readonly variable: string;
}

/** A staging area of a variable on a tower. */
export interface StagingFacts {
  readonly tower: number;
  readonly variable: string;
  readonly stageDevice: DeviceName;
  readonly unstageDevice: DeviceName;
  /** Op and device of what is staged. */
  readonly sourceOp: string;
  readonly sourceDevice: DeviceName;
}

/** What a tower has of a trainable variable. */
export interface AccessFacts {
  /** `Unstage`, or `VarHandleOp` for the variable itself. */
  readonly op: string;
  readonly variable: string;
  readonly device: DeviceName;
}

/** An update, and the gradient that it takes, as it was before clipping. */
export interface ApplyFacts {
  readonly variable: string;
  readonly variableDevice: DeviceName;
  readonly gradientOp: string;
  readonly gradientDevice: DeviceName;
}

/** A copy after initialisation. */
export interface CopyFacts {
  readonly target: string;
  readonly device: DeviceName;
  readonly source: string;
}

/** A queue through which workers wait for each other. */
export interface QueueFacts {
  readonly sharedName: string;
  readonly device: DeviceName;
  readonly capacity: number;
}

/** What was placed where, read off a lowered module: the form in which the original's runs are recorded. */
export interface Facts {
  /** In order of creation. */
  readonly variables: readonly VariableFacts[];
  readonly savable: readonly SavableFacts[];
  readonly loads: BalancerLoads;
  readonly staging: readonly StagingFacts[];
  /** Staging areas for updates of variables that are not trained: how many, and on which devices. */
  readonly stagingDeltas: { readonly count: number; readonly devices: readonly DeviceName[] };
  /** By tower. */
  readonly trainableOnDevice: Readonly<
    Record<string, { readonly read: readonly AccessFacts[]; readonly write: readonly AccessFacts[] }>
  >;
  readonly applyDevices: number;
  /** A list for each apply device. */
  readonly apply: readonly (readonly ApplyFacts[])[];
  readonly postInit: readonly CopyFacts[];
  readonly syncQueues: readonly QueueFacts[];
  /** Aggregating and updating ops, by op and device. */
  readonly nodeCounts: Readonly<Record<string, Readonly<Record<DeviceName, number>>>>;
}
