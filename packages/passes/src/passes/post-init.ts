import {
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  type ResourceId,
  type VariableResource,
} from '@placewright/ir';
import { definePass } from '../pass.js';
import { sharedVariables, towerVariables } from '../roles.js';

const PASS = 'post-init';

/**
 * Copies variables once after initialisation. `tower0`: tower 0's to the other towers, optimizer slots and moving
 * statistics too. `shadows`: each shadow to the variable of every tower; what has no shadow (moving statistics) is not
 * copied. Nor is what stands outside of the towers.
 */
export const postInit = definePass<{ copy: 'none' | 'tower0' | 'shadows' }>({
  name: PASS,
  summary: 'gives the towers equal variables after initialisation',
  options: { copy: { summary: 'what is copied', default: 'none', oneOf: ['none', 'tower0', 'shadows'] } },
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, { copy }, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const pairs = pairsOf(module, copy);
      const from = copy === 'shadows' ? 'the shadows' : 'tower 0';
      const reads = new Map<ResourceId, NodeId>();
      const targets = pairs.map(({ source, target }) => {
        const read = reads.get(source.id) ?? addRead(editor, source, from);
        reads.set(source.id, read);
        return addAssign(editor, target, read, from);
      });
      if (targets.length > 0)
        editor.setEntry(
          { name: 'postInit', feeds: [], fetches: [], rounds: [targets] },
          { reason: `all towers start from the values of ${from}` },
        );
    }),
});

/** A variable that is to take another one's value. */
interface Pair {
  readonly source: VariableResource;
  readonly target: VariableResource;
}

function pairsOf(module: Module, copy: 'none' | 'tower0' | 'shadows'): Pair[] {
  switch (copy) {
    case 'none':
      return [];
    case 'shadows': {
      const shadows = sharedVariables(module);
      return [...towerVariables(module)].flatMap(([name, targets]) => {
        const source = shadows.get(name);
        return source === undefined ? [] : targets.map((target) => ({ source, target }));
      });
    }
    case 'tower0': {
      const owned = [...module.resources.values()].filter(
        (r): r is VariableResource => r.kind === 'variable' && r.replica !== null,
      );
      const sources = new Map(owned.filter(({ replica }) => replica === 0).map((v) => [v.name, v]));
      return owned.flatMap((target) => {
        const source = sources.get(target.name);
        return source === undefined || target.replica === 0 ? [] : [{ source, target }];
      });
    }
  }
}

function addRead(editor: GraphEditor, source: VariableResource, from: string): NodeId {
  return editor.addNode(
    {
      op: 'ReadVariableOp',
      name: `post_init/${source.name}/read`,
      resources: [source.id],
      device: source.device,
      replica: source.replica,
      variable: source.name,
      phase: 'init',
    },
    { reason: `all towers start from the values of ${from}` },
  );
}

function addAssign(editor: GraphEditor, target: VariableResource, read: NodeId, from: string): NodeId {
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
    { reason: `tower ${target.replica} starts from the values of ${from}`, from: [read] },
  );
}
