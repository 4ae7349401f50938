import {
  ancestors,
  clusterDevices,
  entryNodes,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  parseDevice,
  type ResourceId,
} from '@placewright/ir';
import { clusterOf } from '../arbitraries/cluster.js';
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
    const devices = clusterDevices(clusterOf(cluster)).filter(
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
      must(
        users.every((node) => running.has(node.id) && node.device === device),
        () => `the area ${name} is not used in the step, or not on ${device}`,
      );
    }
    const inside = towerVariables(source);
    const trained = inside.filter(({ trainable }) => trainable).length;
    const reads = choices.reading === 'staging' ? readsOf(source, module.towers) : 0;
    const updates = source.roles.filter(({ kind }) => kind === 'update').length;
    const gradients = choices.gradients === 'staging' ? module.towers * trained + updates : 0;
    must(areas.length === reads + gradients, () => `${areas.length} staging areas, not ${reads + gradients}`);
    checkWarmUp(module);
  },
};

/** Variables that the towers read: tower 0 all, the others what their fetches need, since their averages do not move. */
function readsOf(source: Module, towers: number): number {
  const { step } = source.entries;
  if (step === undefined) return 0;
  const others = new Set<ResourceId>();
  for (const id of ancestors(
    source.graph,
    step.fetches.map(({ tensor }) => tensor.node),
  ))
    for (const resource of nodeOf(source.graph, id).resources) others.add(resource);
  return towerVariables(source).length + (towers - 1) * others.size;
}

/** The warm-up changes no variable. */
function checkWarmUp(module: Module): void {
  const { warmUp } = module.entries;
  if (warmUp === undefined) return;
  const writes = ({ op }: Node): boolean => op.startsWith('Assign') || op.startsWith('ResourceApply');
  const nodes = [...entryNodes(module, warmUp)].map((id) => nodeOf(module.graph, id));
  must(!nodes.some(writes), () => 'the warm-up writes to variables');
}
