import { edit, type GraphEditor, type NodeId, type VariableResource } from '@placewright/ir';
import { definePass } from '../pass.js';

const PASS = 'post-init';

/**
 * Copies tower 0's variables to the other towers once after initialisation: optimizer slots and moving statistics too.
 * What stands outside of the towers is not copied.
 */
export const postInit = definePass<{ copy: 'none' | 'tower0' | 'shadows' }>({
  name: PASS,
  summary: "copies tower 0's variables to the other towers after initialisation",
  options: { copy: { summary: 'what is copied', default: 'none', oneOf: ['none', 'tower0', 'shadows'] } },
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, { copy }, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      if (copy === 'none') return;
      const variables = [...module.resources.values()].filter(
        (r): r is VariableResource => r.kind === 'variable' && r.replica !== null,
      );
      const sources = new Map(
        variables.filter(({ replica }) => replica === 0).map((variable) => [variable.name, variable]),
      );
      const reads = new Map<string, NodeId>();
      const targets: NodeId[] = [];
      for (const target of variables) {
        const source = sources.get(target.name);
        if (target.replica === 0 || source === undefined) continue;
        const read = reads.get(target.name) ?? addRead(editor, source);
        reads.set(target.name, read);
        targets.push(addAssign(editor, target, read));
      }
      if (targets.length > 0)
        editor.setEntry(
          { name: 'postInit', feeds: [], fetches: [], rounds: [targets] },
          { reason: 'all towers start from the values of tower 0' },
        );
    }),
});

function addRead(editor: GraphEditor, source: VariableResource): NodeId {
  return editor.addNode(
    {
      op: 'ReadVariableOp',
      name: `post_init/${source.name}/read`,
      resources: [source.id],
      device: source.device,
      replica: 0,
      variable: source.name,
      phase: 'init',
    },
    { reason: 'all towers start from the values of tower 0' },
  );
}

function addAssign(editor: GraphEditor, target: VariableResource, read: NodeId): NodeId {
  return editor.addNode(
    {
      op: 'AssignVariableOp',
      name: `post_init/${target.name}/Assign`,
      inputs: [{ node: read, port: 0 }],
      resources: [target.id],
      device: target.device,
      replica: target.replica,
      variable: target.name,
      phase: 'init',
    },
    { reason: `tower ${target.replica} starts from the values of tower 0`, from: [read] },
  );
}
