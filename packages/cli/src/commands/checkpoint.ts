import { formatType, type TensorValue, visible } from '@placewright/ir';
import {
  type Checkpoint,
  parseCheckpoint,
  RESUME,
  type ReadFile,
  readTensorFile,
} from '@placewright/runtime';
import type { Command } from 'commander';
import { ofFile } from '../files.js';
import { type Io, jsonObject, printJson, printLine } from '../io.js';
import { formatBytes, formatLoss, plural } from '../ui/numbers.js';
import { type Column, formatTable } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';

interface Flags {
  readonly json?: boolean;
  readonly all?: boolean;
}

/** `placewright checkpoint`. */
export function checkpointCommand({ io }: CommandContext): Command {
  return createCommand('checkpoint', 'check a checkpoint and show what it holds', [
    ['placewright checkpoint run/step-0000000700.safetensors', 'its variables, and what it says of itself'],
    [
      'placewright checkpoint run/step-0000000700.safetensors --all',
      'and what only the same strategy can use',
    ],
  ])
    .argument('<file>', 'a checkpoint')
    .option('--all', 'show the tensors, too, that only the same strategy can use')
    .option('--json', 'print JSON')
    .addHelpText('after', AFTERWORD)
    .action(async (path: string, flags: Flags) => {
      const file = await readTensorFile(path);
      const checkpoint = ofFile(path, () => parseCheckpoint(file));
      if (flags.json) printJson(io.stdout, checkpointJson(path, file, checkpoint));
      else print(io, path, file, checkpoint, flags);
    });
}

const AFTERWORD = `
The file is read whole, and its checksum worked out.

Exit codes: 0 it is a whole checkpoint, 1 it is not, or cannot be read.`;

interface Row {
  readonly name: string;
  readonly value: TensorValue;
  readonly kind: string;
}

function rowsOf({ tensors }: ReadFile, { slots }: Checkpoint): Row[] {
  return [...tensors]
    .map(([name, value]): Row => ({ name, value, kind: kindOf(name, slots) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function kindOf(name: string, slots: ReadonlyMap<string, string>): string {
  if (name.startsWith(RESUME)) return 'same strategy';
  return slots.has(name) ? 'slot' : 'variable';
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'tensor', text: ({ name }) => name },
  { title: 'type', text: ({ value }) => formatType(value) },
  { title: 'bytes', right: true, text: ({ value }) => formatBytes(bytesOf(value)) },
  { title: 'kind', text: ({ kind }) => kind },
];

const bytesOf = ({ dtype, data }: TensorValue): number =>
  dtype === 'float16' || dtype === 'bfloat16' ? data.byteLength / 2 : data.byteLength;

function print(io: Io, path: string, file: ReadFile, checkpoint: Checkpoint, { all = false }: Flags): void {
  const rows = rowsOf(file, checkpoint);
  const listed = all ? rows : rows.filter(({ kind }) => kind !== 'same strategy');
  const { model, strategy, step } = checkpoint;
  const lines = [
    `${visible(path)}: ${shown(model)} by ${shown(strategy)}, ${plural(step, 'step')}`,
    `${plural(rows.length, 'tensor')} in ${formatBytes(file.bytes)}, ${file.checksum} is right`,
    '',
    formatTable(COLUMNS, listed, io.stdout.columns),
    '',
    resumeText(checkpoint, rows.length - listed.length),
  ];
  printLine(io.stdout, lines.join('\n'));
}

/** Some of a text of the file. */
const shown = (text: string): string => visible(text.slice(0, 80));

/** What the same strategy finds. */
function resumeText({ resume }: Checkpoint, hidden: number): string {
  const staged = [...resume.buffers.values()].reduce((sum, tuples) => sum + tuples.length, 0);
  const loops = [...resume.progress].map(([task, { reports, batch }]) => {
    const last = reports.at(-1);
    const loss = last === undefined ? '' : `, the last with the loss ${formatLoss(last.loss)}`;
    const name = task === '' ? '' : `${shown(task)}: `;
    return `${name}${plural(reports.length, 'step')}${loss}; the next batch is number ${batch}`;
  });
  const lines = [
    `For the same strategy and cluster${hidden === 0 ? '' : ` (${plural(hidden, 'tensor')}, shown by --all)`}:`,
    ...loops,
    `${plural(resume.variables.size, 'variable')} of towers that differ or are not saved`,
    `${plural(staged, 'staged tuple')} in ${plural(resume.buffers.size, 'staging area or queue', 'staging areas and queues')}`,
  ];
  return lines.join('\n  ');
}

function checkpointJson(path: string, file: ReadFile, checkpoint: Checkpoint) {
  const { model, strategy, step, resume } = checkpoint;
  return {
    ...{ file: path, bytes: file.bytes, checksum: file.checksum, model, strategy, step },
    metadata: jsonObject(file.metadata),
    tensors: rowsOf(file, checkpoint).map(({ name, value, kind }) => ({
      ...{ name, kind, dtype: value.dtype, shape: value.shape, bytes: bytesOf(value) },
    })),
    progress: [...resume.progress].map(([task, { reports, batch, data }]) => ({
      ...{ task, steps: reports.length, batch, data, losses: reports.map(({ loss }) => loss) },
    })),
  };
}
