import {
  checkServers,
  formatCluster,
  networkWarning,
  type RunningServers,
  type ServerOptions,
  startServers,
} from '@placewright/cluster';
import { MAX_DEVICES, taskText, WORKER_JOB } from '@placewright/ir';
import type { Command } from 'commander';
import { EXIT, usageError } from '../errors.js';
import { checkWritable, removeQuietly, writeAtomically } from '../files.js';
import { type Io, printJson, printLine } from '../io.js';
import { badValue, parseOption } from '../options/values.js';
import { listenForInterrupts } from '../train/interrupt.js';
import { formatTable, wrap } from '../ui/table.js';
import { printWarning } from '../ui/warning.js';
import { type CommandContext, createCommand } from './command.js';

/** As commander gives them: texts. */
interface Flags {
  readonly ps: string;
  readonly workers: string;
  readonly devices: string;
  readonly file?: string;
  readonly ports?: string;
  readonly host?: string;
  readonly logs?: string;
  readonly python?: string;
  readonly threads?: string;
  readonly gpus?: boolean;
  readonly install: boolean;
  readonly allowNetwork?: boolean;
  readonly json?: boolean;
}

/** `placewright cluster up`. */
export function clusterCommand({ io, finish }: CommandContext): Command {
  return createCommand('cluster', 'start TensorFlow servers on this machine, and keep them until Ctrl-C', [
    ['placewright cluster up --ps 1 --workers 2 --devices 2 --file cluster.json', 'a cluster to train on'],
    ['placewright cluster up --workers 2 --ps 0', 'workers alone, for all-reduce'],
  ])
    .argument('<action>', 'up')
    .option('--ps <count>', 'parameter servers', '1')
    .option('--workers <count>', 'workers', '1')
    .option('--devices <count>', 'devices of each worker', '1')
    .option('--file <file>', 'write where they stand to this file, which is removed at the end')
    .option('--ports <list>', 'ports, parameter servers first, comma between them (free ones)')
    .option('--logs <folder>', "keep the servers' logs there")
    .option('--threads <count>', 'threads that one op may compute with (the choice of TensorFlow)')
    .option('--gpus', 'give workers real GPUs of this machine, in turn')
    .option('--python <file>', 'Python of an environment that has TensorFlow')
    .option('--no-install', 'do not make that environment where it is missing')
    .option('--host <host>', 'name by which the servers find each other (127.0.0.1)')
    .option('--allow-network', 'let other machines reach the servers, which ask nobody who he is')
    .option('--json', 'print JSON, one line when all answer')
    .addHelpText('after', AFTERWORD)
    .action(async (action: string, flags: Flags) => {
      if (action !== 'up') {
        throw usageError('PW_USAGE_ARGUMENT', `there is no cluster ${JSON.stringify(action)}`, 'cluster up');
      }
      finish(await up(io, flags));
    });
}

const AFTERWORD = `
The first time, a virtual environment with TensorFlow is made (.venv-tensorflow,
beside the nearest package.json); PLACEWRIGHT_PYTHON names the Python for it,
PLACEWRIGHT_TENSORFLOW_PYTHON an environment that there is.

A TensorFlow without GPUs makes none, so device GPU:0 stands on CPU:1 of its
server, GPU:1 on CPU:2, and so on.

The servers end with this command, however that ends.`;

/** Gives the exit code. */
async function up(io: Io, flags: Flags): Promise<number> {
  const options = serverOptions(io, flags);
  checkServers(options);
  if (flags.file !== undefined) checkWritable(flags.file);
  const interrupts = listenForInterrupts(io, { quiet: true });
  try {
    const servers = await startServers({ ...options, signal: interrupts.signal });
    try {
      return await keep(io, flags, servers, interrupts.signal);
    } finally {
      await servers.stop();
    }
  } catch (error) {
    if (interrupts.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    interrupts.dispose();
  }
}

function serverOptions(io: Io, flags: Flags): ServerOptions {
  const count = (name: 'ps' | 'workers' | 'devices' | 'threads', min: number): number =>
    Number(parseOption(`--${name}`, { kind: 'count', min, max: MAX_DEVICES, summary: '' }, flags[name]));
  return {
    ps: count('ps', 0),
    workers: count('workers', 1),
    devices: count('devices', 1),
    gpus: flags.gpus === true,
    install: flags.install,
    allowNetwork: flags.allowNetwork === true,
    env: io.env,
    onProgress: (line) => printLine(io.stderr, line),
    ...(flags.ports === undefined ? {} : { ports: parsePorts(flags.ports) }),
    ...(flags.threads === undefined ? {} : { threads: count('threads', 1) }),
    ...(flags.logs === undefined ? {} : { logs: flags.logs }),
    ...(flags.python === undefined ? {} : { python: flags.python }),
    ...(flags.host === undefined ? {} : { host: flags.host }),
  };
}

function parsePorts(text: string): number[] {
  const ports = text.split(',').map(Number);
  const right = ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535);
  if (right) return ports;
  throw badValue('--ports', text, 'give a port from 1 to 65535 for each task, comma between them');
}

/** Says where they stand, and waits for Ctrl-C, or for one of them to end. */
async function keep(io: Io, flags: Flags, servers: RunningServers, signal: AbortSignal): Promise<number> {
  const { file } = flags;
  if (file !== undefined) writeAtomically(file, formatCluster(servers.addresses));
  try {
    print(io, flags, servers);
    const pressed = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const error = await Promise.race([servers.failed, pressed]);
    if (error !== undefined) throw error;
    if (!flags.json) printLine(io.stderr, '\nTaking the servers down.');
    return EXIT.ok;
  } finally {
    // A file that names servers which are gone would only mislead.
    if (file !== undefined) removeQuietly(file);
  }
}

function print(io: Io, { json, file, gpus, devices }: Flags, servers: RunningServers): void {
  const { addresses, version } = servers;
  const all = servers.servers();
  const open = servers.open;
  if (open.length > 0)
    printWarning(io, {
      code: 'PW_CLUSTER_NETWORK',
      message: networkWarning(open),
      hint: 'leave --allow-network out where one machine is enough',
    });
  if (json) {
    printJson(io.stdout, { ...addresses, version, tasks: all });
    return;
  }
  const table = formatTable(
    [
      { title: 'task', text: ({ task }) => taskText(task) },
      { title: 'address', text: ({ address }) => address },
      { title: 'process', right: true, text: ({ pid }) => String(pid) },
      { title: 'log', text: ({ log }) => log },
    ],
    all,
    io.stdout.columns,
  );
  const renamed = Array.from({ length: Number(devices) }, (_, i) => `GPU:${i} \u2192 CPU:${i + 1}`);
  const lines = [
    `TensorFlow ${version}, ${all.length} servers that answer`,
    table,
    ...(gpus ? [] : [wrap(`devices of each ${WORKER_JOB}: ${renamed.join(', ')}`, io.stdout.columns, '  ')]),
    ...(file === undefined ? [] : [`where they stand: ${file}`]),
    'Ctrl-C takes them down.',
  ];
  printLine(io.stdout, lines.join('\n'));
}
