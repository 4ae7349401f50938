import {
  clusterDevices,
  DTYPE_BYTES,
  elementCount,
  entryNodes,
  jobTasks,
  type Module,
  mergeDevices,
  type Node,
  nodeName,
  nodeOf,
  PS_JOB,
  parseDevice,
  type ResourceId,
  taskDevices,
  tensorKey,
  unreachable,
  type VariableResource,
} from '@placewright/ir';
import type { Choices } from '@placewright/passes';
import { clusterOf, taskOf } from '../arbitraries/cluster.js';
import { behindCopies, type VariablePlace, variablePlaces } from '../lowered.js';
import type { Prepared } from '../prepare.js';
import { towerVariables } from '../wishes.js';
import { broken, type Law, must } from './law.js';

/** What the rules of placement say, worked out from the source and the choices; nothing is asked of the passes. */
export const placementLaw: Law = {
  name: 'placement',
  summary: 'variables, slots, aggregation and updates are where the rules put them',
  check: (prepared) => {
    const world = worldOf(prepared);
    checkDevices(world);
    checkVariables(world);
    checkCaches(world);
    checkAggregation(world);
    checkUpdates(world);
    checkKeptDevices(world);
    checkTowers(world);
    checkInference(world);
    checkLoads(world);
  },
};

interface World {
  readonly source: Module;
  readonly module: Module;
  readonly choices: Choices;
  readonly devices: readonly string[];
  readonly host: string;
  /** Device of each tower. */
  readonly towers: readonly string[];
  /** CPU of each parameter server; none on a local cluster. */
  readonly servers: readonly string[];
  /** Nodes that run in a step. */
  readonly step: readonly Node[];
  /** Trainable variables in order of creation, which is the order of their gradients. */
  readonly trained: readonly VariableResource[];
}

function worldOf({ compilation, case: plan }: Prepared): World {
  const { source, module, choices } = compilation;
  const cluster = clusterOf(plan.cluster);
  const devices = clusterDevices(cluster);
  const own = taskDevices(cluster, taskOf(plan.cluster));
  const towers = own.filter((name) => parseDevice(name).type === plan.cluster.type);
  const host = own.find((name) => parseDevice(name).type === 'CPU') ?? '';
  const { step } = module.entries;
  const running =
    step === undefined ? [] : [...entryNodes(module, step)].map((id) => nodeOf(module.graph, id));
  const trained = towerVariables(source).filter(({ trainable }) => trainable);
  const servers = jobTasks(cluster, PS_JOB).flatMap((task) => taskDevices(cluster, task));
  return { source, module, choices, devices, host, towers, servers, step: running, trained };
}

function checkDevices({ module, devices }: World): void {
  const known = new Set(devices);
  for (const node of module.graph.nodes.values())
    must(known.has(node.device), () => `node ${nodeName(node)} is on ${node.device || 'no device'}`);
  for (const resource of module.resources.values())
    must(
      known.has(resource.device),
      () => `${resource.kind} ${resource.name} is on ${resource.device || 'no device'}`,
    );
  const groups = new Map<string, string>();
  for (const { colocation, device } of module.graph.nodes.values()) {
    if (colocation === null) continue;
    const other = groups.get(colocation) ?? device;
    must(other === device, () => `the group ${colocation} is on ${other} and on ${device}`);
    groups.set(colocation, device);
  }
}

/** Where each variable of the source lives, for each tower that has one of its own. */
function homes(world: World): Map<string, Home> {
  const { source } = world;
  const inside = new Set(towerVariables(source).map(({ id }) => id));
  const counts = freshCounts(world);
  const out = new Map<string, Home>();
  for (const variable of source.resources.values()) {
    if (variable.kind !== 'variable') continue;
    const chosen = inside.has(variable.id)
      ? homeOf(variable, world, counts)
      : counterHome(variable, world, counts);
    out.set(variable.name, (tower) => mergeDevices(variable.device, chosen(tower)));
  }
  if (world.choices.update === 'shadows') addShadowHomes(world, counts, out);
  return out;
}

/** Shadows, which no tower has, go on with the turns of the servers, whatever the devices of the towers' variables. */
function addShadowHomes({ servers, trained }: World, counts: Counts, out: Map<string, Home>): void {
  for (const { name } of trained) {
    const own = out.get(name);
    const shadow = servers[counts.turns++ % servers.length] ?? '';
    out.set(name, (tower) => (tower === null ? shadow : (own?.(tower) ?? '')));
  }
}

