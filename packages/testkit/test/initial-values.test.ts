import { createInterpreter } from '@placewright/interp';
import {
  buildModel,
  builtinRegistry,
  defineModel,
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  scalar,
} from '@placewright/ir';
import { compile } from '@placewright/passes';
import { describe, expect, it } from 'vitest';

const WHY = { reason: 'of the test' };

const model = defineModel({
  name: 'chained',
  inputs: { x: { dtype: 'float32', shape: [2] } },
  build(b, { x }) {
    const first = b.variable('first', {
      shape: [2],
      initializer: { kind: 'truncatedNormal', stddev: 1 },
    });
    const second = b.variable('second', { shape: [2] });
    const third = b.variable('third', { shape: [2] });
    return { loss: b.mean(b.add(b.add(b.mul(x, first.value), second.value), third.value)) };
  },
});

/** Each variable but the first starts from what twice the one before it started from: read once that is assigned. */
function chained(): Module {
  const module = buildModel(model);
  return edit(module, builtinRegistry, 'test', (editor) => {
    const two = add(editor, 'Const', { attrs: { value: scalar('float32', 2) } });
    startFrom(editor, 'second', 'first', two);
    startFrom(editor, 'third', 'second', two);
  }).module;
}

function add(editor: GraphEditor, op: string, rest: Partial<Parameters<GraphEditor['addNode']>[0]>): NodeId {
  return editor.addNode({ op, name: `chain/${op}`, phase: 'init', ...rest }, WHY);
}

function startFrom(editor: GraphEditor, variable: string, other: string, factor: NodeId): void {
  const assignOf = (name: string): NodeId => {
    const role = editor.roles.find((each) => each.kind === 'initializer' && each.variable === name);
    return role?.kind === 'initializer' ? role.node : 'n0';
  };
  const source = assignOf(other);
  const { resources } = editor.node(source);
  const read = add(editor, 'ReadVariableOp', { resources, controls: [source], variable: other });
  const inputs = [read, factor].map((node) => ({ node, port: 0 }));
  const product = add(editor, 'Mul', { inputs, variable });
  editor.updateNode(assignOf(variable), { inputs: [{ node: product, port: 0 }] }, WHY);
}

describe("an initial value made of another variable's", () => {
  it.each(['replicated', 'independent'] as const)("is made of the same tower's, with %s", (strategy) => {
    const { module } = compile(chained(), { strategy, numGpus: 2 });
    const interpreter = createInterpreter(module);
    interpreter.run('init');
    const values = interpreter.readVariables();
    const of = (name: string): number[] => [...((values.get(name)?.data as Float32Array) ?? [])];
    for (const tower of ['v0', 'v1']) {
      const first = of(`${tower}/first`);
      expect(of(`${tower}/second`)).toEqual(first.map((x) => Math.fround(2 * x)));
      expect(of(`${tower}/third`)).toEqual(first.map((x) => Math.fround(4 * x)));
    }
    expect(of('v1/first')).not.toEqual(of('v0/first'));
    expect(of('v1/first')).toHaveLength(2);
  });

  it('is copied once for each tower, however many variables need it', () => {
    const { module } = compile(chained(), { strategy: 'independent', numGpus: 3 });
    const nodes = [...module.graph.nodes.values()].filter(({ phase }) => phase === 'init');
    const assigned = nodes.filter(({ op }) => op === 'AssignVariableOp').map(({ resources: [id] }) => id);
    // Three variables on three towers, and the count of steps.
    expect(assigned).toHaveLength(10);
    expect(new Set(assigned).size).toBe(10);
    expect(nodes.filter(({ op, variable }) => op === 'Const' && variable === null)).toHaveLength(3);
  });

  it('is made of a variable outside of the towers, which is initialised once', () => {
    const outside = edit(buildModel(model), builtinRegistry, 'test', (editor) => {
      const factor = add(editor, 'Const', { attrs: { value: scalar('float32', 2) } });
      const spec = { container: '', device: '', replica: null, scope: '', slotOf: null, trainable: false };
      const base = editor.addResource(
        {
          kind: 'variable',
          name: 'base',
          dtype: 'float32',
          shape: [2],
          collection: 'global',
          savedAs: 'base',
          ...spec,
        },
        WHY,
      );
      const value = add(editor, 'Fill', { attrs: { shape: [2], value: 3, dtype: 'float32' } });
      const assign = add(editor, 'AssignVariableOp', {
        inputs: [{ node: value, port: 0 }],
        resources: [base],
        variable: 'base',
      });
      editor.addRole({ kind: 'initializer', replica: null, variable: 'base', node: assign });
      const { init } = editor.entries;
      if (init !== undefined) editor.setEntry({ ...init, rounds: [[...(init.rounds[0] ?? []), assign]] });
      startFrom(editor, 'second', 'base', factor);
    }).module;
    const { module } = compile(outside, { strategy: 'independent', numGpus: 2 });
    const interpreter = createInterpreter(module);
    interpreter.run('init');
    const values = interpreter.readVariables();
    for (const name of ['v0/second', 'v1/second']) {
      expect([...((values.get(name)?.data as Float32Array) ?? [])]).toEqual([6, 6]);
    }
    const assigns = [...module.graph.nodes.values()].filter(
      ({ op, variable }) => op === 'AssignVariableOp' && variable === 'base',
    );
    expect(assigns).toHaveLength(1);
  });
});
