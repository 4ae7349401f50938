import { type Node, PlacewrightError } from '@placewright/ir';

/**
 * In which order ready nodes run. `seed` picks among them at random, the same way for the same seed; `choose` is asked
 * with all that are ready, in topological order, and gives an index; where several runs are under way, those of the one
 * that began first come first. Members of a collective count as one, shown by the member of the lowest tower. Without a
 * schedule the first in this order runs.
 */
export type Schedule = { readonly seed: number } | { readonly choose: (ready: readonly Node[]) => number };

/** What may run next. */
export interface ReadySet<T> {
  add(item: T): void;
  /** Takes out one item for which `waits` is false, or undefined; hands those for which it is true to `park`. */
  take(waits: (item: T) => boolean, park: (item: T) => void): T | undefined;
  /** Takes out all that `isGone` says. */
  drop(isGone: (item: T) => boolean): void;
}

/** How a set of ready things looks at them. */
export interface ReadyView<T> {
  /** Less than 0 where `a` comes first. */
  readonly order: (a: T, b: T) => number;
  readonly node: (item: T) => Node;
}

export function readySet<T>(schedule: Schedule | undefined, view: ReadyView<T>): ReadySet<T> {
  if (schedule === undefined) return inOrder(view.order);
  return 'seed' in schedule ? atRandom(schedule.seed) : byChoice(schedule.choose, view);
}

function inOrder<T>(order: ReadyView<T>['order']): ReadySet<T> {
  let heap: T[] = [];
  return {
    add: (item) => push(heap, item, order),
    take(waits, park) {
      for (let item = pop(heap, order); item !== undefined; item = pop(heap, order)) {
        if (!waits(item)) return item;
        park(item);
      }
      return undefined;
    },
    drop(isGone) {
      // A sorted array is a heap.
      heap = heap.filter((item) => !isGone(item)).sort(order);
    },
  };
}

/** Adds to a binary heap with the least on top (Williams 1964). */
function push<T>(heap: T[], item: T, order: ReadyView<T>['order']): void {
  let at = heap.length;
  heap.push(item);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (order(heap[parent] as T, item) <= 0) break;
    heap[at] = heap[parent] as T;
    at = parent;
  }
  heap[at] = item;
}

function pop<T>(heap: T[], order: ReadyView<T>['order']): T | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && order(heap[child + 1] as T, heap[child] as T) < 0) child += 1;
    if (order(heap[child] as T, last) >= 0) break;
    heap[at] = heap[child] as T;
    at = child;
  }
  heap[at] = last;
  return top;
}

function atRandom<T>(seed: number): ReadySet<T> {
  let bag: T[] = [];
  const random = xorshift(seed);
  return {
    add: (item) => bag.push(item),
    take(waits, park) {
      while (bag.length > 0) {
        const at = Math.floor(random() * bag.length);
        const item = bag[at] as T;
        bag[at] = bag.at(-1) as T;
        bag.pop();
        if (!waits(item)) return item;
        park(item);
      }
      return undefined;
    },
    drop(isGone) {
      bag = bag.filter((item) => !isGone(item));
    },
  };
}

function byChoice<T>(choose: (ready: readonly Node[]) => number, view: ReadyView<T>): ReadySet<T> {
  const list = readyList(view.order);
  return {
    add: list.add,
    drop: list.drop,
    take(waits, park) {
      for (const item of list.items.filter(waits)) park(item);
      list.drop(waits);
      if (list.items.length === 0) return undefined;
      return list.takeAt(choose(list.items.map(view.node)));
    },
  };
}

/** What may run next as a list in order, for whoever chooses from it. */
export interface ReadyList<T> {
  readonly items: readonly T[];
  add(item: T): void;
  drop(isGone: (item: T) => boolean): void;
  /** Takes out the item at that place. Throws PW_SCHEDULE_CHOICE. */
  takeAt(index: number): T;
}

/** `first` is in order. */
export function readyList<T>(order: ReadyView<T>['order'], first: readonly T[] = []): ReadyList<T> {
  let items: T[] = [...first];
  return {
    get items() {
      return items;
    },
    add(item) {
      const after = items.findIndex((other) => order(other, item) > 0);
      items.splice(after < 0 ? items.length : after, 0, item);
    },
    drop(isGone) {
      items = items.filter((item) => !isGone(item));
    },
    takeAt(index) {
      const item = items[index];
      if (item === undefined) throw wrongChoice(index, items.length);
      items.splice(index, 1);
      return item;
    },
  };
}

export function wrongChoice(choice: number, count: number): PlacewrightError {
  return new PlacewrightError('PW_SCHEDULE_CHOICE', `the schedule chose ${choice} of ${count} ready nodes`, {
    hint: 'choose must give an index into the array that it is called with',
  });
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
