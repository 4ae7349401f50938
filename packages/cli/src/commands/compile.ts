import { type Module, moduleToJson, printModule } from '@placewright/ir';
import type { Compilation, PassRecord } from '@placewright/passes';
import type { Command } from 'commander';
import { checkDistinct, checkWritable, writeAtomically } from '../files.js';
import { checkGraphDefWritable, sidecarPath, writeGraphDef } from '../graphdef-files.js';
import { type Io, type Output, printJson, printLine } from '../io.js';
import type { Lowered } from '../lower.js';
import { checkModuleWritable, constantsPath, writeModule } from '../module-files.js';
import { addOptions, readOptions } from '../options/command-line.js';
import { warnOfIgnored } from '../options/ignored.js';
import { type ModelSettings, modelSettings } from '../options/settings.js';
import { CLUSTER_OPTIONS, FILE_OPTIONS, MODEL_OPTIONS } from '../options/table.js';
import { badValue, NO_STREAM } from '../options/values.js';
import { lowerWithProgress } from '../train/lower-progress.js';
import { printWarnings } from '../train/output.js';
import { deviceTable, type PassRow, passRows, placementOf } from '../train/run-report.js';
import { formatMs, plural } from '../ui/numbers.js';
import { type Column, formatTable } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';
import { pickPass } from './print-after.js';

interface Outputs {
  readonly out?: string;
  /** True for a summary on the output, a path for the module in a file. */
  readonly json?: true | string;
  readonly printAfter?: string;
  readonly graphdef?: string;
}

/** `placewright compile`. */
export function compileCommand({ io }: CommandContext): Command {
  const command = createCommand(
    'compile',
    'compile a model and show what would run where, without running it',
    [
      [
        'placewright compile --model lenet --strategy parameter_server --num-gpus 2',
        'devices, traffic, and what each pass did',
      ],
      [
        'placewright compile --model lenet --num-gpus 2 --out lenet.pw --json lenet.json',
        "the lowered graph's text, and the same as JSON",
      ],
      [
        'placewright compile --model tiny --print-after autodiff',
        'the graph as one pass leaves it; `all` for every pass',
      ],
      ['placewright compile --model tiny --num-gpus 2 --json', 'the summary as JSON'],
      [
        'placewright compile --model lenet --num-gpus 2 --graphdef lenet.pb',
        "the lowered graph as TensorFlow's GraphDef",
      ],
    ],
  );
  addOptions(command, { ...MODEL_OPTIONS, ...CLUSTER_OPTIONS, out: FILE_OPTIONS.out });
  return command
    .option('--options <file>', "options from a JSON file, by tf_cnn_benchmarks' names; flags go first")
    .option(
      '--json [file]',
      'write the lowered graph as JSON into a file; without one, print the summary as JSON',
    )
    .option(
      '--graphdef <file>',
      'write the lowered graph as a GraphDef (.pb, or .pbtxt as text), and FILE.json beside it',
    )
    .option('--print-after <pass>', 'print the text form after a pass, or after `all`')
    .action((flags: Record<string, unknown> & Outputs) => {
      const settings = modelSettings(readOptions(flags), flags.options !== undefined);
      warnOfIgnored(io, flags, settings);
      compileOnce(io, settings, flags);
    });
}

function compileOnce(io: Io, settings: ModelSettings, outputs: Outputs): void {
  const { out, json, printAfter, graphdef } = outputs;
  const after = printAfter === undefined ? undefined : pickPass(printAfter, settings);
  const jsonFile = typeof json === 'string' ? json : undefined;
  if (jsonFile === '-') throw badValue('--json', jsonFile, `${NO_STREAM}; --json alone prints a summary`);
  checkDistinct([
    ...[out, out === undefined ? undefined : constantsPath(out), jsonFile],
    ...[graphdef, graphdef === undefined ? undefined : sidecarPath(graphdef)],
  ]);
  if (graphdef !== undefined) checkGraphDefWritable(graphdef);
  if (out !== undefined) checkModuleWritable(out);
  if (jsonFile !== undefined) checkWritable(jsonFile);
  const silent = json === true && !io.stderr.isTerminal;
  const lowered = lowerWithProgress(io, settings, { silent }, (record) => {
    // With the summary as JSON, the output is for that alone.
    if (after === 'all' || after === record.pass)
      printAfterPass(json === true ? io.stderr : io.stdout, record);
  });
  const { module } = lowered.compilation;
  printWarnings(io, lowered.compilation);
  const files = out === undefined ? [] : writeModule(out, module);
  if (jsonFile !== undefined) {
    writeAtomically(jsonFile, moduleJsonText(module));
    files.push(jsonFile);
  }
  if (graphdef !== undefined) files.push(...writeGraphDef(graphdef, module));
  if (json === true) printJson(io.stdout, summaryJson(settings, lowered, files));
  else if (after === undefined) printLine(io.stdout, summary(settings, lowered, files, io.stdout));
}

function moduleJsonText(module: Module): string {
  return `${JSON.stringify(moduleToJson(module), null, 1)}\n`;
}

function printAfterPass(output: Io['stdout'], { pass, after }: PassRecord): void {
  printLine(output, `=== after ${pass}`);
  output.write(printModule(after).text);
}

function summary(
  settings: ModelSettings,
  { compilation, ms }: Lowered,
  files: readonly string[],
  { columns }: Output,
): string {
  const { module } = compilation;
  return [
    `${settings.model.name} by ${settings.strategy} for ${plural(settings.numGpus, 'tower')} of ${settings.batchSize}: ${plural(module.graph.nodes.size, 'node')}, ${formatMs(ms)} ms`,
    '',
    `What would run where, and the bytes that go in a step:`,
    deviceTable(placementOf(module, settings.batchSize), [], columns),
    '',
    passTable(compilation, columns),
    ...(files.length === 0 ? [] : ['', ...files.map((file) => `wrote ${file}`)]),
  ].join('\n');
}

function passTable(compilation: Compilation, width: number): string {
  const columns: Column<PassRow>[] = [
    { title: 'pass', text: ({ pass }) => pass },
    { title: 'ms', right: true, text: ({ ms }) => formatMs(ms) },
    { title: 'verify ms', right: true, text: ({ verifyMs }) => formatMs(verifyMs) },
    { title: 'added', right: true, text: ({ added }) => String(added) },
    { title: 'changed', right: true, text: ({ updated }) => String(updated) },
    { title: 'removed', right: true, text: ({ removed }) => String(removed) },
  ];
  return formatTable(columns, passRows(compilation), width);
}

function summaryJson(settings: ModelSettings, { compilation, ms }: Lowered, files: readonly string[]) {
  const { module, choices, contract } = compilation;
  return {
    model: settings.model.name,
    strategy: settings.strategy,
    towers: settings.numGpus,
    batchSize: settings.batchSize,
    nodes: module.graph.nodes.size,
    ms,
    choices,
    contract,
    ...placementOf(module, settings.batchSize),
    passes: passRows(compilation),
    warnings: compilation.warnings,
    files,
  };
}
