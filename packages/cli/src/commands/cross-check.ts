import { type Comparison, type CrossCheckReport, crossCheck, FAULT_KINDS } from '@placewright/interp';
import type { Io } from '../io.js';
import { printLine } from '../io.js';
import { plural } from '../ui/numbers.js';
import { createProgress } from '../ui/progress.js';
import { hanging } from '../ui/table.js';

/** Disagreements that are printed. */
const SHOWN = 20;

/** Compares that many drawn clusters, and tells on a terminal how far it is. */
export function runCrossCheck(io: Io, count: number, seed: number, isQuiet: boolean): CrossCheckReport {
  const progress = createProgress(io.stderr, { silent: isQuiet });
  const report = crossCheck({
    count,
    seed,
    onCluster: (done) => progress.update(() => `${done} of ${count} clusters`),
  });
  progress.finish();
  return report;
}

const sum = (report: CrossCheckReport, of: (comparison: Comparison) => readonly unknown[]): number =>
  report.failures.reduce((total, comparison) => total + of(comparison).length, 0);

/** Whether the checker and all schedules agree, and every counterexample leads to what it is said to. */
export function agrees({ failures }: CrossCheckReport): boolean {
  return failures.length === 0;
}

export function crossCheckJson(report: CrossCheckReport, seed: number) {
  const { clusters, faulty, states, tooLarge, replayed, byKind, byFault, failures } = report;
  return {
    ...{ seed, clusters, faulty, states, tooLarge, replayed },
    missed: sum(report, ({ missed }) => missed),
    false: sum(report, (comparison) => comparison.false),
    unreplayed: sum(report, ({ unreplayed }) => unreplayed),
    byKind: Object.fromEntries(byKind),
    byFault: Object.fromEntries([...byFault].map(([name, counts]) => [name === '' ? 'none' : name, counts])),
    failures: failures.map(({ seed: at, missed, false: wrong, unreplayed }) => ({
      seed: at,
      missed,
      false: wrong,
      unreplayed,
    })),
  };
}

export function printCrossCheck(io: Io, report: CrossCheckReport): void {
  const { clusters, faulty, states, tooLarge, replayed, failures } = report;
  const out = agrees(report) ? io.stdout : io.stderr;
  const { columns } = io.stdout;
  const left = tooLarge === 0 ? '' : `; ${tooLarge} with more schedules than that left out`;
  printLine(out, `${plural(clusters, 'cluster')}, all schedules of each: ${plural(states, 'state')}${left}`);
  const kinds = FAULT_KINDS.map((kind) => `${report.byKind.get(kind) ?? 0} ${kind}`).join(', ');
  printLine(out, hanging(`  ${faulty} faulty: `, kinds, columns));
  printLine(out, hanging('  done to them (with harm): ', faultText(report), columns));
  printLine(out, `  ${plural(replayed, 'counterexample')} replayed`);
  for (const failure of failures.slice(0, SHOWN)) printLine(out, failureText(failure));
  if (failures.length > SHOWN) printLine(out, `  and ${failures.length - SHOWN} more`);
  const unreplayed = sum(report, (comparison) => comparison.unreplayed);
  const rest = unreplayed === 0 ? '' : `, ${unreplayed} not replayed`;
  printLine(
    out,
    `${sum(report, ({ missed }) => missed)} missed, ${sum(report, (c) => c.false)} false${rest}`,
  );
}

function faultText({ byFault }: CrossCheckReport): string {
  return [...byFault]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { drawn, harmful }]) => `${name === '' ? 'nothing' : name} ${drawn} (${harmful})`)
    .join(', ');
}

function failureText({ seed, missed, false: wrong, unreplayed }: Comparison): string {
  const what = [
    ...missed.map((kind) => `missed: ${kind}`),
    ...wrong.map((kind) => `false: ${kind}`),
    ...unreplayed.map(({ invariant }) => `not replayed: ${invariant}`),
  ];
  return `  ${what.join(', ')}; again with --cross-check 1 --seed ${seed}`;
}
