import {
  type Cluster,
  isLocal,
  jobTasks,
  LOCAL_TASK,
  type TaskName,
  taskText,
  WORKER_JOB,
} from '../cluster.js';
import { PlacewrightError } from '../errors.js';
import type { Module } from '../graph.js';

/** A module with the task that it is compiled for. */
export interface TaskModule {
  readonly task: TaskName;
  readonly module: Module;
}

/**
 * The modules by task, in the order of the tasks, all of one cluster and one training. Throws PW_LINK_CLUSTER,
 * PW_LINK_TASK, PW_LINK_MISSING, PW_LINK_TWICE, PW_LINK_TRAINING, PW_LINK_TOWERS.
 */
export function taskModules(modules: readonly Module[]): readonly [TaskModule, ...TaskModule[]] {
  const cluster = oneCluster(modules);
  const tasks = isLocal(cluster) ? [LOCAL_TASK] : jobTasks(cluster, WORKER_JOB);
  const byIndex = new Map<number, Module>();
  for (const module of modules) {
    const task = taskOf(module, tasks);
    if (byIndex.has(task.index)) {
      throw linkError(
        'PW_LINK_TWICE',
        `two modules are compiled for ${taskText(task)}`,
        'give one for each worker',
      );
    }
    byIndex.set(task.index, module);
  }
  const all = tasks.flatMap((task): TaskModule[] => {
    const module = byIndex.get(task.index);
    return module === undefined ? [] : [{ task, module }];
  });
  const missing = tasks.filter(({ index }) => !byIndex.has(index));
  const [first, ...others] = all;
  if (first === undefined || missing.length > 0) {
    throw linkError(
      'PW_LINK_MISSING',
      `there is no module for ${missing.map(taskText).join(', ')} of ${tasks.length} workers`,
      'compile the model once for each worker, with the option task',
    );
  }
  for (const other of others) checkAlike(first, other);
  return [first, ...others];
}

function oneCluster(modules: readonly Module[]): Cluster {
  const [first, ...others] = modules;
  if (first === undefined)
    throw linkError('PW_LINK_MISSING', 'there are no modules to link', 'give one for each worker');
  for (const module of modules) {
    if (module.cluster !== null) continue;
    const name = JSON.stringify(module.name);
    throw linkError(
      'PW_LINK_CLUSTER',
      `module ${name} is compiled for no cluster`,
      'compile it with the options cluster and task',
    );
  }
  const text = JSON.stringify(first.cluster);
  const other = others.find(({ cluster }) => JSON.stringify(cluster) !== text);
  if (other !== undefined) {
    throw linkError(
      'PW_LINK_CLUSTER',
      `the modules for ${ownTask(first)} and ${ownTask(other)} are compiled for different clusters`,
      'compile all of them with the same option cluster',
    );
  }
  return first.cluster as Cluster;
}

const ownTask = ({ task }: Module): string => (task === null ? 'no task' : taskText(task));

function taskOf({ name, task, cluster }: Module, tasks: readonly TaskName[]): TaskName {
  const own = task ?? (cluster !== null && isLocal(cluster) ? LOCAL_TASK : null);
  const found = tasks.find(({ job, index }) => job === own?.job && index === own.index);
  if (found !== undefined) return found;
  const what =
    own === null ? 'no task' : `/job:${own.job}/task:${own.index}, which is no worker of its cluster`;
  throw linkError(
    'PW_LINK_TASK',
    `module ${JSON.stringify(name)} is compiled for ${what}`,
    'compile it with the option task',
  );
}

function checkAlike(first: TaskModule, other: TaskModule): void {
  const both = `${taskText(first.task)} and ${taskText(other.task)}`;
  if (JSON.stringify(first.module.training) !== JSON.stringify(other.module.training)) {
    throw linkError(
      'PW_LINK_TRAINING',
      `${both} are compiled for different training: ${trainingText(first.module)} and ${trainingText(other.module)}`,
      'give all of them one optimizer with the same rates, weight decay and clipping',
    );
  }
  const [towers, others] = [first.module.towers, other.module.towers];
  if (towers === others) return;
  throw linkError(
    'PW_LINK_TOWERS',
    `${both} have ${towers} and ${others} towers`,
    'workers have as many towers each',
  );
}

const trainingText = ({ training }: Module): string => JSON.stringify(training);

export function linkError(code: string, message: string, hint: string): PlacewrightError {
  return new PlacewrightError(code, message, { hint });
}
