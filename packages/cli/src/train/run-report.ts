import { type Binding, isLocal, jobTasks, type Module, PS_JOB } from '@placewright/ir';
import {
  type Choices,
  type Compilation,
  type DeviceSummary,
  type Placement,
  summarisePlacement,
} from '@placewright/passes';
import type { Evaluation, StepReport, StopReason, TrainResult } from '@placewright/runtime';
import type { ModelSettings } from '../options/settings.js';
import { kebabCase } from '../options/table.js';
import { formatBytes, formatMegabytes, plural } from '../ui/numbers.js';
import { type Column, formatTable } from '../ui/table.js';
import { workersOf } from './data.js';

/** One pass that ran, as reports show it. */
export interface PassRow {
  readonly pass: string;
  readonly ms: number;
  readonly verifyMs: number;
  readonly added: number;
  readonly updated: number;
  readonly removed: number;
}

/** All that is known of a run when it is over: what the table, the page and `--json` show. */
export interface RunReport {
  readonly model: string;
  readonly strategy: string;
  readonly engine: string;
  readonly data: string;
  readonly settings: readonly (readonly [name: string, value: string])[];
  readonly bindings: readonly Binding[];
  readonly placement: Placement;
  readonly warnings: Compilation['warnings'];
  readonly passes: readonly PassRow[];
  readonly nodes: number;
  /** Whether gradients go round rings of devices. */
  readonly allReduce: boolean;
  readonly stepsWanted: number;
  readonly steps: readonly StepReport[];
  readonly reason: StopReason;
  readonly elapsedMs: number;
  readonly imagesPerSecond: number;
  readonly test: Evaluation | null;
}

export function passRows(compilation: Pick<Compilation, 'records'>): PassRow[] {
  return compilation.records.map(({ pass, ms, verifyMs, changes }) => {
    const count = (kind: string): number => changes.filter((change) => change.kind === kind).length;
    return { pass, ms, verifyMs, added: count('add'), updated: count('update'), removed: count('remove') };
  });
}

export function makeReport(run: {
  readonly settings: ModelSettings;
  readonly engine: string;
  readonly data: string;
  readonly steps: number;
  readonly compilation: Compilation;
  readonly bindings: readonly Binding[];
  readonly result: TrainResult;
  readonly test: Evaluation | null;
}): RunReport {
  const { settings, compilation, result } = run;
  const images = result.reports.reduce((sum, { examples }) => sum + examples, 0);
  return {
    model: settings.model.name,
    strategy: settings.strategy,
    engine: run.engine,
    data: run.data,
    settings: describeSettings(settings, compilation),
    bindings: run.bindings,
    placement: placementOf(compilation.module, settings.batchSize),
    warnings: compilation.warnings,
    passes: passRows(compilation),
    nodes: compilation.module.graph.nodes.size,
    allReduce: settings.numGpus > 1 && compilation.choices.aggregation === 'allReduce',
    stepsWanted: run.steps,
    steps: result.reports,
    reason: result.reason,
    elapsedMs: result.elapsedMs,
    imagesPerSecond: result.elapsedMs > 0 ? (1000 * images) / result.elapsedMs : 0,
    test: run.test,
  };
}

/** Devices and traffic of a step; an unknown dimension counts as one tower's batch. */
export function placementOf(module: Module, batchSize: number): Placement {
  return summarisePlacement(module, { batch: batchSize });
}

/** `learningRate` as people write it. */
const plainWords = (name: string): string => kebabCase(name).replaceAll('-', ' ');

/** The choices of a strategy in words. */
const SETS: Readonly<Record<Choices['variables'], string>> = {
  shared: 'one set for all towers',
  perTower: 'a set for each tower',
};
const HOMES: Readonly<Record<Choices['home'], string>> = {
  tower: "each on its tower's device",
  parameterDevice: 'all on one device',
  leastElements: 'each on the device that had the fewest elements',
  leastBytes: 'each on the parameter server that had the fewest bytes',
};
const TIMES: Readonly<Record<Choices['reading'], string>> = {
  direct: 'in the same step',
  caching: 'in the same step, kept on a caching device',
  staging: 'a step late, through staging areas',
};
const WAYS: Readonly<Record<Exclude<Choices['aggregation'], 'none'>, string>> = {
  allReduce: 'gradients by all-reduce',
  copyInTurn: 'gradients, copied to the towers in turn',
  copyBesideVariable: 'gradients, copied to where the variable is',
  copyOnHost: 'gradients, copied to the host',
};

/** The settings as rows for people. */
export function describeSettings(
  settings: ModelSettings,
  { choices }: Pick<Compilation, 'choices'>,
): (readonly [string, string])[] {
  const { training, input } = settings;
  const { kind, ...rates } = training.optimizer;
  const rateText = Object.entries(rates).map(([name, value]) => `${plainWords(name)} ${value}`);
  return [
    [
      'input',
      `${input.imageSize}×${input.imageSize}×${input.channels}, ${input.classes} outputs, ${settings.dataFormat}`,
    ],
    ...clusterRows(settings),
    ['towers', `${settings.numGpus} of ${plural(settings.batchSize, 'image')}`],
    ['optimizer', [kind, ...rateText].join(', ')],
    ['weight decay', String(training.weightDecay)],
    [
      'clipping',
      training.clip.kind === 'none' ? 'none' : `${plainWords(training.clip.kind)} ${training.clip.limit}`,
    ],
    ['variables', `${SETS[choices.variables]}, ${HOMES[choices.home]}`],
    ['read', TIMES[choices.reading]],
    [
      'gradients',
      choices.aggregation === 'none' || settings.numGpus === 1
        ? 'not exchanged'
        : `${choices.reduction} of the towers' ${WAYS[choices.aggregation]}; taken ${TIMES[choices.gradients]}`,
    ],
    ['seed', String(settings.seed)],
  ];
}

function clusterRows({ cluster }: ModelSettings): (readonly [string, string])[] {
  if (isLocal(cluster)) return [];
  const servers = plural(jobTasks(cluster, PS_JOB).length, 'parameter server');
  return [
    ['cluster', `${plural(workersOf(cluster), 'worker')}, ${servers}; towers are those of each worker`],
  ];
}

/** The table of what ran where, the run's devices and what they are bound to; `sent` and `received` are of a step. */
export function deviceTable(placement: Placement, bindings: readonly Binding[], width: number): string {
  const bound = new Map(bindings.map(({ device, target }) => [device, target]));
  const columns: Column<DeviceSummary>[] = [
    { title: 'device', text: ({ device }) => device },
    ...(bindings.length === 0
      ? []
      : [{ title: 'bound to', text: ({ device }: DeviceSummary) => bound.get(device) ?? '–' }]),
    { title: 'vars', right: true, text: ({ variables }) => String(variables) },
    { title: 'MB', right: true, text: ({ variableBytes }) => formatMegabytes(variableBytes) },
    { title: 'nodes', right: true, text: ({ nodes }) => String(nodes) },
    { title: 'updates', right: true, text: ({ updates }) => String(updates) },
    { title: 'sent', right: true, text: ({ sentBytes }) => formatBytes(sentBytes) },
    { title: 'received', right: true, text: ({ receivedBytes }) => formatBytes(receivedBytes) },
  ];
  return formatTable(columns, placement.devices, width);
}
