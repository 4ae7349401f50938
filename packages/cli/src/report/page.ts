import { createHash } from 'node:crypto';
import { unreachable } from '@placewright/ir';
import type { RunReport } from '../train/run-report.js';
import {
  formatBytes,
  formatDuration,
  formatLoss,
  formatMs,
  formatPercent,
  formatTick,
  plural,
} from '../ui/numbers.js';
import { lineChart } from './chart.js';
import { element, escapeHtml, htmlTable, scriptJson } from './html.js';
import { devicePicture } from './picture.js';
import { STYLE } from './style.js';
import { trafficTables } from './traffic.js';

/**
 * A run as one HTML file that needs nothing else: no network, no script that runs, and a policy that forbids both.
 * All of the run's data stand in it as JSON under the id `run-data`.
 */
export function reportPage(report: RunReport): string {
  const title = `${report.model}, ${report.strategy} on ${report.engine}`;
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="placewright">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${[header(report), curves(report), devices(report), details(report)].join('\n')}
</main>
<script type="application/json" id="run-data">${scriptJson(report)}</script>
</body>
</html>
`;
}

function header(report: RunReport): string {
  const last = report.steps.at(-1);
  const figures: [string, string][] = [
    ['test accuracy', formatPercent(report.test?.accuracy ?? null, 2)],
    ['loss of the last step', last === undefined ? '–' : formatLoss(last.loss)],
    ['steps', `${report.steps.length} of ${report.stepsWanted}`],
    ['images a second', String(Math.round(report.imagesPerSecond))],
    ['training time', formatDuration(report.elapsedMs / 1000)],
  ];
  const cards = figures.map(([name, value]) =>
    element('div', {}, element('dt', {}, escapeHtml(name)), element('dd', {}, escapeHtml(value))),
  );
  return [
    element('h1', {}, escapeHtml(`${report.model}: ${report.strategy}`)),
    element('p', { class: 'soft' }, escapeHtml(`trained on ${report.data} with the ${report.engine} engine`)),
    notice(report),
    element('dl', { class: 'figures' }, ...cards),
  ].join('\n');
}

function notice({ reason, steps }: RunReport): string {
  switch (reason) {
    case 'done':
      return '';
    case 'stopped':
      return element(
        'p',
        { class: 'notice' },
        `Stopped by hand after ${plural(steps.length, 'step')}; nothing was tested.`,
      );
    case 'data':
      return element(
        'p',
        { class: 'notice' },
        `Ended after ${plural(steps.length, 'step')}: there were no more images.`,
      );
    case 'diverged':
      return element(
        'p',
        { class: 'notice' },
        `The loss was no longer finite at step ${steps.length}: lower the learning rate, or clip the gradients.`,
      );
    default:
      return unreachable(reason);
  }
}

function curves({ steps, test }: RunReport): string {
  const loss = lineChart({
    title: 'loss',
    yLabel: 'loss',
    values: steps.map((step) => step.loss),
    series: 'loss',
    format: formatTick,
  });
  const share = test?.accuracy ?? null;
  const counted = steps.some(({ correct }) => correct !== null);
  const accuracy = lineChart({
    title: 'accuracy',
    yLabel: 'accuracy of the batch',
    values: counted ? steps.map(({ correct, examples }) => (correct ?? Number.NaN) / examples) : [],
    series: 'accuracy',
    range: [0, 1],
    format: (value) => `${Math.round(100 * value)} %`,
    ...(share === null ? {} : { reference: { value: share, label: `test: ${formatPercent(share, 2)}` } }),
  });
  const note =
    'Pale: each step. Bold: the mean of the steps around. The loss is that before the update, weight decay included.';
  return section(
    'Curves',
    element('div', { class: 'charts' }, figure(loss), figure(accuracy)),
    element('p', { class: 'soft' }, note),
  );
}

function figure(content: string): string {
  return element('figure', {}, content);
}

function section(title: string, ...content: readonly string[]): string {
  return element('section', {}, element('h2', {}, escapeHtml(title)), ...content);
}

function devices({ placement, bindings, allReduce }: RunReport): string {
  const bound = new Map(bindings.map(({ device, target }) => [device, target]));
  const titles = [
    'device',
    'bound to',
    'variables',
    'bytes',
    'nodes',
    'updates',
    'sent a step',
    'received a step',
  ];
  const rows = placement.devices.map((row) => [
    row.device,
    bound.get(row.device) ?? '–',
    String(row.variables),
    formatBytes(row.variableBytes),
    String(row.nodes),
    String(row.updates),
    formatBytes(row.sentBytes),
    formatBytes(row.receivedBytes),
  ]);
  return section(
    'Devices, and what goes between them in a step',
    element('figure', { class: 'scroll' }, devicePicture(placement, bindings)),
    htmlTable(titles, rows, { right: new Set(titles.slice(2)) }),
    trafficTables(placement, allReduce),
  );
}

function details({ settings, passes, nodes, bindings }: RunReport): string {
  const total = passes.reduce((sum, { ms, verifyMs }) => sum + ms + verifyMs, 0);
  const passTitles = ['pass', 'ms', 'verify ms', 'added', 'changed', 'removed'];
  const passRows = passes.map((row) => [
    row.pass,
    formatMs(row.ms),
    formatMs(row.verifyMs),
    ...[row.added, row.updated, row.removed].map(String),
  ]);
  return element(
    'div',
    { class: 'columns' },
    section(
      'Settings',
      htmlTable(['setting', 'value'], settings),
      element('h2', {}, 'Binding'),
      htmlTable(
        ['logical device', 'runs on'],
        bindings.map(({ device, target }) => [device, target]),
      ),
    ),
    section(
      'Passes',
      htmlTable(passTitles, passRows, {
        right: new Set(passTitles.slice(1)),
        caption: `${plural(nodes, 'node')} after ${plural(passes.length, 'pass', 'passes')}, ${formatMs(total)} ms with verifying`,
      }),
    ),
  );
}
