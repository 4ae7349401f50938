import {
  edit,
  type GraphEditor,
  getAttr,
  type Node,
  type NodeId,
  PlacewrightError,
  type TensorRef,
  tensorKey,
} from '@placewright/ir';
import { towerDevices } from '../devices.js';
import { definePass } from '../pass.js';
import { addScaled } from '../scale.js';

const PASS = 'rewrite-all-reduce';
export const ALL_REDUCE_ALGORITHMS = ['nccl'] as const;

/**
 * Expands each abstract all-reduce into what runs: with `nccl` one `NcclAllReduce` on each tower, all of one shared
 * name, which add in the order of the towers; a mean is their sum divided on each tower.
 */
export const rewriteAllReduce = definePass<{ algorithm: (typeof ALL_REDUCE_ALGORITHMS)[number] }>({
  name: PASS,
  summary: 'expands all-reduces into one collective member on each tower',
  options: {
    algorithm: { summary: 'what an all-reduce becomes', default: 'nccl', oneOf: ALL_REDUCE_ALGORITHMS },
  },
  requires: [],
  establishes: ['collectives-complete'],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const towers = towerDevices(site);
      const members = new Map<string, TensorRef>();
      const abstract = [...module.graph.nodes.values()].filter(({ op }) => op === 'AllReduce');
      for (const node of abstract) {
        expand(editor, node, towers).forEach((to, port) => {
          members.set(tensorKey({ node: node.id, port }), to);
        });
      }
      editor.replaceTensors(members, { reason: 'takes the member on its tower' });
      for (const { id } of abstract) editor.removeNode(id, { reason: 'expanded into its members' });
    }),
});

/** Adds the members of one all-reduce; gives the tensor that replaces each of its outputs. */
function expand(editor: GraphEditor, node: Node, towers: readonly string[]): TensorRef[] {
  const n = node.inputs.length;
  const reduction = getAttr(node, 'reduction', 'string');
  const variable = node.variable;
  return node.inputs.map((input, replica): TensorRef => {
    const device = towers[replica];
    if (device === undefined) {
      throw new PlacewrightError(
        'PW_TOWERS_UNEQUAL',
        `an all-reduce of ${n} towers has ${towers.length} devices`,
      );
    }
    const common = { device, replica, variable, phase: 'aggregate' as const };
    const why = { reason: `member ${replica} of ${n} of the all-reduce`, from: [node.id] };
    const attrs = { reduction: 'sum', num_devices: n, shared_name: `all_reduce/${variable ?? node.id}` };
    const member: NodeId = editor.addNode(
      {
        op: 'NcclAllReduce',
        name: node.name.replace(/AllReduce$/, 'NcclAllReduce'),
        inputs: [input],
        attrs,
        ...common,
      },
      why,
    );
    const sum: TensorRef = { node: member, port: 0 };
    if (reduction === 'sum' || n === 1) return sum;
    return { node: addScaled(editor, sum, 1 / n, `aggregate/${variable ?? node.id}`, common, why), port: 0 };
  });
}
