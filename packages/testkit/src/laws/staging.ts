import {
  entryNodes,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  nodeOf,
  parseDevice,
  type ResourceId,
  taskDevices,
} from '@placewright/ir';
import type { Choices } from '@placewright/passes';
import { clusterOf, taskOf } from '../arbitraries/cluster.js';
import { behindCopies } from '../lowered.js';
import { towerVariables } from '../wishes.js';
import { type Law, must } from './law.js';

/** Staging areas: one put and one get a step, on the tower's device, for every variable, gradient and moving average. */
export const stagingLaw: Law = {
  name: 'staging',
  summary: 'staging areas are filled and emptied once a step, for all that the choices say is staged',
  check: ({ compilation, case: { cluster } }) => {
    const { module, source, choices } = compilation;
    const { step } = module.entries;
    const running = new Set<NodeId>(step === undefined ? [] : entryNodes(module, step));
    const devices = taskDevices(clusterOf(cluster), taskOf(cluster)).filter(
      (name) => parseDevice(name).type === cluster.type,
    );
    const areas = [...module.resources.values()].filter(({ kind }) => kind === 'stagingArea');
    for (const { id, name, device, replica } of areas) {
      const home = devices[replica ?? 0];
      must(device === home, () => `the area ${name} is on ${device}, not on ${home}`);
      const users = [...module.graph.nodes.values()].filter(({ resources }) => resources.includes(id));
      const puts = users.filter(({ op }) => op === 'Stage');
      const gets = users.filter(({ op }) => op === 'Unstage');
      const once = puts.length === 1 && gets.length === 1;
      must(once, () => `the area ${name} has ${puts.length} puts and ${gets.length} gets, not one of each`);
      // Of moving averages, tower 0's alone are updated: the others' areas for what they change by stand idle.
      const idle = replica !== 0 && puts.every(({ phase }) => phase === 'update');
      must(
        users.every((node) => running.has(node.id) !== idle && node.device === device),
        () => `the area ${name} is ${idle ? '' : 'not '}used in the step, or not on ${device}`,
      );
    }
    const inside = towerVariables(source);
    const trained = inside.filter(({ trainable }) => trainable).length;
    const updates = source.roles.filter(({ kind }) => kind === 'update').length;
    const read = choices.reading === 'staging' ? inside.length + updates : 0;
    const gradients = choices.gradients === 'staging' ? trained : 0;
    const want = module.towers * (read + gradients);
    must(areas.length === want, () => `${areas.length} staging areas, not ${want}`);
    checkSources(module, choices);
    checkWarmUp(module);
  },
};

/** What is staged of a variable is a copy of one reading: the tower's own, or one on the host for all. */
function checkSources(module: Module, { stagedCopy }: Choices): void {
  const sources = new Map<ResourceId, Set<NodeId>>();
  for (const put of module.graph.nodes.values()) {
    const [input] = put.inputs;
    if (put.op !== 'Stage' || put.phase !== 'staging' || input === undefined) continue;
    const copy = behindCopies(module, input.node);
    const read = copy.inputs[0] === undefined ? undefined : behindCopies(module, copy.inputs[0].node);
    const variable = read?.resources[0];
    must(
      copy.op === 'Identity' && read?.op === 'ReadVariableOp' && variable !== undefined,
      () => `${nodeName(put)} stages a ${copy.op} of a ${read?.op}`,
    );
    must(
      stagedCopy === 'host' ? parseDevice(copy.device).type === 'CPU' : copy.device === put.device,
      () => `what ${nodeName(put)} stages is on ${copy.device}`,
    );
    if (variable !== undefined) sources.set(variable, (sources.get(variable) ?? new Set()).add(copy.id));
  }
  if (stagedCopy === 'none') return;
  for (const [variable, copies] of sources)
    must(copies.size === 1, () => `${copies.size} copies of ${variable} are staged, not one`);
}

/** The warm-up changes no variable. */
function checkWarmUp(module: Module): void {
  const { warmUp } = module.entries;
  if (warmUp === undefined) return;
  const writes = ({ op }: Node): boolean => op.startsWith('Assign') || op.startsWith('ResourceApply');
  const nodes = [...entryNodes(module, warmUp)].map((id) => nodeOf(module.graph, id));
  must(!nodes.some(writes), () => 'the warm-up writes to variables');
}
