import { clusterDevices, formatBinding, isLocal, type LinkedModule, PlacewrightError } from '@placewright/ir';
import {
  engines as allEngines,
  type ClusterSession,
  type Engine,
  findEngine,
  type LoadOptions,
  type Session,
} from '@placewright/runtime';
import type { Command } from 'commander';
import { EXIT } from '../errors.js';
import { checkDistinct, checkWritable } from '../files.js';
import type { Io } from '../io.js';
import { checkModuleWritable, constantsPath, writeModule } from '../module-files.js';
import { addOptions, readOptions } from '../options/command-line.js';
import { warnOfIgnored } from '../options/ignored.js';
import { type ModelSettings, modelSettings } from '../options/settings.js';
import {
  CHECKPOINT_OPTIONS,
  CLUSTER_OPTIONS,
  FILE_OPTIONS,
  MODEL_OPTIONS,
  type OptionValues,
  RUN_OPTIONS,
} from '../options/table.js';
import { openCheckpoints, planCheckpoints, planClusterCheckpoints } from '../train/checkpoints.js';
import { loadData } from '../train/data.js';
import { lowerCluster } from '../train/lower-cluster.js';
import { lowerWithProgress } from '../train/lower-progress.js';
import { printOutcome, printStart, printWarnings, warnOfLoss, writeOutputs } from '../train/output.js';
import { printClusterOutcome, runCluster } from '../train/run-cluster.js';
import { runTraining, stepsOf, type TrainingRun } from '../train/run-training.js';
import { type CommandContext, createCommand } from './command.js';

