import {
  assertValid,
  type Change,
  type EditResult,
  type Invariant,
  type Module,
  PlacewrightError,
} from '@placewright/ir';
import type { PassCall, PassContext } from './pass.js';

/** What the manager noted of one pass that ran. */
export interface PassRecord {
  readonly pass: string;
  readonly options: PassCall['options'];
  /** The pass's diff: what it changed and why, and immer's patches. */
  readonly changes: readonly Change[];
  readonly patches: EditResult['patches'];
  readonly before: Module;
  readonly after: Module;
  /** Milliseconds of the pass itself, and of verifying what it gave. */
  readonly ms: number;
  readonly verifyMs: number;
}

export interface ManagerOptions {
  /** Check the invariants after every pass; on unless turned off. */
  readonly verify?: boolean;
  /** Invariants of one's own: checked like the IR's, from the pass on that establishes them. */
  readonly invariants?: readonly Invariant[];
  /** Told after each pass: printing, progress. */
  readonly onPass?: (record: PassRecord) => void;
}

/**
 * Runs passes one after the other: checks what each requires, times it, verifies what holds from there on, records.
 * Throws PW_PASS_ORDER when a requirement is not met, PW_INVARIANT when a pass breaks the module.
 */
export function runPipeline(
  module: Module,
  calls: readonly PassCall[],
  context: PassContext,
  options: ManagerOptions = {},
): { module: Module; records: readonly PassRecord[] } {
  const records: PassRecord[] = [];
  let current = module;
  for (const call of calls) {
    const record = runPass(current, call, context, options);
    records.push(record);
    options.onPass?.(record);
    current = record.after;
  }
  return { module: current, records };
}

function runPass(before: Module, call: PassCall, context: PassContext, options: ManagerOptions): PassRecord {
  const { pass } = call;
  const missing = pass.requires.filter((name) => !before.established.includes(name));
  if (missing.length > 0) {
    throw new PlacewrightError(
      'PW_PASS_ORDER',
      `pass ${pass.name} needs ${missing.join(', ')} to hold before it`,
      {
        where: { pass: pass.name },
        hint: `run a pass that establishes ${missing.join(' and ')} first; \`placewright passes\` lists them`,
      },
    );
  }
  const started = performance.now();
  const result = inPass(pass.name, () => pass.run(before, call.options, context));
  const ended = performance.now();
  const kept = before.established.filter((name) => pass.preserves === 'all' || pass.preserves.includes(name));
  const after = {
    ...result.module,
    established: [...new Set([...kept, ...pass.establishes, ...(call.promises ?? [])])],
  };
  // What a pass leaves as it was has been verified after the pass before.
  const isNew = result.changes.length > 0 || after.established.length > before.established.length;
  if ((options.verify ?? true) && isNew) {
    const more = options.invariants ?? [];
    inPass(pass.name, () =>
      assertValid(after, context.registry, { kind: 'internal', pass: pass.name, more }),
    );
  }
  return {
    pass: pass.name,
    options: call.options,
    changes: result.changes,
    patches: [...result.patches, { op: 'replace', path: ['established'], value: after.established }],
    before,
    after,
    ms: ended - started,
    verifyMs: performance.now() - ended,
  };
}

function inPass<T>(pass: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof PlacewrightError) throw error.at({ pass });
    throw error;
  }
}
