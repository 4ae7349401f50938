import type { Node, ResourceId, VariableResource } from '../../graph.js';
import type { Access, VerifyContext } from '../invariant.js';

/** An access in one of the rounds of a task's program, before the first step or in the step. */
export interface PlacedAccess {
  readonly node: Node;
  readonly effect: Access['effect'];
  readonly task: number;
  /** Index into the rounds of the task in the net. */
  readonly round: number;
  readonly inStep: boolean;
}

/** One tower's copy of a variable. */
export interface Copy {
  readonly variable: VariableResource;
  /** The task that writes it; -1 where none does. */
  readonly task: number;
  readonly accesses: readonly PlacedAccess[];
}

/** Copies of one variable, the one that the others are to be equal to first. */
export type Copies = readonly [Copy, ...Copy[]];

/** All accesses to each variable, in the order in which their task runs them. */
export function accessesByVariable(context: VerifyContext): Map<ResourceId, PlacedAccess[]> {
  const out = new Map<ResourceId, PlacedAccess[]>();
  const { tasks } = context.net();
  for (const { node, resource, effect } of context.accesses()) {
    if (resource.kind !== 'variable') continue;
    const list = out.get(resource.id) ?? [];
    out.set(resource.id, list);
    tasks.forEach(({ rounds, prologue }, task) => {
      rounds.forEach(({ view }, round) => {
        if (view.nodes.has(node.id)) list.push({ node, effect, task, round, inStep: round >= prologue });
      });
    });
  }
  const position = context.position();
  const place = ({ node }: PlacedAccess): number => position.get(node.id) ?? 0;
  for (const list of out.values()) list.sort((a, b) => a.round - b.round || place(a) - place(b));
  return out;
}

/**
 * Trainable variables and optimizer slots that several towers have copies of, those of tower 0 first. Where workers may
 * see each other's updates early, each worker's towers are equal among themselves.
 */
export function copiesOf(
  context: VerifyContext,
  accesses: ReadonlyMap<ResourceId, readonly PlacedAccess[]>,
): Copies[] {
  const groups = new Map<string, Copy[]>();
  for (const variable of context.module.resources.values()) {
    if (variable.kind !== 'variable' || variable.replica === null) continue;
    if (!variable.trainable && variable.slotOf === null) continue;
    const own = accesses.get(variable.id) ?? [];
    const task = own.find(({ effect }) => effect === 'write')?.task ?? -1;
    const key = context.permittedSkew() === 'none' ? variable.name : `${task} ${variable.name}`;
    const group = groups.get(key);
    const copy = { variable, task, accesses: own };
    if (group === undefined) groups.set(key, [copy]);
    else group.push(copy);
  }
  return [...groups.values()].flatMap((group): Copies[] => {
    const [first, ...others] = group.sort((a, b) => (a.variable.replica ?? 0) - (b.variable.replica ?? 0));
    return first === undefined || others.length === 0 ? [] : [[first, ...others]];
  });
}
