import { EXIT } from '../errors.js';
import { type Io, printLine } from '../io.js';

/**
 * Signals closer together than this are one key press: a runner such as npx passes on the Ctrl-C that the terminal has
 * already sent to every process.
 */
const ONE_PRESS_MS = 300;

/** Listens for Ctrl-C: the first one aborts the signal, a second one ends the process at once. */
export interface Interrupts {
  readonly signal: AbortSignal;
  dispose(): void;
}

export function listenForInterrupts(
  io: Io,
  options: { readonly quiet: boolean; readonly now?: () => number },
): Interrupts {
  const { quiet, now = () => performance.now() } = options;
  const controller = new AbortController();
  let pressedAt = Number.NEGATIVE_INFINITY;
  const dispose = io.onInterrupt(() => {
    const again = controller.signal.aborted;
    if (again && now() - pressedAt < ONE_PRESS_MS) return;
    pressedAt = now();
    if (again) {
      io.abort(EXIT.interrupted);
      return;
    }
    if (!quiet) printLine(io.stderr, '\nStopping after this step; Ctrl-C again ends at once.');
    controller.abort();
  });
  return { signal: controller.signal, dispose };
}