/** What the balancers have counted so far. */
interface Counts {
  readonly elements: number[];
  readonly bytes: number[];
  turns: number;
}

function freshCounts({ towers, servers }: World): Counts {
  return { elements: towers.map(() => 0), bytes: servers.map(() => 0), turns: 0 };
}

type Home = (tower: number | null) => string;

function homeOf(variable: VariableResource, world: World, counts: Counts): Home {
  const { choices, towers, servers, host } = world;
  switch (choices.home) {
    case 'tower':
      return (tower) => towers[tower ?? 0] ?? '';
    case 'parameterDevice':
      return () => choices.parameterDevice;
    case 'leastElements': {
      // The first of the least loaded; elements count, not bytes, and trainable or not does not matter.
      const least = firstLeast(counts.elements);
      const device = towers[least] ?? '';
      if (variable.device === '') count(counts.elements, least, elementCount(variable.shape) ?? 0);
      return () => device;
    }
    case 'leastBytes': {
      if (!asksServers(variable)) return () => host;
      const least = firstLeast(counts.bytes);
      const bytes = (elementCount(variable.shape) ?? 0) * DTYPE_BYTES[variable.dtype];
      count(counts.bytes, least, bytes);
      return () => servers[least] ?? '';
    }
    default:
      return unreachable(choices.home);
  }
}

/** Where what stands outside of the towers lives. */
function counterHome(variable: VariableResource, world: World, counts: Counts): Home {
  const { choices, servers, host } = world;
  if (choices.counters === 'host' || !asksServers(variable)) return () => host;
  const turn = counts.turns++;
  return () => servers[turn % servers.length] ?? '';
}

function firstLeast(loads: readonly number[]): number {
  return loads.indexOf(Math.min(...loads));
}

function count(loads: number[], at: number, amount: number): void {
  loads[at] = (loads[at] ?? 0) + amount;
}

/** A device that names another job is left alone; one that names theirs, or none, is filled in. */
function asksServers({ device }: VariableResource): boolean {
  return [undefined, PS_JOB].includes(parseDevice(device).job);
}

function checkVariables(world: World): void {
  const { module } = world;
  const home = homes(world);
  for (const { variable, shown, name, slot, tower } of variablePlaces(module)) {
    const want = home.get(name)?.(tower);
    must(
      variable.device === want,
      () => `${slot > 0 ? 'slot' : 'variable'} ${shown} lives on ${variable.device}, not on ${want}`,
    );
  }
  for (const node of module.graph.nodes.values()) {
    for (const id of node.resources) {
      const device = module.resources.get(id)?.device;
      must(
        device === node.device,
        () => `node ${nodeName(node)} is on ${node.device}, its resource on ${device}`,
      );
    }
  }
}

/** Each variable is read once, onto the host when small, else where the fewest elements are kept. */
function checkCaches(world: World): void {
  const { source, module, choices, towers, host, step } = world;
  if (choices.reading !== 'caching') return;
  const places = choices.caches === 'towers' ? towers : [host];
  const loads = places.map(() => 0);
  for (const { name, shape } of towerVariables(source)) {
    const elements = elementCount(shape) ?? 0;
    const least = firstLeast(loads);
    if (elements >= 65_536) count(loads, least, elements);
    const want = elements >= 65_536 ? places[least] : host;
    const reads = step.filter(({ op, variable }) => op === 'ReadVariableOp' && variable === name);
    must(reads.length <= 1, () => `${name} is read ${reads.length} times a step, not once`);
    const [read] = reads;
    const kept = step.filter(
      ({ op, inputs: [input] }) =>
        op !== 'Transfer' && input !== undefined && behindCopies(module, input.node) === read,
    );
    must(
      kept.every(({ op, device }) => op === 'Identity' && device === want),
      () => `${name} is kept on ${kept.map(({ device }) => device)}, not on ${want}`,
    );
  }
}

