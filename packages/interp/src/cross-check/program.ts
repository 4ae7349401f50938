import { BEFORE_STEPS, type EntryName, type LinkedModule, type TensorValue } from '@placewright/ir';
import type { ClusterStepper } from '../cluster.js';
import type { Named } from '../feeds.js';

/** How far a task is in what it runs: what comes before its first step, then so many steps. */
interface Progress {
  /** Into the task's program. */
  readonly at: number;
  readonly run: number;
}

/** What an entry of a task is fed. */
export type ProgramFeeds = (task: number, entry: EntryName) => Named<TensorValue>;

/** The tasks of a stepper, each with its program: when a run is done, the next one is begun. */
export interface Programs {
  readonly stepper: ClusterStepper;
  readonly feeds: ProgramFeeds;
  readonly lists: readonly (readonly EntryName[])[];
  readonly progress: readonly (Progress | null)[];
}

/** Begins all tasks, each to take that many steps; the others when the first one has run its `init`. */
export function beginPrograms(
  stepper: ClusterStepper,
  steps: number,
  feeds: ProgramFeeds = () => ({}),
): Programs {
  const lists = stepper.linked.tasks.map((task) => programOf(task, steps));
  return goOn({ stepper, feeds, lists, progress: lists.map(() => null) });
}

function programOf({ entries }: LinkedModule['tasks'][number], steps: number): EntryName[] {
  const before = BEFORE_STEPS.filter((name) => entries[name] !== undefined);
  return [...before, ...(entries.step === undefined ? [] : new Array<EntryName>(steps).fill('step'))];
}

/** Begins what can be begun, now that a run may be done. */
export function goOn(programs: Programs): Programs {
  const { stepper, feeds, lists } = programs;
  const progress = programs.progress.slice();
  for (let changed = true; changed; ) {
    changed = false;
    lists.forEach((list, task) => {
      const now = progress[task] ?? null;
      if (
        now === null
          ? !mayBegin(lists, progress, task)
          : now.run < 0 || stepper.outcome(now.run).kind === 'running'
      )
        return;
      failed(stepper, now);
      const at = now === null ? 0 : now.at + 1;
      const entry = list[at];
      progress[task] = { at, run: entry === undefined ? -1 : stepper.start(task, entry, feeds(task, entry)) };
      changed = true;
    });
  }
  return { stepper, feeds, lists, progress };
}

function mayBegin(lists: Programs['lists'], progress: Programs['progress'], task: number): boolean {
  return task === 0 || lists[0]?.[0] !== 'init' || (progress[0]?.at ?? 0) > 0;
}

/** A kernel that fails is no matter of order. */
function failed(stepper: ClusterStepper, now: Progress | null): void {
  const outcome = now === null ? undefined : stepper.outcome(now.run);
  if (outcome?.kind === 'failed') throw outcome.error;
}

/** Whether all tasks have run their programs to the end. */
export function allDone({ lists, progress }: Programs): boolean {
  return progress.every((now, task) => now !== null && now.at >= (lists[task]?.length ?? 0));
}

export function copyPrograms(programs: Programs): Programs {
  return { ...programs, stepper: programs.stepper.clone() };
}

export function keyOfPrograms({ stepper, progress }: Programs): string {
  return `${progress.map((now) => now?.at ?? -1).join()} ${stepper.key()}`;
}