/** Flags that say how a run is shown. */
export interface Display {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** `placewright train`. */
export function trainCommand({ io, finish }: CommandContext): Command {
  const command = createCommand('train', 'compile a model and train it on the devices of this machine', [
    [
      'placewright train --model lenet --strategy replicated --num-gpus 2 --reduction mean --report report.html',
      'LeNet on handwritten digits, with two towers, and a page that shows the run',
    ],
    [
      'placewright train --model mlp --num-gpus 4 --strategy parameter_server --staged-vars --epochs 1',
      'four towers that share variables and read them a step late',
    ],
    [
      'placewright train --options case.json --tensors tiny.tensors.json --steps 15 --engine reference --json',
      "tf_cnn_benchmarks' options and recorded tensors; prints the losses and the norms of the final variables",
    ],
    [
      'placewright train --model lenet --num-gpus 2 --checkpoint-dir run --save-every 100 --resume',
      'go on from the last checkpoint of a folder, if there is one: to be started again after any end',
    ],
    [
      'placewright train --model mlp --strategy distributed_replicated --num-ps 2 --num-workers 2 --num-gpus 2 --steps 100',
      'a whole cluster in this process: two parameter servers and two workers, which wait for each other',
    ],
    [
      'placewright train --model lenet --num-gpus 2 --steps 20 --trace trace.json',
      'see on a time line how the devices overlap',
    ],
  ]);
  const run = { ...RUN_OPTIONS, ...CHECKPOINT_OPTIONS, ...FILE_OPTIONS };
  addOptions(command, { ...MODEL_OPTIONS, ...CLUSTER_OPTIONS, ...run });
  return command
    .option('--options <file>', "options from a JSON file, by tf_cnn_benchmarks' names; flags go first")
    .option('--json', 'print the result as JSON')
    .option('--quiet', 'show no progress')
    .addHelpText('after', AFTERWORD)
    .action(async (flags: Record<string, unknown>) => {
      const display = { json: flags.json === true, quiet: flags.quiet === true };
      const options = readOptions(flags);
      const settings = modelSettings(options, flags.options !== undefined || options.tensors !== undefined);
      warnOfIgnored(io, flags, settings);
      const train = isLocal(settings.cluster) ? trainOnce : trainTasks;
      finish(await train(io, options, settings, display));
    });
}

const AFTERWORD = `
Without --options and --tensors the optimizer is momentum (0.95) with a
learning rate of 0.02, or what the model needs; with either of them it is sgd
with 0.05, as in tf_cnn_benchmarks. Flags may be written in kebab, snake or
camel case. Ctrl-C (or SIGTERM) ends training after the running step, with what
it has: the table and the files are written, nothing is tested.

Exit codes: 0 done, 1 the input is at fault, 2 the command line is, 70 we are,
130 stopped by Ctrl-C.`;

async function trainOnce(
  io: Io,
  options: OptionValues,
  settings: ModelSettings,
  display: Display,
): Promise<number> {
  const engine = findEngine(options.engine ?? 'embedded');
  checkTowers(engine, settings);
  checkOutputs(options);
  const files = await openCheckpoints(io, options);
  const data = loadData(settings, options.tensors);
  const steps = stepsOf(options, settings, data);
  const silent = display.quiet || (display.json && !io.stderr.isTerminal);
  const lowered = lowerWithProgress(io, settings, { silent });
  printWarnings(io, lowered.compilation);
  if (options.out !== undefined) writeModule(options.out, lowered.compilation.module);
  const plan = { settings, data, steps, lowered };
  const checkpoints = planCheckpoints(io, files, { ...plan, compilation: lowered.compilation });
  const load = (how: LoadOptions): Promise<Session> => engine.load(lowered.compilation.module, how);
  const run = await withLoaded(load, options, (session) => {
    if (!display.json)
      printStart(io, { ...plan, engine, checkpoints, binding: formatBinding(session.bindings) });
    return runTraining(io, session, { ...plan, engine: engine.name, checkpoints, display });
  });
  writeOutputs(options, run);
  printOutcome(io, options, run, display);
  if (run.report.reason !== 'diverged') warnOfLoss(io, settings, run.report);
  return exitOf(run);
}

/** Trains a whole cluster in this process. */
async function trainTasks(
  io: Io,
  options: OptionValues,
  settings: ModelSettings,
  display: Display,
): Promise<number> {
  refuseOneTask(settings);
  const engine = findEngine(options.engine ?? 'embedded');
  checkDevices(engine, settings);
  checkOutputs(options);
  const files = await openCheckpoints(io, options);
  const data = loadData(settings, options.tensors);
  const steps = stepsOf(options, settings, data);
  const silent = display.quiet || (display.json && !io.stderr.isTerminal);
  const lowered = lowerCluster(io, settings, { silent });
  printWarnings(io, lowered.compilation);
  if (options.out !== undefined) writeModule(options.out, lowered.linked.module);
  const plan = { settings, data, steps, lowered };
  const { compilation, linked } = lowered;
  const checkpoints = planClusterCheckpoints(io, files, { ...plan, compilation }, linked);
  const load = (how: LoadOptions): Promise<ClusterSession> => loadTasks(engine, linked, how);
  const run = await withLoaded(load, options, (cluster) => {
    if (!display.json)
      printStart(io, { ...plan, engine, checkpoints, binding: formatBinding(cluster.bindings) });
    return runCluster(io, cluster, { ...plan, engine: engine.name, checkpoints, display });
  });
  writeOutputs(options, run);
  printClusterOutcome(io, options, run, display);
  if (run.report.reason !== 'diverged') warnOfLoss(io, settings, run.report);
  return exitOf(run);
}

function refuseOneTask({ task }: ModelSettings): void {
  if (task !== null) {
    throw new PlacewrightError(
      'PW_CLUSTER_DISTRIBUTED',
      'one task of a cluster cannot be trained by itself',
      {
        hint: 'leave --job-name and --task-index out: the whole cluster then runs in this process',
      },
    );
  }
}

/** Throws PW_CLUSTER_DISTRIBUTED where the engine runs single modules alone. */
async function loadTasks(engine: Engine, linked: LinkedModule, how: LoadOptions): Promise<ClusterSession> {
  if (engine.loadCluster !== undefined) return engine.loadCluster(linked, how);
  const others = allEngines.filter(({ loadCluster }) => loadCluster !== undefined);
  throw new PlacewrightError('PW_CLUSTER_DISTRIBUTED', `the ${engine.name} engine runs no clusters`, {
    hint: `take --engine ${others.map(({ name }) => name).join(', or ')}`,
  });
}

/** The engine has room for all devices of the cluster. */
function checkDevices({ name, maxDevices }: Engine, { cluster }: ModelSettings): void {
  const count = clusterDevices(cluster).length;
  if (maxDevices === undefined || count <= maxDevices) return;
  throw new PlacewrightError(
    'PW_ENGINE_DEVICES',
    `the ${count} devices of the cluster are more than the ${name} engine has threads for`,
    { hint: `take fewer workers or towers, ${maxDevices} devices in all; --engine reference takes more` },
  );
}

/** The engine has room for the towers and the host, which is known before anything is compiled. */
function checkTowers({ name, maxDevices }: Engine, { numGpus }: ModelSettings): void {
  if (maxDevices === undefined || numGpus < maxDevices) return;
  const others = allEngines.filter((other) => (other.maxDevices ?? Number.POSITIVE_INFINITY) > numGpus);
  throw new PlacewrightError(
    'PW_ENGINE_DEVICES',
    `${numGpus} towers and their host are more devices than the ${name} engine has threads for`,
    {
      hint: [
        `the largest --num-gpus is ${maxDevices - 1}`,
        ...others.map((other) => `--engine ${other.name} takes more`),
      ].join('; '),
    },
  );
}

/** Every output can be written, before anything is computed. */
function checkOutputs({ out, report, trace }: OptionValues): void {
  checkDistinct([out, out === undefined ? undefined : constantsPath(out), report, trace]);
  if (out !== undefined) checkModuleWritable(out);
  for (const path of [report, trace]) if (path !== undefined) checkWritable(path);
}

/** Loads with what the options say, runs `body`, and closes whatever happens. */
async function withLoaded<S extends { close(): Promise<void> }, R>(
  load: (how: LoadOptions) => Promise<S>,
  { trace, tensors, accumulate = tensors === undefined ? 'float32' : 'float64' }: OptionValues,
  body: (session: S) => Promise<R>,
): Promise<R> {
  const session = await load({ trace: trace !== undefined, accumulate });
  try {
    return await body(session);
  } catch (error) {
    // The run knows the values, not the file that they came from.
    const ofTensors = error instanceof PlacewrightError && /^PW_TENSORS/.test(error.code);
    throw ofTensors && tensors !== undefined ? error.at({ file: tensors }) : error;
  } finally {
    await session.close();
  }
}

/** Throws PW_TRAIN_DIVERGED. */
function exitOf({ report }: TrainingRun): number {
  switch (report.reason) {
    case 'done':
    case 'data':
      return EXIT.ok;
    // What follows in a script must not take a stopped run for a finished one.
    case 'stopped':
      return EXIT.interrupted;
    case 'diverged':
      throw new PlacewrightError(
        'PW_TRAIN_DIVERGED',
        `the loss is ${report.steps.at(-1)?.loss} at step ${report.steps.length}`,
        { hint: 'lower --learning-rate, or clip with --gradient-clip' },
      );
  }
}