/** Each variable's gradients meet once, where the choice says, all towers' of them. */
function checkAggregation(world: World): void {
  const { choices, towers, trained, module } = world;
  const home = homes(world);
  if (towers.length === 1 || choices.aggregation === 'none') return;
  for (const [index, { name }] of trained.entries()) {
    const nodes = world.step.filter(({ phase, variable }) => phase === 'aggregate' && variable === name);
    const members = nodes.filter(({ op }) => op === 'NcclAllReduce');
    if (choices.aggregation === 'allReduce' && members.length > 0) {
      checkMembers(members, towers, name);
      continue;
    }
    const sums = nodes.filter(({ op }) => op === 'AddN');
    const [sum] = sums;
    if (sums.length !== 1 || sum === undefined)
      broken(`${sums.length} sums of the gradients of ${name}, not 1`);
    const want = meetingPoint(choices, index, towers, world.host, home.get(name)?.(0) ?? '');
    must(sum.device === want, () => `gradients of ${name} meet on ${sum.device}, not on ${want}`);
    const from = sum.inputs.map(({ node }) => behindCopies(module, node).replica);
    const inOrder = towers.map((_, tower) => tower).join();
    must(
      from.join() === inOrder,
      () => `the sum of ${name} takes the gradients of towers ${from}, not ${inOrder}`,
    );
  }
}

function meetingPoint(
  choices: Choices,
  index: number,
  towers: readonly string[],
  host: string,
  home: string,
): string | undefined {
  switch (choices.aggregation) {
    case 'copyInTurn':
      return towers[index % towers.length];
    case 'copyBesideVariable':
      return home;
    case 'copyOnHost':
      return host;
    // A target without collectives adds on the first tower.
    case 'allReduce':
      return towers[0];
    case 'none':
      return undefined;
    default:
      return unreachable(choices.aggregation);
  }
}

function checkMembers(members: readonly Node[], towers: readonly string[], variable: string): void {
  const where = members.map(({ device, replica }) => `${replica} ${device}`).sort();
  const want = towers.map((device, tower) => `${tower} ${device}`).sort();
  must(
    where.join() === want.join(),
    () => `the all-reduce of ${variable} has members [${where}], not [${want}]`,
  );
  const names = new Set(members.map(({ attrs }) => attrs.get('shared_name')?.value));
  const counts = new Set(members.map(({ attrs }) => attrs.get('num_devices')?.value));
  must(
    names.size === 1 && counts.size === 1 && counts.has(towers.length),
    () =>
      `members of the all-reduce of ${variable} disagree: names ${[...names]}, numbers of devices ${[...counts]}`,
  );
}

/** One update for each trained variable of each set, and the step counted once, after all of them. */
function checkUpdates(world: World): void {
  const { step, trained, choices, towers, module } = world;
  const applies = step.filter(({ op }) => op.startsWith('ResourceApply'));
  const sets = choices.variables === 'perTower' && choices.update === 'variables' ? towers.length : 1;
  must(
    applies.length === sets * trained.length,
    () => `${applies.length} updates, not ${sets * trained.length}`,
  );
  const targets = new Set<ResourceId | undefined>(applies.map(({ resources }) => resources[0]));
  must(targets.size === applies.length, () => 'a variable is updated twice in a step');
  for (const role of module.roles) {
    if (role.kind !== 'globalStep') continue;
    const before = new Set(nodeOf(module.graph, role.node).controls);
    for (const node of applies)
      must(before.has(node.id), () => `the step is counted before ${nodeName(node)} has run`);
  }
}

/** An op that came with a full device has it on every tower. */
function checkKeptDevices({ source, module }: World): void {
  for (const wished of source.graph.nodes.values()) {
    if (parseDevice(wished.device).index === undefined || wished.resources.length > 0) continue;
    for (const node of module.graph.nodes.values()) {
      const copy =
        node.id === wished.id ||
        (node.op === wished.op &&
          node.replica !== null &&
          node.origin.from[0] === wished.id &&
          node.origin.pass === 'replicate-towers');
      must(
        !copy || node.device === wished.device,
        () => `${nodeName(node)} came with ${wished.device} and is on ${node.device}`,
      );
    }
  }
}

/** Where the user has wished for nothing, each tower computes on its own device. */
function checkTowers({ source, module, towers }: World): void {
  const wished = [...source.graph.nodes.values()].some(
    ({ device, colocation }) => device !== '' || colocation !== null,
  );
  if (wished) return;
  for (const node of module.graph.nodes.values()) {
    const computes = node.phase === 'forward' || node.phase === 'backward';
    if (node.replica === null || !computes || node.resources.length > 0) continue;
    // A copy is where it is used.
    if (node.op === 'Transfer') continue;
    const want = towers[node.replica];
    must(
      node.device === want,
      () => `${nodeName(node)} of tower ${node.replica} is on ${node.device}, not ${want}`,
    );
  }
}

