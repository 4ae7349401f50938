import type { Facts } from '@placewright/passes';
import { named } from './parts.js';
import { type Devices, devicesOf, type FlagPlan, type PlacementPlan } from './plan.js';
import { type MadeVariable, ownVariables } from './variables.js';

type Row = Facts['apply'][number][number];

export interface GradientFacts {
  readonly apply: readonly (readonly Row[])[];
  readonly counts: Facts['nodeCounts'];
}

const UPDATES: Readonly<Record<FlagPlan['optimizer'], string>> = {
  sgd: 'ResourceApplyGradientDescent',
  momentum: 'ResourceApplyMomentum',
  rmsprop: 'ResourceApplyRMSProp',
};

/** Where the towers' gradients of each variable meet, by what, and what is updated with them. */
export function gradientsOf(plan: PlacementPlan, variables: readonly MadeVariable[]): GradientFacts {
  const { flags } = plan;
  const devices = devicesOf(plan.site);
  const counts = new Counts();
  const shadows = variables.filter(({ kind }) => kind === 'shadow');
  const towers = variables.filter(({ kind, trainable }) => kind === 'tower' && trainable);
  // What one update takes together: the towers' own each for itself, shared variables and shadows all at once.
  const lists =
    shadows.length > 0 || !ownVariables(flags)
      ? [shadows.length > 0 ? shadows : towers]
      : devices.towers.map((_, tower) => towers.filter((variable) => variable.tower === tower));
  const apply = lists
    .filter((list) => list.length > 0)
    .map((list, tower) =>
      list.map((variable, index): Row => {
        const { op, device } = meeting(flags, devices, variable, { index, tower });
        countMeeting(counts, flags, { op, device, first: tower === 0 });
        counts.add(UPDATES[flags.optimizer], named(variable.device));
        return {
          variable: variable.shown,
          variableDevice: named(variable.device),
          gradientOp: op,
          gradientDevice: device,
        };
      }),
    );
  return { apply, counts: counts.table() };
}

interface At {
  /** Place of the gradient among those of its tower. */
  readonly index: number;
  /** The tower that applies it. */
  readonly tower: number;
}

/** What an update takes: the op and its device; where nothing is brought together, a gradient as its tower made it. */
function meeting(
  flags: FlagPlan,
  devices: Devices,
  variable: MadeVariable,
  { index, tower }: At,
): { op: string; device: string } {
  const n = devices.towers.length;
  const all = flags.variableUpdate === 'replicated' && flags.useNccl;
  const own = named(devices.towers[tower] ?? {});
  if (flags.variableUpdate === 'independent' || (n === 1 && !all)) return { op: '', device: own };
  const mean = isMean(flags);
  if (all) return { op: mean && n > 1 ? 'Mul' : 'NcclAllReduce', device: own };
  return { op: mean ? 'Mul' : 'AddN', device: meetingPlace(flags, devices, variable, index) };
}

/** Of copies: beside a shared variable, on the worker's host in a cluster; else on the host or on the towers in turn. */
function meetingPlace(
  flags: FlagPlan,
  { towers, host, servers }: Devices,
  variable: MadeVariable,
  index: number,
): string {
  if (flags.variableUpdate === 'parameter_server') return named(servers.length > 0 ? host : variable.device);
  return named(flags.localParameterDevice === 'cpu' ? host : (towers[index % towers.length] ?? {}));
}

function isMean({ reduction, variableUpdate }: FlagPlan): boolean {
  return reduction === 'own' ? variableUpdate !== 'replicated' : reduction === 'mean';
}

/** Copies meet once for all towers that apply; an all-reduce has a member on each of them. */
function countMeeting(
  counts: Counts,
  { variableUpdate, useNccl }: FlagPlan,
  { op, device, first }: { readonly op: string; readonly device: string; readonly first: boolean },
): void {
  if (op === '') return;
  if (variableUpdate === 'replicated' && useNccl) counts.add('NcclAllReduce', device);
  else if (first) counts.add('AddN', device);
  else return;
  if (op === 'Mul') counts.add('Mul', device);
}

/** Ops by device. */
class Counts {
  readonly #rows = new Map<string, Map<string, number>>();

  add(op: string, device: string): void {
    const row = this.#rows.get(op) ?? new Map<string, number>();
    this.#rows.set(op, row.set(device, (row.get(device) ?? 0) + 1));
  }

  table(): Facts['nodeCounts'] {
    return Object.fromEntries([...this.#rows].map(([op, row]) => [op, Object.fromEntries(row)]));
  }
}
