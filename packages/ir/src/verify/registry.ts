import { type ErrorKind, nearest, PlacewrightError } from '../errors.js';
import type { Module, NodeId } from '../graph.js';
import type { LinkedModule, LinkedTask } from '../link.js';
import type { OpRegistry } from '../op.js';
import { excerptAround, printResource } from '../text/print.js';
import { acyclic } from './acyclic.js';
import { collectivesComplete } from './collectives-complete.js';
import { colocation } from './colocation.js';
import { verifyContext } from './context.js';
import { edgesExist } from './edges-exist.js';
import { entriesWellFormed } from './entries-well-formed.js';
import { everyNodePlaced } from './every-node-placed.js';
import {
  type Invariant,
  moduleViolation,
  type PermittedSkew,
  type VerifyContext,
  type Violation,
} from './invariant.js';
import { legalDevices } from './legal-devices.js';
import { noChoice } from './no-choice.js';
import { noHang } from './no-hang.js';
import { noRace } from './no-race.js';
import { noRaceAcrossTasks } from './no-race-across-tasks.js';
import { replicasEqual } from './replicas-equal.js';
import { resourceColocated } from './resource-colocated.js';
import { resourcesWellFormed } from './resources-well-formed.js';
import { stagingBalanced } from './staging-balanced.js';
import { stagingFilled } from './staging-filled.js';
import { transfersExplicit } from './transfers-explicit.js';
import { typesMatch } from './types-match.js';
import { uniqueNames } from './unique-names.js';

/** All invariants of the IR, each after those that it needs. */
export const INVARIANTS: readonly Invariant[] = [
  edgesExist,
  acyclic,
  uniqueNames,
  typesMatch,
  legalDevices,
  resourcesWellFormed,
  entriesWellFormed,
  everyNodePlaced,
  resourceColocated,
  colocation,
  transfersExplicit,
  collectivesComplete,
  stagingBalanced,
  stagingFilled,
  noChoice,
  noHang,
  noRace,
  noRaceAcrossTasks,
  replicasEqual,
];

export interface VerifyOptions {
  /** Checks just these, whether the module says that they hold or not; what they need is checked with them. */
  readonly only?: readonly string[];
  /** Checks all but what only some strategies promise, whatever the module says of itself. */
  readonly all?: boolean;
  /** Invariants of one's own, on top of those of the IR; after those that they need. */
  readonly more?: readonly Invariant[];
  /** What the strategy's contract permits; when left out, what the entries of the tasks say. */
  readonly permittedSkew?: PermittedSkew;
}

/**
 * What breaks the invariants that must hold: those that always do, and those that the module calls established.
 * Throws PW_INVARIANT_UNKNOWN for a name in `only` that is none.
 */
export function verify(module: Module, registry: OpRegistry, options: VerifyOptions = {}): Violation[] {
  return verifyTasks(module, registry, options, undefined);
}

/**
 * The same of a linked module, whose tasks each run by themselves and at the same time. Throws PW_INVARIANT_UNKNOWN.
 */
export function verifyLinked(
  { module, tasks }: LinkedModule,
  registry: OpRegistry,
  options: VerifyOptions = {},
): Violation[] {
  return verifyTasks(module, registry, options, tasks);
}

function verifyTasks(
  module: Module,
  registry: OpRegistry,
  options: VerifyOptions,
  tasks: readonly LinkedTask[] | undefined,
): Violation[] {
  const unknown = options.only === undefined ? unknownNames(invariantsByName(options), module) : [];
  const context = verifyContext(module, registry, { tasks, permittedSkew: options.permittedSkew });
  return [...unknown, ...checkAll(context, chosenInvariants(module, options))];
}

/** The invariants that `verify` checks with these options, in its order. Throws PW_INVARIANT_UNKNOWN. */
export function chosenInvariants(module: Module, options: VerifyOptions = {}): Invariant[] {
  const byName = invariantsByName(options);
  const known = [...byName.values()];
  const must = ({ name, from }: Invariant): boolean =>
    (options.all === true && from !== 'promised') || from === 'always' || module.established.includes(name);
  const asked = withNeeds(byName, options.only ?? known.filter(must).map(({ name }) => name));
  return known.filter(({ name }) => asked.has(name));
}

