import type { Evaluation, StepReport } from '@placewright/runtime';
import { formatDuration, formatLoss, formatPercent } from '../ui/numbers.js';
import { bar, rateMeter } from '../ui/progress.js';

/** Weight of the past in shown loss and accuracy: about the last 20 steps. */
const MEMORY = 0.95;
const BAR_WIDTH = 20;

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
      `loss ${formatLoss(loss.value)}`,
      `accuracy ${formatPercent(accuracy.count === 0 ? null : accuracy.value)}`,
      `${Math.round(perSecond)} images/s`,
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
  return text.length + BAR_WIDTH + 2 > width ? text : `${bar(share, BAR_WIDTH)}  ${text}`;
}

/** An average that forgets, unbiased from the first value on. */
function average(): { add(x: number): void; readonly value: number; readonly count: number } {
  let sum = 0;
  let weight = 0;
  let count = 0;
  return {
    add(x) {
      sum = MEMORY * sum + x;
      weight = MEMORY * weight + 1;
      count += 1;
    },
    get value() {
      return sum / weight;
    },
    get count() {
      return count;
    },
  };
}
