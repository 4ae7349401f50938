import { isDeepStrictEqual } from 'node:util';
import { builtinRegistry, type EditResult, type Module, printModule } from '@placewright/ir';
import { PASSES, type PassRecord } from '@placewright/passes';
import { applyPatches, enableMapSet, enablePatches } from 'immer';
import { clusterOf, taskOf } from '../arbitraries/cluster.js';
import type { Prepared } from '../prepare.js';
import { type Law, must } from './law.js';

enablePatches();
enableMapSet();

/**
 * Throws PW_LAW unless an edit is what its patches say: applied to the module before they give the one after, and
 * backwards again; and the module before is as it was.
 */
export function checkEdit(before: Module, edit: () => EditResult, label = 'the edit'): EditResult {
  const { text } = printModule(before);
  const result = edit();
  must(printModule(before).text === text, () => `${label} changed the module that it was given`);
  checkPatches(before, result.module, result.patches, `the patches of ${label}`);
  checkPatches(result.module, before, result.inversePatches, `the inverse patches of ${label}`);
  return result;
}

function checkPatches(from: Module, to: Module, patches: EditResult['patches'], what: string): void {
  const got = applyPatches(from, [...patches]);
  must(sameContents(got, to), () => `${what} do not give the module on the other side`);
}

/** Modules without regard to the order in which maps were filled: patches do not say where a key goes. */
function sameContents(a: Module, b: Module): boolean {
  const sorted = (module: Module) => ({
    ...module,
    graph: { nodes: [...module.graph.nodes].sort(byKey) },
    resources: [...module.resources].sort(byKey),
  });
  return isDeepStrictEqual(sorted(a), sorted(b));
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}

/** Each pass is a function: it gives the same again, its patches are its difference, and its input stays as it was. */
export const patchLaw: Law = {
  name: 'patches',
  summary: 'what a pass changed is what its patches say, both ways; run again it gives the same',
  check: (prepared) => {
    const { records } = prepared.compilation;
    // Two of the passes of each case: over the cases all come by.
    for (const offset of [0, Math.ceil(records.length / 2)]) {
      const record = records[(prepared.case.seed + offset) % records.length];
      if (record !== undefined) checkRecord(prepared, record);
    }
  },
};

function checkRecord(prepared: Prepared, { pass: name, options, before, after }: PassRecord): void {
  const pass = PASSES.find((candidate) => candidate.name === name);
  if (pass === undefined) return;
  const { cluster } = prepared.case;
  const context = { registry: builtinRegistry, cluster: clusterOf(cluster), task: taskOf(cluster) };
  const again = checkEdit(before, () => pass.run(before, options, context), `pass ${name}`);
  const { established } = after;
  must(
    isDeepStrictEqual({ ...again.module, established }, after),
    () => `pass ${name} gives something else when it is run again`,
  );
}
