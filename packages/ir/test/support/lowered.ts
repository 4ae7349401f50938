import { edit, type GraphEditor, type NewNode } from '../../src/editor.js';
import { emptyModule, type Module, type NodeId, type ResourceId } from '../../src/graph.js';
import { addArea, addConst, addVariable, oneHost, out, why } from './modules.js';
import { ops } from './ops.js';

const CPU = '/device:CPU:0';
const GPUS = ['/device:GPU:0', '/device:GPU:1'] as const;

/** Every invariant that a fully lowered module has established. */
export const ESTABLISHED = [
  'every-node-placed',
  'resource-colocated',
  'colocation',
  'transfers-explicit',
  'collectives-complete',
  'staging-balanced',
  'staging-filled',
  'no-choice',
  'no-hang',
  'no-race',
  'no-race-across-tasks',
];

interface Tower {
  readonly variable: ResourceId;
  readonly init: NodeId;
  readonly stage: NodeId;
  readonly update: NodeId;
}

/**
 * A small lowered module on two GPUs that breaks no invariant: a variable and a staging area on each tower, inputs that
 * are copied from the host, two collectives in one order, and an update after all reads.
 */
export function lowered(): Module {
  return edit(emptyModule('lowered'), ops, 'build', (editor) => {
    const x = editor.addNode(
      { op: 'Placeholder', name: 'x', device: CPU, phase: 'input', attrs: { dtype: 'float32', shape: [2] } },
      why,
    );
    const towers = GPUS.map((device, replica) => addTower(editor, x, device, replica));
    const all = (pick: (tower: Tower) => NodeId): NodeId[] => towers.map(pick);
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [all(({ init }) => init)] });
    editor.setEntry({ name: 'warmUp', feeds: [], fetches: [], rounds: [all(({ stage }) => stage)] });
    editor.setEntry({
      name: 'step',
      feeds: [{ name: 'x', node: x }],
      fetches: [],
      rounds: [[...all(({ update }) => update), ...all(({ stage }) => stage)]],
    });
    editor.setFrame({ cluster: oneHost, towers: 2, established: ESTABLISHED });
  }).module;
}

function addTower(editor: GraphEditor, x: NodeId, device: string, replica: number): Tower {
  const place = { device, replica };
  const variable = addVariable(editor, 'w', { ...place, scope: `v${replica}` });
  const area = addArea(editor, `area${replica}`, device);
  const add = (node: NewNode): NodeId => editor.addNode({ ...place, ...node }, why);
  const start = addConst(editor, 'start', place);
  const init = add({ op: 'AssignVariableOp', name: 'init', inputs: [out(start)], resources: [variable] });
  const copy = add({ op: 'Transfer', name: 'copy', inputs: [out(x)] });
  const get = add({ op: 'Unstage', name: 'get', resources: [area] });
  const read = add({
    op: 'ReadVariableOp',
    name: 'read',
    resources: [variable],
    colocation: `group${replica}`,
  });
  const stage = add({ op: 'Stage', name: 'stage', inputs: [out(read)], resources: [area] });
  const gradient = add({ op: 'AddV2', name: 'gradient', inputs: [out(copy), out(get)] });
  const reduce = (name: string, input: NodeId): NodeId =>
    add({
      op: 'NcclAllReduce',
      name,
      inputs: [out(input)],
      attrs: { num_devices: 2, shared_name: name },
      colocation: `group${replica}`,
    });
  const second = reduce('c1', reduce('c0', gradient));
  const rate = addConst(editor, 'rate', place);
  const update = add({
    op: 'ResourceApplyGradientDescent',
    name: 'update',
    inputs: [out(rate), out(second)],
    controls: [read],
    resources: [variable],
  });
  return { variable, init, stage, update };
}
