import type { Module } from '../graph.js';
import { createRegistry, type OpRegistry } from '../op.js';
import { acyclic } from './acyclic.js';
import { verifyContext } from './context.js';
import { edgesExist } from './edges-exist.js';
import type { Violation } from './invariant.js';
import { typesMatch } from './types-match.js';
import { uniqueNames } from './unique-names.js';

export type { Violation } from './invariant.js';

const NO_OPS = createRegistry([]);

/**
 * The first thing that makes a module that was just read unusable: dangling edges, cycles, names taken twice, and, with
 * a registry, wrong types. Null when there is none.
 */
export function firstFault(module: Module, registry: OpRegistry = NO_OPS): Violation | null {
  const context = verifyContext(module, registry);
  for (const invariant of [uniqueNames, edgesExist, acyclic, typesMatch]) {
    const [fault] = invariant.check(context);
    if (fault !== undefined) return fault;
  }
  return null;
}
