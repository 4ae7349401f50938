import {
  type Cluster,
  distributedCluster,
  localCluster,
  PlacewrightError,
  PS_JOB,
  type TaskName,
  WORKER_JOB,
} from '@placewright/ir';
import { usageError } from '../errors.js';
import { flagName, type OptionValues } from './table.js';

/** What to compile for. */
export interface ClusterSettings {
  readonly cluster: Cluster;
  /** The worker that is asked for by `--job-name` or `--task-index`; null for none in particular, and on one machine. */
  readonly task: TaskName | null;
}

/** First port of tasks of which only the number is known. */
const FIRST_PORT = 50_000;

/**
 * The cluster of the options: of the hosts that they name, or of as many tasks as they say; the devices of one machine
 * where there is neither. Throws PW_CLUSTER_SIZE, PW_CLUSTER_HOSTS, PW_CLUSTER_TASK, PW_OPTION_CONFLICT.
 */
export function clusterSettings(values: OptionValues): ClusterSettings {
  const towers = { numGpus: values.numGpus ?? 1, device: values.device ?? 'gpu' };
  const psHosts = hostsOf(values, 'psHosts', 'numPs', 0);
  const workerHosts = hostsOf(values, 'workerHosts', 'numWorkers', psHosts?.length ?? 0);
  if (psHosts === undefined && workerHosts === undefined) {
    refuseTask(values);
    return { cluster: localCluster(towers), task: null };
  }
  if (psHosts === undefined) throw missing('psHosts', 'numPs');
  if (workerHosts === undefined) throw missing('workerHosts', 'numWorkers');
  checkApart(psHosts, workerHosts);
  const cluster = distributedCluster({ ...towers, psHosts, workerHosts });
  return { cluster, task: taskOf(values, workerHosts.length) };
}

function hostsOf(
  values: OptionValues,
  hosts: 'psHosts' | 'workerHosts',
  count: 'numPs' | 'numWorkers',
  before: number,
): readonly string[] | undefined {
  const named = values[hosts];
  const number = values[count];
  if (named !== undefined && number !== undefined && named.length !== number)
    throw usageError(
      'PW_OPTION_CONFLICT',
      `${flagName(hosts)} and ${flagName(count)} contradict each other`,
      'keep one of the two',
    );
  if (named !== undefined || number === undefined) return named;
  return Array.from({ length: number }, (_, i) => `127.0.0.1:${FIRST_PORT + before + i}`);
}

function missing(hosts: string, count: string): PlacewrightError {
  return new PlacewrightError('PW_CLUSTER_HOSTS', `a cluster needs ${flagName(hosts)}`, {
    hint: `give ${flagName(hosts)} or ${flagName(count)}; without any hosts, it is one machine`,
  });
}

function checkApart(psHosts: readonly string[], workerHosts: readonly string[]): void {
  const servers = new Set(psHosts);
  const both = workerHosts.find((host) => servers.has(host));
  if (both === undefined) return;
  throw new PlacewrightError('PW_CLUSTER_HOSTS', `${both} would be a parameter server and a worker`, {
    hint: 'give each task a host and port of its own',
  });
}

function taskOf({ jobName, taskIndex }: OptionValues, workers: number): TaskName | null {
  if (jobName === PS_JOB) {
    throw taskError(
      'parameter servers run no graph: there is nothing to compile for them',
      `graphs are compiled for workers: --job-name ${WORKER_JOB} --task-index 0 to ${workers - 1}`,
    );
  }
  if (jobName === undefined && taskIndex === undefined) return null;
  const index = taskIndex ?? 0;
  if (index < workers) return { job: WORKER_JOB, index };
  throw taskError(
    `there is no worker ${index} among ${workers}`,
    workers === 1 ? 'its only worker is --task-index 0' : `give --task-index 0 to ${workers - 1}`,
  );
}

/** On one machine there is no task to choose; task 0 is what tf_cnn_benchmarks says of it. */
function refuseTask({ jobName, taskIndex = 0 }: OptionValues): void {
  if (jobName === undefined && taskIndex === 0) return;
  const what =
    jobName === undefined ? `${flagName('taskIndex')} ${taskIndex}` : `${flagName('jobName')} ${jobName}`;
  throw taskError(
    `${what} is a task of a cluster, and no hosts are given`,
    'add --ps-hosts and --worker-hosts',
  );
}

function taskError(message: string, hint: string): PlacewrightError {
  return new PlacewrightError('PW_CLUSTER_TASK', message, { hint });
}
