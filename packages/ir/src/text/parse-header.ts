import type { Cluster, ClusterDevice, ClusterJob, ClusterLink, ClusterTask, TaskName } from '../cluster.js';
import type { ClipSpec, OptimizerSpec, TrainingSpec } from '../training.js';
import type { Cursor } from './cursor.js';
import { fieldTable, MAX_SMALL, type Mutable, parseBool, parseFields } from './fields.js';

/** What the line `module "name" towers=2 next=17` says; `next` is null where it is left out. */
export interface ModuleLine {
  readonly name: string;
  readonly towers: number;
  readonly next: number | null;
}

const MODULE = fieldTable<Mutable<Omit<ModuleLine, 'name'>>>({
  towers: (cursor) => cursor.int('the number of towers', 0, MAX_SMALL),
  next: (cursor) => cursor.int('the next id'),
});

export function parseModuleLine(cursor: Cursor): ModuleLine {
  const name = cursor.name('the name of the module');
  const line: Mutable<Omit<ModuleLine, 'name'>> = { towers: 0, next: null };
  parseFields(cursor, MODULE, line);
  return { name, ...line };
}

/** Fields of all optimizers and clippings; null where they are not given. */
interface TrainingFields {
  optimizer: OptimizerSpec['kind'] | null;
  learningRate: number | null;
  momentum: number | null;
  nesterov: boolean | null;
  decay: number | null;
  epsilon: number | null;
  weightDecay: number | null;
  clip: ClipSpec['kind'] | null;
  limit: number | null;
}

const float =
  (what: string) =>
  (cursor: Cursor): number =>
    cursor.float(what);

const TRAINING = fieldTable<TrainingFields>({
  optimizer: (cursor) => cursor.oneOf(['sgd', 'momentum', 'rmsprop'], 'optimizer'),
  learningRate: float('learningRate'),
  momentum: float('momentum'),
  nesterov: parseBool,
  decay: float('decay'),
  epsilon: float('epsilon'),
  weightDecay: float('weightDecay'),
  clip: (cursor) => cursor.oneOf(['none', 'value', 'globalNorm'], 'clipping'),
  limit: float('limit'),
});

const NO_TRAINING: Readonly<TrainingFields> = {
  optimizer: null,
  learningRate: null,
  momentum: null,
  nesterov: null,
  decay: null,
  epsilon: null,
  weightDecay: null,
  clip: null,
  limit: null,
};

/** Gives each field once, and fails where it was not written. */
type Take = <K extends keyof TrainingFields>(key: K) => NonNullable<TrainingFields[K]>;

/** `optimizer=momentum learningRate=0.1 momentum=0.9 nesterov=false weightDecay=0.0 clip=none`. */
export function parseTraining(cursor: Cursor): TrainingSpec {
  const at = cursor.pos;
  const fields = { ...NO_TRAINING };
  parseFields(cursor, TRAINING, fields);
  const left = new Set(Object.keys(fields).filter((key) => fields[key as keyof TrainingFields] !== null));
  const take: Take = (key) => {
    const value = fields[key];
    if (value === null) {
      throw cursor.fault(`training lacks ${key}`, { at, hint: `add ${key}=… to the line` });
    }
    left.delete(key);
    return value;
  };
  const optimizer = takeOptimizer(take);
  const clip = takeClip(take);
  const spec: TrainingSpec = { optimizer, weightDecay: take('weightDecay'), clip };
  if (left.size === 0) return spec;
  throw cursor.fault(
    `${[...left].join(', ')} cannot stand with optimizer=${optimizer.kind} clip=${clip.kind}`,
    { at, hint: 'take them away, or name the optimizer and the clipping that they belong to' },
  );
}

function takeOptimizer(take: Take): OptimizerSpec {
  const kind = take('optimizer');
  const learningRate = take('learningRate');
  if (kind === 'sgd') return { kind, learningRate };
  const momentum = take('momentum');
  if (kind === 'momentum') return { kind, learningRate, momentum, nesterov: take('nesterov') };
  return { kind, learningRate, decay: take('decay'), momentum, epsilon: take('epsilon') };
}

function takeClip(take: Take): ClipSpec {
  const kind = take('clip');
  return kind === 'none' ? { kind } : { kind, limit: take('limit') };
}

type TaskDraft = Mutable<Omit<ClusterTask, 'devices'>> & { readonly devices: ClusterDevice[] };
type JobDraft = Omit<ClusterJob, 'tasks'> & { readonly tasks: TaskDraft[] };

/** A cluster that is being read, line by line. */
export interface ClusterDraft extends Cluster {
  readonly jobs: JobDraft[];
  readonly links: ClusterLink[];
}

export const CLUSTER_LINES = ['job', 'task', 'device', 'link'] as const;

/** One line below `cluster`, after its first word. */
export function parseClusterLine(
  cursor: Cursor,
  kind: (typeof CLUSTER_LINES)[number],
  cluster: ClusterDraft,
): void {
  switch (kind) {
    case 'job':
      cluster.jobs.push({ name: cursor.name('the name of a job'), tasks: [] });
      return;
    case 'task':
      parseTask(cursor, cluster);
      return;
    case 'device':
      parseClusterDevice(cursor, cluster);
      return;
    case 'link':
      parseLink(cursor, cluster);
      return;
  }
}

/** `for "worker" 1`. */
export function parseTaskName(cursor: Cursor): TaskName {
  return { job: cursor.name('the name of a job'), index: cursor.int('the index of a task', 0, MAX_SMALL) };
}

const TASK = fieldTable<{ address: string | null }>({ address: (cursor) => cursor.string('an address') });

function parseTask(cursor: Cursor, cluster: ClusterDraft): void {
  const job = cluster.jobs.at(-1);
  if (job === undefined) {
    throw cursor.fault('a task stands below its job', { hint: 'write a line `job NAME` before it' });
  }
  const index = cursor.int('the index of a task');
  const fields: { address: string | null } = { address: null };
  parseFields(cursor, TASK, fields);
  const { address } = fields;
  job.tasks.push({ index, ...(address === null ? {} : { address }), devices: [] });
}

const DEVICE = fieldTable<{ memory: number | null }>({ memory: float('memory') });

function parseClusterDevice(cursor: Cursor, cluster: ClusterDraft): void {
  const task = cluster.jobs.at(-1)?.tasks.at(-1);
  if (task === undefined) {
    throw cursor.fault('a device stands below its task', { hint: 'write a line `task INDEX` before it' });
  }
  const type = cursor.name('the type of a device');
  const index = cursor.int('the index of a device');
  const fields: { memory: number | null } = { memory: null };
  parseFields(cursor, DEVICE, fields);
  const { memory } = fields;
  task.devices.push({ type, index, ...(memory === null ? {} : { memory }) });
}

interface LinkFields {
  bandwidth: number | null;
  latency: number | null;
}

const LINK = fieldTable<LinkFields>({ bandwidth: float('bandwidth'), latency: float('latency') });

function parseLink(cursor: Cursor, cluster: ClusterDraft): void {
  const at = cursor.pos;
  const a = cursor.string('a device');
  const b = cursor.string('a device');
  const fields: LinkFields = { bandwidth: null, latency: null };
  parseFields(cursor, LINK, fields);
  const { bandwidth, latency } = fields;
  if (bandwidth === null || latency === null) {
    throw cursor.fault('a link lacks its bandwidth or its latency', {
      at,
      hint: 'write bandwidth=… (bytes a second) and latency=… (seconds)',
    });
  }
  cluster.links.push({ a, b, bandwidth, latency });
}
