import {
  edit,
  entryNodes,
  type GraphEditor,
  type Module,
  type NodeId,
  type OpRegistry,
} from '@placewright/ir';
import { variableAccesses } from '../accesses.js';
import { addBarrier } from '../barriers.js';
import { isOfTask, needServers, type Site, workerTasks } from '../devices.js';
import { definePass } from '../pass.js';

const PASS = 'gate-updates';

/**
 * Orders between workers what the original leaves open: a worker updates shared variables only when every worker has
 * read them in this step, and no worker begins to train before all have copied what they start from. Each is a barrier
 * more, which only this pass makes.
 */
export const gateUpdates = definePass<Record<never, never>>({
  name: PASS,
  summary: "lets updates of shared variables wait for all workers' reads of the step",
  options: {},
  requires: ['resource-colocated', 'no-race'],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      if (workerTasks(site).length < 2) return;
      gateStep(editor, module, registry, site);
      gateStart(editor, module, site);
    }),
});

function gateStep(editor: GraphEditor, module: Module, registry: OpRegistry, site: Site): void {
  const { step } = module.entries;
  if (step === undefined) return;
  const { reads, writes } = gated(module, registry, entryNodes(module, step), site);
  if (reads.length === 0 || writes.length === 0) return;
  const why = { reason: 'all workers have read the shared variables of this step', from: reads };
  const gate = addBarrier(
    editor,
    site,
    gateDevice(site),
    { name: 'gate_updates_', after: reads, phase: 'update' },
    why,
  );
  for (const write of writes)
    editor.addControl(write, gate, { reason: 'updates after all workers have read', from: [gate] });
}

/** Writes of variables that live on other tasks and are read before, and those reads. */
function gated(
  module: Module,
  registry: OpRegistry,
  running: ReadonlySet<NodeId>,
  site: Site,
): { reads: NodeId[]; writes: NodeId[] } {
  const shared = [...variableAccesses(module, registry, running).byVariable].flatMap(([id, list]) => {
    const device = module.resources.get(id)?.device ?? '';
    return isOfTask(device, site) ? [] : [list];
  });
  const touched = shared.filter((list) => list[0]?.effect === 'read' && list.at(-1)?.effect === 'write');
  const writes = touched.flatMap((list) => list.filter(({ effect }) => effect === 'write'));
  const first = writes.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
  // Reads that wait for an update themselves cannot be waited for.
  const reads = touched.flatMap((list) => list.filter(({ effect, at }) => effect === 'read' && at < first));
  return { reads: reads.map(({ node }) => node), writes: writes.map(({ node }) => node) };
}

function gateStart(editor: GraphEditor, module: Module, site: Site): void {
  const { postInit } = module.entries;
  if (postInit === undefined) return;
  const remote = [...entryNodes(module, postInit)].some((id) => {
    const { resources } = editor.node(id);
    return resources.some((resource) => !isOfTask(editor.resource(resource).device, site));
  });
  if (!remote) return;
  const why = { reason: 'all workers have copied what they start from' };
  const after = postInit.rounds.flat();
  const name = 'gate_updates_start_';
  const gate = addBarrier(editor, site, gateDevice(site), { name, after, phase: 'init' }, why);
  const rounds = [...postInit.rounds.slice(0, -1), [...(postInit.rounds.at(-1) ?? []), gate]];
  editor.setEntry({ ...postInit, rounds }, why);
}

/** Any one will do, as long as all workers take the same. */
function gateDevice(site: Site): string {
  return needServers(site)[0] ?? '';
}
