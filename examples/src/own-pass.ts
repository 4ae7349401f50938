/**
 * A pass of one's own: it merges equal constants on one device, is put into a strategy's pipeline, and is property-tested
 * on random models, strategies and clusters.
 *
 *     node examples/dist/own-pass.js
 */
import { checkPass } from '@placewright/testkit';
import {
  callPass,
  compile,
  constantHash,
  definePass,
  edit,
  getAttr,
  lenet,
  type Module,
  type NodeId,
  type TensorRef,
  tensorKey,
} from 'placewright';

/** Uses one constant for all that are equal, lie on one device, and belong to one phase and tower. */
export const mergeConstants = definePass<Record<never, never>>({
  name: 'merge-constants',
  summary: 'uses one constant in the place of equal ones on the same device',
  options: {},
  requires: ['every-node-placed'],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry }) =>
    edit(module, registry, 'merge-constants', (editor) => {
      const first = new Map<string, NodeId>();
      const same = new Map<string, TensorRef>();
      const merged: NodeId[] = [];
      for (const node of module.graph.nodes.values()) {
        if (node.op !== 'Const' || node.controls.length > 0) continue;
        const key = [
          node.device,
          node.replica,
          node.phase,
          constantHash(getAttr(node, 'value', 'tensor')),
        ].join(' ');
        const kept = first.get(key);
        if (kept === undefined) first.set(key, node.id);
        else {
          same.set(tensorKey({ node: node.id, port: 0 }), { node: kept, port: 0 });
          merged.push(node.id);
        }
      }
      editor.replaceTensors(same, { reason: 'an equal constant is on the device already' });
      for (const id of merged) editor.removeNode(id, { reason: 'an equal constant took its place' });
    }),
});

/** LeNet on two towers, with the pass right after everything has a device. */
export function compileWithPass(): { module: Module; merged: number } {
  const { module, records } = compile(lenet(), {
    reduction: 'mean',
    strategy: 'replicated',
    numGpus: 2,
    pipeline: (calls) => {
      const at = calls.findIndex(({ pass }) => pass.name === 'place-rest') + 1;
      return calls.toSpliced(at, 0, callPass(mergeConstants));
    },
  });
  const record = records.find(({ pass }) => pass === mergeConstants.name);
  const merged = record?.changes.filter(({ kind }) => kind === 'remove').length ?? 0;
  return { module, merged };
}

/** Tries the pass on random models; throws with the smallest model that shows a fault. */
export function checkOwnPass(numRuns: number): void {
  checkPass(mergeConstants, { at: { after: 'place-rest' }, numRuns, seed: 1 });
}

if (process.argv[1] === import.meta.filename) {
  const { module, merged } = compileWithPass();
  console.log(`${merged} constants merged; ${module.graph.nodes.size} nodes are left`);
  checkOwnPass(25);
  console.log('25 random models mean the same with the pass and without it');
}
