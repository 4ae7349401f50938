import type { PassRecord } from '@placewright/passes';
import { passesOf } from '../commands/print-after.js';
import type { Io } from '../io.js';
import { type Lowered, lower } from '../lower.js';
import type { ModelSettings } from '../options/settings.js';
import { formatDuration } from '../ui/numbers.js';
import { bar, createProgress } from '../ui/progress.js';

/** Compiling that is done sooner is not worth a line. */
const QUICK_MS = 1000;
const BAR_WIDTH = 20;

export interface LowerProgressOptions {
  readonly silent: boolean;
  readonly now?: () => number;
}

/** As `lower`; where it takes longer than a second, stderr shows which pass is running. */
export function lowerWithProgress(
  io: Io,
  settings: ModelSettings,
  { silent, now = () => performance.now() }: LowerProgressOptions,
  onPass: (record: PassRecord) => void = () => {},
): Lowered {
  const progress = createProgress(io.stderr, { silent, now });
  const names = passesOf(settings);
  const started = now();
  let done = 0;
  try {
    return lower(settings, (record) => {
      done += 1;
      const next = names[done];
      const elapsed = now() - started;
      if (next !== undefined && elapsed >= QUICK_MS) {
        progress.update(() => progressText(done, names.length, next, elapsed));
      }
      onPass(record);
    });
  } finally {
    progress.finish();
  }
}

function progressText(done: number, count: number, next: string, elapsedMs: number): string {
  const time = formatDuration(elapsedMs / 1000);
  return `${bar(done / count, BAR_WIDTH)}  compiling: pass ${done + 1} of ${count}, ${next}  ${time}`;
}
