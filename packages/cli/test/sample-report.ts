import type { StopReason } from '@placewright/runtime';
import type { RunReport } from '../src/train/run-report.js';

/** Ends a script element, begins a comment, and would run if it stood in markup. */
export const HOSTILE = `</script><img src=x onerror="console.error('ran')"><!--`;

/** A run of made-up figures. */
export function sampleReport(options: {
  readonly towers: number;
  readonly hostile?: boolean;
  readonly reason?: StopReason;
}): RunReport {
  const { towers, hostile = false, reason = 'done' } = options;
  const host = '/device:CPU:0';
  const gpus = Array.from({ length: towers }, (_, i) => `/device:GPU:${i}`);
  const facts = {
    variables: 16,
    variableBytes: 13.4e6,
    nodes: 140,
    updates: 8,
    sentBytes: 6.7e6,
    receivedBytes: 6.9e6,
  };
  const name = hostile ? HOSTILE : 'lenet';
  return {
    ...{ model: name, strategy: 'replicated', engine: 'embedded', data: 'mnist' },
    settings: [['optimizer', hostile ? HOSTILE : 'momentum']],
    bindings: [host, ...gpus].map((device, i) => ({
      device,
      target: hostile ? HOSTILE : i === 0 ? 'cpu worker 0' : `cpu worker ${i - 1}`,
    })),
    placement: {
      devices: [host, ...gpus].map((device) => ({ device, ...facts })),
      traffic: [
        ...gpus.map((to) => ({ from: host, to, bytes: 100_000, copies: 2 })),
        ...gpus.map((from) => ({ from, to: host, bytes: 8, copies: 2 })),
        ...gpus.map((from, i) => ({ from, to: gpus[(i + 1) % towers] ?? from, bytes: 6.7e6, copies: 8 })),
      ],
    },
    passes: [
      { pass: hostile ? HOSTILE : 'autodiff', ms: 1.5, verifyMs: 0.5, added: 100, updated: 3, removed: 1 },
    ],
    nodes: 612,
    warnings: [],
    allReduce: true,
    stepsWanted: 200,
    steps: Array.from({ length: 200 }, (_, i) => ({
      ...{
        step: i + 1,
        loss: 2.3 * Math.exp(-i / 40) + 0.06,
        correct: Math.round(64 * (1 - 0.9 * Math.exp(-i / 40))),
      },
      ...{ examples: 64, elapsedMs: 120 * (i + 1) },
    })),
    reason,
    elapsedMs: 24_000,
    imagesPerSecond: 533,
    test: reason === 'done' ? { examples: 10_000, correct: 9871, loss: 0.05, accuracy: 0.9871 } : null,
  };
}
