import type { Output } from '../io.js';

/** Milliseconds between two redraws of a terminal's line, and between two lines elsewhere. */
const REDRAW_MS = 100;
const LINE_MS = 5000;

/** A line that tells how far something is: rewritten on a terminal, printed every few seconds elsewhere. */
export interface Progress {
  /** Shows the text when it is time to; it is made only then. */
  update(text: (width: number) => string): void;
  /** Shows the text for good. */
  finish(text?: (width: number) => string): void;
}

/** Progress on an output; `silent` for none. */
export function createProgress(
  output: Output,
  options: { readonly silent?: boolean; readonly now?: () => number } = {},
): Progress {
  const { silent = false, now = () => performance.now() } = options;
  if (silent) return { update: () => {}, finish: () => {} };
  return output.isTerminal ? rewrittenLine(output, now) : printedLines(output, now);
}

/** To the first column, and clear to the end of the line. */
const REWIND = '\r\x1b[K';

function rewrittenLine(output: Output, now: () => number): Progress {
  let last = Number.NEGATIVE_INFINITY;
  let open = false;
  const draw = (text: (width: number) => string): void => {
    const width = Math.max(20, output.columns - 1);
    output.write(`${REWIND}${text(width).slice(0, width)}`);
    last = now();
    open = true;
  };
  return {
    update(text) {
      if (now() - last >= REDRAW_MS) draw(text);
    },
    finish(text) {
      if (text !== undefined) draw(text);
      if (open) output.write('\n');
      open = false;
      last = Number.NEGATIVE_INFINITY;
    },
  };
}

function printedLines(output: Output, now: () => number): Progress {
  let last = now();
  return {
    update(text) {
      if (now() - last < LINE_MS) return;
      output.write(`${text(output.columns)}\n`);
      last = now();
    },
    finish(text) {
      if (text !== undefined) output.write(`${text(output.columns)}\n`);
      last = now();
    },
  };
}

/** `━━━━━───` with `share` of `width` filled. */
export function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '━'.repeat(filled) + '─'.repeat(width - filled);
}

/** Things per second over the last while, so that a slow start does not weigh on the guess of what is left. */
export function rateMeter(windowMs = 10_000): {
  add(count: number, atMs: number): void;
  perSecond(): number;
} {
  const samples: { at: number; total: number }[] = [{ at: 0, total: 0 }];
  return {
    add(count, atMs) {
      samples.push({ at: atMs, total: (samples.at(-1)?.total ?? 0) + count });
      while (samples.length > 2 && atMs - (samples[1]?.at ?? 0) > windowMs) samples.shift();
    },
    perSecond() {
      const [first, last] = [samples[0], samples.at(-1)];
      if (first === undefined || last === undefined || last.at <= first.at) return 0;
      return (1000 * (last.total - first.total)) / (last.at - first.at);
    },
  };
}