/** Inference runs on tower 0, save what acts on a variable that lives elsewhere. */
function checkInference({ module, towers }: World): void {
  for (const node of module.graph.nodes.values()) {
    if (node.phase !== 'eval' || node.resources.length > 0 || node.op === 'Transfer') continue;
    must(
      node.device === towers[0],
      () => `${nodeName(node)} of inference is on ${node.device}, not on ${towers[0]}`,
    );
  }
}

/** The loads that are recorded with the choices of the balancers are those of what came before. */
function checkLoads(world: World): void {
  const { source, module, choices } = world;
  if (choices.home !== 'leastElements' && choices.home !== 'leastBytes') return;
  const counts = freshCounts(world);
  for (const variable of towerVariables(source)) {
    const before = [...(choices.home === 'leastElements' ? counts.elements : counts.bytes)];
    homeOf(variable, world, counts);
    const decision = module.decisions.find(
      ({ about, subject }) => about === 'device' && subject === variable.id,
    );
    const recorded = decision?.candidates.map(({ load }) => load) ?? [];
    must(
      recorded.join() === before.join(),
      () => `${variable.name} was placed by loads of [${recorded}], not [${before}]`,
    );
  }
}

/** Post-init copies: every variable of every later tower, its slots and moving statistics too, takes tower 0's value. */
export const initialCopyLaw: Law = {
  name: 'initial-copy',
  summary:
    'after initialisation each variable of each later tower is copied from tower 0 once, or that of each tower from its shadow, and nothing else',
  check: ({ compilation }) => {
    const { module, choices } = compilation;
    const { postInit } = module.entries;
    const places = variablePlaces(module);
    const nodes =
      postInit === undefined ? [] : [...entryNodes(module, postInit)].map((id) => nodeOf(module.graph, id));
    const writes = nodes.filter(({ op }) => op === 'AssignVariableOp');
    const want = copied(places, choices);
    must(
      writes.length === want.length,
      () => `${writes.length} copies after initialisation, not ${want.length}`,
    );
    for (const { variable, name, slot, shown } of want) {
      const write = writes.find(({ resources }) => resources[0] === variable.id);
      const origin = choices.initialCopy === 'shadows' ? null : 0;
      const source = places.find(
        (place) => place.tower === origin && place.name === name && place.slot === slot,
      );
      const from = write?.inputs[0] === undefined ? undefined : behindCopies(module, write.inputs[0].node);
      must(
        from?.op === 'ReadVariableOp' && from.resources[0] === source?.variable.id,
        () => `${shown} is not copied from ${source?.shown}`,
      );
    }
  },
};

/** What takes its first value from elsewhere. */
function copied(places: readonly VariablePlace[], { initialCopy }: Choices): readonly VariablePlace[] {
  switch (initialCopy) {
    case 'none':
      return [];
    case 'tower0':
      return places.filter(({ tower }) => tower !== null && tower > 0);
    case 'shadows':
      return places.filter(({ tower, variable }) => tower !== null && variable.trainable);
    default:
      return unreachable(initialCopy);
  }
}

/** Copies between devices: all explicit, none twice. */
export const transferLaw: Law = {
  name: 'transfer',
  summary: 'tensors cross devices through one Transfer for each destination, and nothing is copied in vain',
  check: ({ compilation: { module } }) => {
    const seen = new Set<string>();
    for (const node of module.graph.nodes.values()) {
      const [input] = node.inputs;
      if (node.op === 'Transfer' && input !== undefined) {
        const from = nodeOf(module.graph, input.node);
        const key = `${tensorKey(input)} ${node.device}`;
        must(!seen.has(key), () => `${nodeName(from)}:${input.port} is copied to ${node.device} twice`);
        must(from.device !== node.device, () => `${nodeName(node)} copies within ${node.device}`);
        must(from.op !== 'Transfer', () => `${nodeName(node)} copies a copy`);
        seen.add(key);
        continue;
      }
      for (const ref of node.inputs) {
        const from = nodeOf(module.graph, ref.node);
        must(
          from.device === node.device,
          () => `${nodeName(node)} on ${node.device} takes ${nodeName(from)} from ${from.device}`,
        );
      }
    }
  },
};
