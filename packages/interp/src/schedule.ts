import { type Node, PlacewrightError } from '@placewright/ir';

/**
 * In which order ready nodes run. `seed` picks among them at random, the same way for the same seed; `choose` is asked
 * with all that are ready, in topological order, and gives an index. Members of a collective count as one, shown by
 * the member of the lowest tower. Without a schedule the first in topological order runs.
 */
export type Schedule = { readonly seed: number } | { readonly choose: (ready: readonly Node[]) => number };

/** Nodes that may run, by index in topological order. */
export interface ReadySet {
  add(index: number): void;
  /** Takes out one node for which `waits` is false, or undefined; hands those for which it is true to `park`. */
  take(waits: (index: number) => boolean, park: (index: number) => void): number | undefined;
}

export function readySet(schedule: Schedule | undefined, nodes: readonly Node[]): ReadySet {
  if (schedule === undefined) return inOrder();
  return 'seed' in schedule ? atRandom(schedule.seed) : byChoice(schedule.choose, nodes);
}

function inOrder(): ReadySet {
  const heap: number[] = [];
  return {
    add: (index) => push(heap, index),
    take(waits, park) {
      for (let index = pop(heap); index !== undefined; index = pop(heap)) {
        if (!waits(index)) return index;
        park(index);
      }
      return undefined;
    },
  };
}

/** Adds to a binary heap with the least on top (Williams 1964). */
function push(heap: number[], value: number): void {
  let at = heap.length;
  heap.push(value);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if ((heap[parent] as number) <= value) break;
    heap[at] = heap[parent] as number;
    at = parent;
  }
  heap[at] = value;
}

function pop(heap: number[]): number | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child += 1;
    if ((heap[child] as number) >= last) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = last;
  return top;
}

function atRandom(seed: number): ReadySet {
  const bag: number[] = [];
  const random = xorshift(seed);
  return {
    add: (index) => bag.push(index),
    take(waits, park) {
      while (bag.length > 0) {
        const at = Math.floor(random() * bag.length);
        const index = bag[at] as number;
        bag[at] = bag.at(-1) as number;
        bag.pop();
        if (!waits(index)) return index;
        park(index);
      }
      return undefined;
    },
  };
}

function byChoice(choose: (ready: readonly Node[]) => number, nodes: readonly Node[]): ReadySet {
  let ready: number[] = [];
  return {
    add(index) {
      const after = ready.findIndex((other) => other > index);
      ready.splice(after < 0 ? ready.length : after, 0, index);
    },
    take(waits, park) {
      ready.filter(waits).forEach(park);
      ready = ready.filter((index) => !waits(index));
      if (ready.length === 0) return undefined;
      const choice = choose(ready.map((index) => nodes[index] as Node));
      const index = ready[choice];
      if (index === undefined) {
        throw new PlacewrightError(
          'PW_SCHEDULE_CHOICE',
          `the schedule chose ${choice} of ${ready.length} ready nodes`,
          {
            hint: 'choose must give an index into the array that it is called with',
          },
        );
      }
      ready.splice(choice, 1);
      return index;
    },
  };
}

/**
 * Numbers in [0, 1) from a 32-bit xorshift (Marsaglia 2003, shifts 13, 17, 5). The seed goes through a multiplicative
 * hash, so that small seeds start apart; a zero state, which the generator would not leave, becomes 1.
 */
export function xorshift(seed: number): () => number {
  let state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) ^ (seed >>> 15);
  if (state === 0) state = 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
