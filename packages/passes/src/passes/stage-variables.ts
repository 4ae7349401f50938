import {
  ancestors,
  edit,
  entryNodes,
  type GraphEditor,
  type Module,
  type Node,
  type NodeId,
  type TensorRef,
  tensorKey,
  type VariableResource,
} from '@placewright/ir';
import { towerDevices } from '../devices.js';
import { addToStep, addWarmUp } from '../entries.js';
import { definePass } from '../pass.js';
import { rolesOf } from '../roles.js';
import { type Staged, stageTensor } from '../staging.js';

const PASS = 'stage-variables';

/**
 * Each tower reads variables through staging areas on its own device: it computes with what was read a step before,
 * while the next values are on their way (`StagedVariableGetter`). The areas are filled by the entry `warmUp`.
 */
export const stageVariables = definePass<Record<never, never>>({
  name: PASS,
  summary: 'lets each tower read variables through a staging area, one step old',
  options: {},
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const towers = towerDevices(site);
      const staged = new Map<string, TensorRef>();
      const areas = new Map<string, Staged>();
      for (const { node, variable } of towerReads(module)) {
        // A second reading on the same tower takes what the first one staged.
        const key = `${node.replica} ${variable.id}`;
        const area = areas.get(key) ?? stageOn(editor, node, variable, towers[node.replica ?? 0] ?? '');
        areas.set(key, area);
        staged.set(tensorKey({ node: node.id, port: 0 }), area.tensor);
      }
      const stages = [...areas.values()].map(({ stage }) => stage);
      editor.replaceTensors(staged, { reason: 'computes with the staged value' }, module.graph.nodes.keys());
      addToStep(editor, stages, { reason: 'stages the values for the next step' });
      addWarmUp(editor, stages, { reason: 'stages the values for the first step' });
    }),
});

/** Reads by the towers that the step runs: what only other towers' moving averages need is not staged. */
function towerReads(module: Module): { node: Node; variable: VariableResource }[] {
  const running =
    module.entries.step === undefined ? new Set<NodeId>() : entryNodes(module, module.entries.step);
  const gradients = rolesOf(module, 'gradient').map(({ tensor }) => tensor.node);
  for (const id of ancestors(module.graph, gradients)) running.add(id);
  return [...module.graph.nodes.values()].flatMap((node) => {
    const [id] = node.resources;
    const variable = id === undefined ? undefined : module.resources.get(id);
    const reads = node.op === 'ReadVariableOp' && node.replica !== null && running.has(node.id);
    return reads && variable?.kind === 'variable' ? [{ node, variable }] : [];
  });
}

function stageOn(editor: GraphEditor, node: Node, variable: VariableResource, device: string): Staged {
  editor.decide({
    about: 'staging',
    subject: node.id,
    chosen: device,
    candidates: [],
    rule: "a staging area on the tower's device",
    option: 'reading=staging',
  });
  return stageRead(editor, node, variable, device);
}

function stageRead(editor: GraphEditor, read: Node, variable: VariableResource, device: string): Staged {
  const { replica } = read;
  const why = {
    reason: `tower ${replica} computes with the value of ${variable.name} of the step before`,
    from: [read.id],
  };
  const copy = editor.addNode(
    {
      op: 'Identity',
      name: `${variable.name}/staged/Identity`,
      inputs: [{ node: read.id, port: 0 }],
      device,
      replica,
      variable: variable.name,
      phase: 'staging',
    },
    why,
  );
  const spec = {
    name: `${variable.name}/staged`,
    device,
    replica: replica ?? 0,
    variable: variable.name,
    phase: 'staging' as const,
  };
  return stageTensor(editor, { node: copy, port: 0 }, spec, why);
}
