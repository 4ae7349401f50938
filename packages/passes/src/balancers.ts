import {
  type Decision,
  DTYPE_BYTES,
  elementCount,
  formatShape,
  PlacewrightError,
  resourceName,
  type VariableResource,
} from '@placewright/ir';

/**
 * The rules by which balancers decide, as decisions name them. `balancerLoads` tells by them what was counted: a
 * decision with candidates and another rule left the counts as they were.
 */
export const BALANCING = {
  leastElements: 'fewest elements so far, lowest index on a tie',
  leastBytes: 'fewest bytes so far, lowest index on a tie',
  inTurn: 'the parameter servers in turn',
  leastCached: 'fewest elements cached so far, lowest index on a tie',
} as const;

/** Variables of fewer elements are cached on the host and do not count. */
export const SMALL_ELEMENTS = 65_536;

/** Place of the smallest load, the first of equals; -1 where there are none. */
export function leastLoaded(loads: readonly number[]): number {
  let least = loads.length === 0 ? -1 : 0;
  loads.forEach((load, i) => {
    if (load < (loads[least] ?? 0)) least = i;
  });
  return least;
}

/** The loads with `amount` more at one place. */
export function addLoad(loads: readonly number[], at: number, amount: number): number[] {
  return loads.map((load, i) => (i === at ? load + amount : load));
}

/** What a balancer chose, and its loads from there on. */
export interface Balanced {
  readonly at: number;
  readonly loads: readonly number[];
}

/** Puts `amount` where the load is smallest: `ParamServerDeviceSetter` in elements, the greedy strategy in bytes. */
export function balance(loads: readonly number[], amount: number): Balanced {
  const at = leastLoaded(loads);
  return { at, loads: addLoad(loads, at, amount) };
}

/** As `balance`, in elements, for a cached variable (`OverrideCachingDevice`); `at` is null where a small one goes to the host. */
export function balanceCache(
  loads: readonly number[],
  elements: number,
): { readonly at: number | null; readonly loads: readonly number[] } {
  return elements < SMALL_ELEMENTS ? { at: null, loads } : balance(loads, elements);
}

/** Which of `count` comes after that many turns. */
export function inTurn(turns: number, count: number): number {
  return turns % count;
}

/** How many of those turns each of them has had. */
export function turnsEach(turns: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((turns + count - 1 - i) / count));
}

/** How many turns the parameter servers have had: what is placed next in turn goes on from here. */
export function turnsTaken(decisions: readonly Decision[]): number {
  return decisions.filter(({ rule }) => rule === BALANCING.inTurn).length;
}

/** Elements of a variable. Throws PW_VARIABLE_SHAPE where its shape is not fully known. */
export function variableElements(variable: VariableResource): number {
  const elements = elementCount(variable.shape);
  if (elements !== null) return elements;
  throw new PlacewrightError(
    'PW_VARIABLE_SHAPE',
    `variable ${JSON.stringify(resourceName(variable))} has the shape ${formatShape(variable.shape)}: its size cannot be counted`,
    { hint: 'a variable needs a fully known shape' },
  );
}

/** Bytes of a variable. Throws PW_VARIABLE_SHAPE where its shape is not fully known. */
export function variableBytes(variable: VariableResource): number {
  return variableElements(variable) * DTYPE_BYTES[variable.dtype];
}
