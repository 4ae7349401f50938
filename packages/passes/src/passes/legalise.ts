import {
  type DeviceName,
  edit,
  type GraphEditor,
  getAttr,
  type Node,
  type TensorRef,
  tensorKey,
} from '@placewright/ir';
import { definePass } from '../pass.js';

const PASS = 'legalise';

/** Rewrites what the target cannot run: without collectives, an all-reduce becomes an addition on its first member's device. */
export const legalise = definePass<{ collectives: 'nccl' | 'copies' }>({
  name: PASS,
  summary: 'rewrites what the target engine cannot run',
  options: {
    collectives: { summary: 'how the target adds over devices', default: 'nccl', oneOf: ['nccl', 'copies'] },
  },
  requires: ['every-node-placed'],
  establishes: [],
  preserves: 'all',
  run: (module, { collectives }, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      if (collectives === 'nccl') return;
      const groups = new Map<string, Node[]>();
      for (const node of module.graph.nodes.values()) {
        if (node.op !== 'NcclAllReduce') continue;
        const name = getAttr(node, 'shared_name', 'string');
        const members = groups.get(name);
        if (members === undefined) groups.set(name, [node]);
        else members.push(node);
      }
      const sums = new Map<string, TensorRef>();
      for (const members of groups.values()) {
        members.sort((a, b) => (a.replica ?? 0) - (b.replica ?? 0));
        const sum = addSum(editor, members);
        for (const { id } of members) sums.set(tensorKey({ node: id, port: 0 }), sum);
      }
      editor.replaceTensors(sums, { reason: 'takes the copied sum' });
      for (const { id } of [...groups.values()].flat())
        editor.removeNode(id, { reason: 'the target has no collectives' });
    }),
});

function addSum(editor: GraphEditor, members: readonly Node[]): TensorRef {
  const [first] = members;
  const device: DeviceName = first?.device ?? '';
  const inputs = members.flatMap(({ inputs: [input] }) => (input === undefined ? [] : [input]));
  const node = editor.addNode(
    {
      op: 'AddN',
      name: `aggregate/${first?.variable ?? ''}/AddN`,
      inputs,
      device,
      variable: first?.variable ?? null,
      phase: 'aggregate',
    },
    {
      reason: 'an all-reduce by copies, since the target has no collectives',
      from: members.map(({ id }) => id),
    },
  );
  return { node, port: 0 };
}
