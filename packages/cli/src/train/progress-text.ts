import type { Evaluation, StepReport } from '@placewright/runtime';
import { formatDuration, formatLoss, formatPercent, plural } from '../ui/numbers.js';
import { bar, rateMeter } from '../ui/progress.js';

/** Steps whose loss and accuracy are shown together. */
const MEMORY = 20;
/** Longest and shortest bar. */
const BAR_WIDTH = { most: 20, least: 5 };

/** What is shown of a running training. */
export interface TrainMeter {
  add(report: StepReport): void;
  /** The line for a terminal of that width, while it runs and at its end. */
  text(width: number): string;
  endText(width: number): string;
}

export function trainMeter(steps: number): TrainMeter {
  const rate = rateMeter();
  const loss = average();
  const accuracy = average();
  let step = 0;
  let examples = 1;
  let elapsedMs = 0;
  let total = 0;
  const line = (perSecond: number, time: string, width: number): string => {
    const parts = [
      `step ${String(step).padStart(String(steps).length)}/${steps}`,
      `loss${meanOf(loss.count)} ${formatLoss(loss.value)}`,
      `accuracy ${formatPercent(accuracy.count === 0 ? null : accuracy.value)}`,
      `${plural(Math.round(perSecond), 'image')}/s`,
      time,
    ];
    return withBar(parts, step / steps, width);
  };
  return {
    add(report) {
      step = report.step;
      examples = report.examples;
      elapsedMs = report.elapsedMs;
      total += report.examples;
      rate.add(report.examples, report.elapsedMs);
      loss.add(report.loss);
      if (report.correct !== null) accuracy.add(report.correct / report.examples);
    },
    text(width) {
      const perSecond = rate.perSecond();
      const left = perSecond > 0 ? ((steps - step) * examples) / perSecond : 0;
      return line(perSecond, `${formatDuration(left)} left`, width);
    },
    endText(width) {
      const seconds = elapsedMs / 1000;
      return line(seconds > 0 ? total / seconds : 0, `in ${formatDuration(seconds)}`, width);
    },
  };
}

/** The line while testing. */
export function testText(done: Evaluation, count: number, width: number): string {
  const parts = [`testing ${done.examples}/${count}`, `accuracy ${formatPercent(done.accuracy)}`];
  return withBar(parts, done.examples / count, width);
}

function withBar(parts: readonly string[], share: number, width: number): string {
  const text = parts.join('  ');
  const room = Math.min(BAR_WIDTH.most, width - text.length - 2);
  return room < BAR_WIDTH.least ? text : `${bar(share, room)}  ${text}`;
}

/** What a shown loss is a mean of; nothing where it is one step's own. */
function meanOf(count: number): string {
  return count > 1 ? ` (mean of ${count})` : '';
}

/** The mean of the last values. */
function average(): { add(x: number): void; readonly value: number; readonly count: number } {
  const last: number[] = [];
  return {
    add(x) {
      last.push(x);
      if (last.length > MEMORY) last.shift();
    },
    get value() {
      return last.reduce((sum, x) => sum + x, 0) / last.length;
    },
    get count() {
      return last.length;
    },
  };
}
