import { MODELS, type ModelEntry } from '@placewright/models';
import type { Command } from 'commander';
import { type Output, printJson, printLine } from '../io.js';
import { formatTable } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';

/** `placewright models`. */
export function modelsCommand({ io }: CommandContext): Command {
  return createCommand('models', 'list the models of the zoo', [
    ['placewright models', 'what there is, and the input that each takes unless told otherwise'],
  ])
    .option('--json', 'print JSON')
    .action(({ json }: { json?: boolean }) => {
      if (json) printJson(io.stdout, { models: MODELS.map(describe) });
      else printLine(io.stdout, list(io.stdout));
    });
}

function describe({ name, summary, batchSize, learningRate, input, dataSets }: ModelEntry) {
  return { name, summary, batchSize, learningRate: learningRate ?? null, input, dataSets };
}

function list({ columns }: Output): string {
  return formatTable(
    [
      { title: 'model', text: ({ name }: ModelEntry) => name },
      {
        title: 'input',
        text: ({ input: { imageSize, channels } }) => `${imageSize}×${imageSize}×${channels}`,
      },
      { title: 'outputs', right: true, text: ({ input }) => String(input.classes) },
      { title: 'batch', right: true, text: ({ batchSize }) => String(batchSize) },
      { title: 'data', text: ({ dataSets }) => dataSets.join(', ') || 'any' },
      { title: 'what it is', text: ({ summary }) => summary },
    ],
    MODELS,
    columns,
  );
}
