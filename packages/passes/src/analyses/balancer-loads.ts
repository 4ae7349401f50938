import type { Decision, Module, ResourceId, VariableResource } from '@placewright/ir';
import { addLoad, BALANCING, variableBytes, variableElements } from '../balancers.js';

/** What each balancer has counted, by its name in the recordings; one that was not asked is left out. */
export interface BalancerLoads {
  /** Elements on each tower's device, by one tower's setter. */
  readonly [setter: `paramServerDeviceSetter[${number}].elements`]: readonly number[];
  /** Bytes on each parameter server. */
  readonly 'greedyLoadBalancing.bytes'?: readonly number[];
  /** Elements on each caching device, a list for each tower. */
  readonly 'overrideCachingDevice.elements'?: readonly (readonly number[])[];
}

/**
 * What the balancers have counted at the end, read off a module's decisions, which its text form holds too.
 *
 * How decisions say it: a balancer's decision about a variable has the devices that it looked at as candidates, each
 * with its load before. Where the rule is the balancer's own (`BALANCING`), the size of the variable was then added to
 * the candidate that was chosen; with another rule (the variable came with a device, or is too small to count) nothing
 * was. So the last decision gives the loads, also where nothing was counted at all.
 *
 * A shared variable is counted by the first tower's setter, and the later towers, which use it again, count nothing: a
 * list of zeros each. Caching devices are counted by every tower alike, as each has a getter of its own.
 */
export function balancerLoads(module: Module): BalancerLoads {
  const elements = finalLoads(module, 'home=leastElements', variableElements);
  const bytes = finalLoads(module, 'home=leastBytes', variableBytes, () => 0).get(0);
  const cached = finalLoads(module, 'caches=', variableElements);
  const [setter] = elements.values();
  const towers = Array.from({ length: Math.max(1, module.towers) }, (_, tower) => tower);
  const setters = towers.flatMap((tower) => {
    const loads = elements.get(tower) ?? setter?.map(() => 0);
    return loads === undefined ? [] : [[`paramServerDeviceSetter[${tower}].elements`, loads] as const];
  });
  const caches = towers.flatMap((tower) => [cached.get(tower) ?? cached.get(0) ?? []]);
  return {
    ...Object.fromEntries(setters),
    ...(bytes === undefined ? {} : { 'greedyLoadBalancing.bytes': bytes }),
    ...(cached.size === 0 ? {} : { 'overrideCachingDevice.elements': caches }),
  };
}

/** Loads after the last decision whose option begins so, by who counts: each tower, or all together. */
function finalLoads(
  { decisions, resources }: Module,
  option: string,
  sizeOf: (variable: VariableResource) => number,
  towerOf = ({ replica }: VariableResource): number => replica ?? 0,
): Map<number, readonly number[]> {
  const out = new Map<number, readonly number[]>();
  for (const decision of decisions) {
    const variable = resources.get(decision.subject as ResourceId);
    const asked = decision.option.startsWith(option) && decision.candidates.length > 0;
    if (asked && variable?.kind === 'variable')
      out.set(towerOf(variable), loadsAfter(decision, sizeOf(variable)));
  }
  return out;
}

const COUNTING: ReadonlySet<string> = new Set(Object.values(BALANCING));

function loadsAfter({ candidates, chosen, rule }: Decision, size: number): number[] {
  const before = candidates.map(({ load }) => load);
  const at = candidates.findIndex(({ name }) => name === chosen);
  return COUNTING.has(rule) ? addLoad(before, at, size) : before;
}
