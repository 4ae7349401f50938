import { type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { createInterpreter } from '../src/index.js';
import { build, errorOf, f32, f64, type GraphBuilder, i64 } from './support.js';

const fround = Math.fround;

/** A module with variables of the given values, all initialised through `writeVariables`, and one step. */
function withVariables(
  values: Readonly<Record<string, TensorValue>>,
  body: (graph: GraphBuilder, resources: readonly `r${number}`[]) => void,
) {
  const module = build((graph) => {
    const resources = Object.entries(values).map(([name, { dtype, shape }]) =>
      graph.variable(name, dtype, shape),
    );
    body(graph, resources);
  });
  const interpreter = createInterpreter(module);
  interpreter.writeVariables(values);
  return interpreter;
}

const after = (interpreter: ReturnType<typeof createInterpreter>, name: string): number[] =>
  toNumbers(interpreter.readVariables().get(name) as TensorValue);

describe('optimizer updates, rounded to float32 at every step', () => {
  const w = [0.1, -0.7];
  const g = [0.3, 1.1];
  const [rate, mu] = [fround(0.05), fround(0.9)];
  const at = (values: readonly number[], i: number): number => fround(values[i] ?? 0);

  test('gradient descent', () => {
    const interpreter = withVariables({ w: f32([2], w) }, (graph, resources) => {
      const inputs = [graph.constant(f32([], [rate])), graph.constant(f32([2], g))];
      graph.step([graph.node('ResourceApplyGradientDescent', inputs, { resources })]);
    });
    interpreter.run('step');
    expect(after(interpreter, 'w')).toEqual([0, 1].map((i) => fround(at(w, i) - fround(rate * at(g, i)))));
  });

  test.each([false, true])('momentum, nesterov %s', (nesterov) => {
    const a = [0.2, -0.4];
    const interpreter = withVariables({ w: f32([2], w), a: f32([2], a) }, (graph, resources) => {
      const inputs = [f32([], [rate]), f32([2], g), f32([], [mu])].map((value) => graph.constant(value));
      graph.step([
        graph.node('ResourceApplyMomentum', inputs, { resources, attrs: { use_nesterov: nesterov } }),
      ]);
    });
    interpreter.run('step');
    const sums = [0, 1].map((i) => fround(fround(at(a, i) * mu) + at(g, i)));
    const steps = sums.map((s, i) =>
      nesterov ? fround(fround(at(g, i) * rate) + fround(fround(s * mu) * rate)) : fround(s * rate),
    );
    expect(after(interpreter, 'a')).toEqual(sums);
    expect(after(interpreter, 'w')).toEqual(steps.map((step, i) => fround(at(w, i) - step)));
  });

  test('RMSProp, in float64 against its formula', () => {
    const [s, m] = [
      [1, 0.5],
      [0, 0.3],
    ];
    const values = { w: f64([2], w), s: f64([2], s ?? []), m: f64([2], m ?? []) };
    const [lr, decay, momentum, epsilon] = [0.05, 0.9, 0.8, 1e-3];
    const interpreter = withVariables(values, (graph, resources) => {
      const scalars = [lr, decay, momentum, epsilon].map((value) => f64([], [value]));
      const inputs = [...scalars, f64([2], g)].map((value) => graph.constant(value));
      graph.step([graph.node('ResourceApplyRMSProp', inputs, { resources })]);
    });
    interpreter.run('step');
    [0, 1].forEach((i) => {
      const grad = g[i] ?? 0;
      const ms = (s?.[i] ?? 0) + (grad ** 2 - (s?.[i] ?? 0)) * (1 - decay);
      const mom = (m?.[i] ?? 0) * momentum + (lr * grad) / Math.sqrt(ms + epsilon);
      expect(after(interpreter, 's')[i]).toBeCloseTo(ms, 14);
      expect(after(interpreter, 'm')[i]).toBeCloseTo(mom, 14);
      expect(after(interpreter, 'w')[i]).toBeCloseTo((w[i] ?? 0) - mom, 14);
    });
  });

  test('a gradient of another shape is an error at the node', () => {
    const error = errorOf(() =>
      withVariables({ w: f32([2], w), a: f32([3], [0, 0, 0]) }, (graph, resources) => {
        const inputs = [f32([], [rate]), f32([2], g), f32([], [mu])].map((value) => graph.constant(value));
        graph.step([graph.node('ResourceApplyMomentum', inputs, { resources, name: 'update' })]);
      }).run('step'),
    );
    expect(error.code).toMatch(/^PW_(KERNEL_INPUT|OP_INPUT|SHAPE_MISMATCH)$/);
    expect(error.where.node).toBe('update');
  });
});

describe('variables', () => {
  const counter = () =>
    withVariables({ n: i64([], [2 ** 53]) }, (graph, resources) => {
      const one = graph.constant(i64([], [1]));
      const before = graph.op('ReadVariableOp', [], { resources });
      const add = graph.node('AssignAddVariableOp', [one], { resources, controls: [before.node] });
      const between = graph.op('ReadVariableOp', [], { resources, controls: [add] });
      const sub = graph.node('AssignSubVariableOp', [graph.constant(i64([], [3]))], {
        resources,
        controls: [between.node],
      });
      graph.step([sub], { before, between });
    });

  test('int64 counts exactly, and a read is the value at its time', () => {
    const interpreter = counter();
    const out = interpreter.run('step');
    expect(out.get('before')?.data[0]).toBe(2n ** 53n);
    expect(out.get('between')?.data[0]).toBe(2n ** 53n + 1n);
    expect(interpreter.readVariables().get('n')?.data[0]).toBe(2n ** 53n - 2n);
  });

  test('nothing given or taken shares memory with the state', () => {
    const interpreter = withVariables({ w: f32([1], [1]) }, (graph, resources) => {
      const x = graph.op('Placeholder', [], { attrs: { dtype: 'float32', shape: [1] } });
      const read = graph.op('ReadVariableOp', [], { resources });
      const alias = graph.op('Identity', [read]);
      const assign = graph.node('AssignVariableOp', [x], { resources, controls: [alias.node] });
      graph.step([assign], { alias }, { x });
    });
    const given = f32([1], [5]);
    const fetched = interpreter.run('step', { x: given }).get('alias') as TensorValue;
    expect(toNumbers(fetched)).toEqual([1]);
    given.data[0] = 99;
    fetched.data[0] = 99;
    expect(after(interpreter, 'w')).toEqual([5]);
    const read = interpreter.readVariables().get('w') as TensorValue;
    read.data[0] = 99;
    const written = f32([1], [7]);
    interpreter.writeVariables({ w: written });
    written.data[0] = 99;
    expect(after(interpreter, 'w')).toEqual([7]);
  });

  test('an update after a read leaves the value that was read', () => {
    const interpreter = withVariables({ w: f32([2], [1, 2]) }, (graph, resources) => {
      const read = graph.op('ReadVariableOp', [], { resources });
      const inputs = [graph.constant(f32([], [1])), graph.constant(f32([2], [1, 1]))];
      const update = graph.node('ResourceApplyGradientDescent', inputs, { resources, controls: [read.node] });
      const sum = graph.op('Sum', [read], { attrs: { axis: [0] }, controls: [update] });
      graph.step([update], { sum, read });
    });
    const out = interpreter.run('step');
    expect(toNumbers(out.get('sum') as TensorValue)).toEqual([3]);
    expect(toNumbers(out.get('read') as TensorValue)).toEqual([1, 2]);
    expect(after(interpreter, 'w')).toEqual([0, 1]);
  });

  test('a read before initialisation names variable and node, and says what to do', () => {
    const module = build((graph) => {
      const w = graph.variable('w', 'float32', [1], 'v0');
      graph.step([graph.node('ReadVariableOp', [], { resources: [w], replica: 0, name: 'read' })]);
    });
    const error = errorOf(() => createInterpreter(module).run('step'));
    expect([error.code, error.where.node]).toEqual(['PW_VARIABLE_UNINITIALIZED', 'tower_0/read']);
    expect(error.message).toContain('"v0/w"');
    expect(error.hint).toContain('init');
  });

  test('names are the shown ones, and reset forgets', () => {
    const module = build((graph) => {
      graph.variable('w', 'float32', [1], 'v0');
      graph.variable('__proto__', 'float32', [1], '');
    });
    const interpreter = createInterpreter(module);
    expect(interpreter.readVariables().size).toBe(0);
    interpreter.writeVariables(
      new Map([
        ['v0/w', f32([1], [1])],
        ['__proto__', f32([1], [2])],
      ]),
    );
    expect([...interpreter.readVariables().keys()]).toEqual(['v0/w', '__proto__']);
    interpreter.reset();
    expect(interpreter.readVariables().size).toBe(0);
  });

  test.each<[string, string, TensorValue]>([
    ['PW_VARIABLE_UNKNOWN', 'v0/x', f32([1], [1])],
    ['PW_VARIABLE_DTYPE', 'v0/w', f64([1], [1])],
    ['PW_VARIABLE_SHAPE', 'v0/w', f32([2], [1, 2])],
    ['PW_VARIABLE_DATA', 'v0/w', { dtype: 'float32', shape: [1], data: new Float32Array(2) }],
    ['PW_VARIABLE_DATA', 'v0/w', { dtype: 'float32', shape: [1], data: new Float64Array(1) }],
  ])('writing: %s, and nothing is written', (code, name, value) => {
    const module = build((graph) => {
      graph.variable('ok', 'float32', [1], '');
      graph.variable('w', 'float32', [1], 'v0');
    });
    const interpreter = createInterpreter(module);
    const values = new Map([
      ['ok', f32([1], [1])],
      [name, value],
    ]);
    expect(errorOf(() => interpreter.writeVariables(values)).code).toBe(code);
    expect(interpreter.readVariables().size).toBe(0);
  });

  test('an unknown name gets the nearest one', () => {
    const interpreter = createInterpreter(build((graph) => graph.variable('weights', 'float32', [1], 'v0')));
    const error = errorOf(() => interpreter.writeVariables({ 'v0/weihgts': f32([1], [1]) }));
    expect(error.hint).toContain('"v0/weights"');
  });

  test('a value of a shape that shows at run time only is refused', () => {
    const module = build((graph) => {
      const resources = [graph.variable('w', 'float32', [2])];
      const x = graph.op('Placeholder', [], { attrs: { dtype: 'float32', shape: [null] } });
      graph.step([graph.node('AssignVariableOp', [x], { resources })], {}, { x });
    });
    const error = errorOf(() => createInterpreter(module).run('step', { x: f32([3], [1, 2, 3]) }));
    expect([error.code, error.where.node]).toEqual(['PW_VARIABLE_SHAPE', 'AssignVariableOp']);
  });
});