function invariantsByName({ more = [] }: VerifyOptions): ReadonlyMap<string, Invariant> {
  return new Map([...INVARIANTS, ...more].map((invariant) => [invariant.name, invariant]));
}

function checkAll(context: VerifyContext, invariants: readonly Invariant[]): Violation[] {
  const out: Violation[] = [];
  const broken = new Set<string>();
  for (const invariant of invariants) {
    if (invariant.needs.some((name) => broken.has(name))) {
      broken.add(invariant.name);
      continue;
    }
    const found = invariant.check(context);
    if (found.length > 0) broken.add(invariant.name);
    for (const violation of found) out.push(violation);
  }
  return out;
}

function withNeeds(byName: ReadonlyMap<string, Invariant>, names: readonly string[]): Set<string> {
  const asked = new Set(names);
  for (const name of asked) {
    const invariant = byName.get(name);
    if (invariant === undefined) throw unknownInvariant(byName, name);
    for (const need of invariant.needs) asked.add(need);
  }
  return asked;
}

function unknownInvariant(byName: ReadonlyMap<string, Invariant>, name: string): PlacewrightError {
  const near = nearest(name, [...byName.keys()]);
  return new PlacewrightError('PW_INVARIANT_UNKNOWN', `there is no invariant ${JSON.stringify(name)}`, {
    hint: near === undefined ? `there are ${[...byName.keys()].join(', ')}` : `did you mean ${near}?`,
  });
}

/** Names that the module calls established and nobody knows: what cannot be checked must not pass for checked. */
function unknownNames(byName: ReadonlyMap<string, Invariant>, module: Module): Violation[] {
  return module.established
    .filter((name) => !byName.has(name))
    .map((name) =>
      moduleViolation(
        'established',
        unknownInvariant(byName, name).message,
        unknownInvariant(byName, name).hint,
      ),
    );
}

export interface AssertOptions extends VerifyOptions {
  /** `internal` after a pass, whose fault it then is; `user` for a module that the user gave. */
  readonly kind: Extract<ErrorKind, 'user' | 'internal'>;
  /** The pass that has just run. */
  readonly pass?: string;
  /** The file that the module came from. */
  readonly file?: string;
}

/** Violations that an error lists. */
const LISTED = 10;

/** Throws PW_INVARIANT with the first violation's node and its lines of the text form, and up to 10 violations. */
export function assertValid(module: Module, registry: OpRegistry, options: AssertOptions): void {
  refuse(module, verify(module, registry, options), options);
}

/** The same of a linked module, whose tasks run at the same time: as `verifyLinked`. Throws PW_INVARIANT. */
export function assertLinked(linked: LinkedModule, registry: OpRegistry, options: AssertOptions): void {
  refuse(linked.module, verifyLinked(linked, registry, options), options);
}

function refuse(
  module: Module,
  violations: readonly Violation[],
  { kind, pass, file }: Pick<AssertOptions, 'kind' | 'pass' | 'file'>,
): void {
  const [first] = violations;
  if (first === undefined) return;
  throw new PlacewrightError('PW_INVARIANT', listing(violations), {
    kind,
    hint: first.hint,
    where: {
      ...(first.name === null ? {} : { node: first.name }),
      ...(pass === undefined ? {} : { pass }),
      ...(file === undefined ? {} : { file }),
      excerpt: excerptOf(module, first),
    },
  });
}

function listing(violations: readonly Violation[]): string {
  const lines = violations.slice(0, LISTED).map(({ invariant, message }) => `${invariant}: ${message}`);
  if (violations.length > LISTED) lines.push(`and ${violations.length - LISTED} more`);
  return lines.length === 1 ? lines.join('') : `${violations.length} faults\n  ${lines.join('\n  ')}`;
}

function excerptOf(module: Module, { subject }: Violation): string[] {
  if (subject === null) return [];
  const resource = [...module.resources.values()].find(({ id }) => id === subject);
  return resource === undefined ? excerptAround(module, subject as NodeId) : [printResource(resource)];
}
