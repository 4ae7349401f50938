import { builtinRegistry, defineModel, edit, type Module, type Node } from '@placewright/ir';
import { type Feeds, runLowered } from '@placewright/testkit';
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compile, factsOf } from '../src/index.js';
import { small, tasks, upTo } from './fixture.js';
import { sized } from './sized.js';

// What the original does at its edges with gradients: each test by the sentence that says so.

const RATE = 0.25;
const training = (more: Partial<NonNullable<CompileOptions['training']>> = {}) => ({
  optimizer: { kind: 'sgd', learningRate: RATE } as const,
  weightDecay: 0,
  clip: { kind: 'none' } as const,
  ...more,
});

/** A loss of w·mean(x): its gradient is mean(x), whatever w is. A moving average of x beside it. */
const linear = defineModel({
  name: 'linear',
  inputs: { x: { dtype: 'float32', shape: [] } },
  build(b, { x }) {
    const w = b.variable('w', { shape: [], initializer: { kind: 'ones' } });
    const seen = b.variable('seen', { shape: [], trainable: false, initializer: { kind: 'zeros' } });
    if (b.training) b.assignSub(seen, b.sub(seen.value, b.mean(x)));
    return { loss: b.mul(b.mean(x), w.value) };
  },
});

/** A loss of w²·mean(x). */
const square = defineModel({
  name: 'square',
  inputs: { x: { dtype: 'float32', shape: [] } },
  build(b, { x }) {
    const w = b.variable('w', { shape: [], initializer: { kind: 'ones' } });
    return { loss: b.mul(b.mean(x), b.square(w.value)) };
  },
});

const vector = (...values: number[]): Feeds =>
  new Map([['x', { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) }]]);

function run(module: Module, batch: Feeds, steps: number) {
  return runLowered(module, {
    warmUp: batch,
    eval: batch,
    steps: Array.from({ length: steps }, () => batch),
  });
}

/** Values of all variables after one step, tower 0 fed a 1 and tower 1 a 3. */
function afterStep(options: CompileOptions): Map<string, number> {
  const { module } = compile(linear, { training: training(), ...options });
  const [step] = run(module, vector(1, 3), 1).steps;
  return new Map([...(step?.variables ?? [])].map(([name, value]) => [name, Number(value.data[0])]));
}

describe('`replicated` sums gradients; `parameter_server` and `distributed_replicated` take the mean over towers', () => {
  it('replicated: its effective learning rate is N times', () => {
    for (const useNccl of [true, false]) {
      const found = afterStep({ strategy: 'replicated', numGpus: 2, useNccl });
      expect([found.get('v0/w'), found.get('v1/w')]).toEqual([1 - RATE * 4, 1 - RATE * 4]);
    }
  });

  it.each([
    ['parameter_server', { strategy: 'parameter_server', numGpus: 2 }, ['v/w']],
    ['in a cluster', { strategy: 'parameter_server', cluster: tasks(2, 1) }, ['v/w']],
    [
      'distributed_replicated',
      { strategy: 'distributed_replicated', cluster: tasks(2, 1) },
      ['ps_var/v0/w', 'v0/w', 'v1/w'],
    ],
  ] as const)('%s: the mean', (_, options, names) => {
    const found = afterStep(options);
    expect(names.map((name) => found.get(name))).toEqual(names.map(() => 1 - RATE * 2));
  });

  it('independent: each its own', () => {
    const found = afterStep({ strategy: 'independent', numGpus: 2 });
    expect([found.get('v0/w'), found.get('v1/w')]).toEqual([1 - RATE, 1 - RATE * 3]);
  });
});

describe('batch-norm updates of tower 0 alone are run', () => {
  it('in `replicated` only `v0`’s moving statistics change', () => {
    const found = afterStep({ strategy: 'replicated', numGpus: 2 });
    expect([found.get('v0/seen'), found.get('v1/seen')]).toEqual([1, 0]);
  });

  it.each([
    ['independent', { strategy: 'independent', numGpus: 2 }, 'v0/seen'],
    ['parameter_server', { strategy: 'parameter_server', numGpus: 2 }, 'v/seen'],
    ['distributed_replicated', { strategy: 'distributed_replicated', cluster: tasks(1, 1) }, 'v0/seen'],
  ] as const)('by tower 0’s batch: %s', (_, options, name) => {
    const found = afterStep(options);
    expect(found.get(name)).toBe(1);
    expect(found.get('v1/seen') ?? 0).toBe(0);
  });
});

describe('with one tower there is no `Mul`, and `AddN` of one is elided or kept as the recording shows', () => {
  it.each<[string, CompileOptions]>([
    ['independent', { strategy: 'independent', numGpus: 1 }],
    ['by elements', { strategy: 'parameter_server', numGpus: 1 }],
    ['on the host', { strategy: 'parameter_server', numGpus: 1, localParameterDevice: 'cpu' }],
    ['in a cluster', { strategy: 'parameter_server', cluster: tasks(2, 2, 1) }],
    ['by copies', { strategy: 'replicated', numGpus: 1, useNccl: false }],
    ['by shadows', { strategy: 'distributed_replicated', cluster: tasks(2, 2, 1) }],
  ])('nothing but the update is left: %s', (_, options) => {
    expect(Object.keys(factsOf(compile(small, options).module).nodeCounts)).toEqual([
      'ResourceApplyGradientDescent',
    ]);
  });

  it('an all-reduce of one tower is kept', () => {
    const { nodeCounts } = factsOf(compile(small, { strategy: 'replicated', numGpus: 1 }).module);
    expect(nodeCounts.NcclAllReduce).toEqual({ '/device:GPU:0': 2 });
    expect(nodeCounts.Mul).toBeUndefined();
  });
});

describe('aggregation: on the worker’s CPU, beside the variable, or in turn', () => {
  const where = (options: CompileOptions) =>
    factsOf(compile(sized([3, 3, 3].map((elements, i) => ({ name: `w${i}`, elements }))), options).module)
      .apply.flat()
      .map(({ gradientDevice, variableDevice }) => [gradientDevice, variableDevice]);

  it('on the worker’s CPU in distributed `parameter_server`, the update on the ps', () => {
    const cluster = tasks(2, 2);
    const [worker, ps] = ['/job:worker/task:1/device:CPU:0', (i: number) => `/job:ps/task:${i}/device:CPU:0`];
    const task = { job: 'worker', index: 1 };
    expect(where({ strategy: 'parameter_server', cluster, task })).toEqual([
      [worker, ps(0)],
      [worker, ps(1)],
      [worker, ps(0)],
    ]);
  });

  it('beside the variable in local `parameter_server`', () => {
    const rows = where({ strategy: 'parameter_server', numGpus: 2 });
    expect(rows).toEqual([0, 1, 0].map((gpu) => Array(2).fill(`/device:GPU:${gpu}`)));
  });

  it('in turn by gradient index over the GPUs in `replicated` by copy with `local_parameter_device=gpu`', () => {
    const rows = where({ strategy: 'replicated', useNccl: false, numGpus: 2 });
    const met = rows.map(([gradient]) => gradient);
    expect(met).toEqual([0, 1, 0, 0, 1, 0].map((gpu) => `/device:GPU:${gpu}`));
  });
});

describe('staged variables stage the gradients too', () => {
  it.each([1, 2])('losses repeat once, then follow two steps behind, with %i towers', (towers) => {
    const options = { strategy: 'parameter_server', stagedVars: true, numGpus: towers } as const;
    const { module } = compile(square, { ...options, training: training() });
    const trace = run(module, vector(...Array(towers).fill(1)), 7);
    const losses = trace.steps.map(({ fetches }) => Number(fetches.get('loss')?.data[0]));
    // loss_k = L(w_{k−1}) and w_{k+1} = w_k − η·g(w_{k−2}), with L(w) = w² and g(w) = 2w.
    const w = [1];
    const before = (k: number): number => w[Math.max(0, k)] ?? Number.NaN;
    for (let k = 0; k < 7; k++) w.push(before(k) - RATE * 2 * before(k - 2));
    expect(losses).toEqual(Array.from({ length: 7 }, (_, k) => Math.fround(before(k - 1) ** 2)));
    expect(losses[1]).toBe(losses[0]);
    expect(losses[2]).not.toBe(losses[1]);
  });
});

describe('updates of staged non-trainable variables', () => {
  const stagedWith = (change?: (module: Module) => Module): Module =>
    upTo('stage-variables', { strategy: 'parameter_server', options: { stagedVars: true } }, change).after;
  const nodes = (module: Module, op: string, replica = 0): Node[] =>
    [...module.graph.nodes.values()].filter((node) => node.op === op && node.replica === replica);

  /** A second reading of the moving average by each tower, from which its change is worked out. */
  const readTwice = (module: Module): Module =>
    edit(module, builtinRegistry, 'test', (editor) => {
      for (const node of module.graph.nodes.values()) {
        if (node.op !== 'ReadVariableOp' || node.variable !== 'seen' || node.replica === null) continue;
        const { op, name, resources, device, replica, variable, phase } = node;
        const again = editor.addNode(
          { op, name: `${name}/again`, resources, device, replica, variable, phase },
          { reason: 'test' },
        );
        const users = [...module.graph.nodes.values()].filter(({ inputs }) =>
          inputs.some(({ node: id }) => id === node.id),
        );
        for (const { id, inputs } of users)
          editor.updateNode(
            id,
            { inputs: inputs.map((ref) => (ref.node === node.id ? { ...ref, node: again } : ref)) },
            { reason: 'test' },
          );
      }
    }).module;

  it('a second request on the same tower returns the same `Unstage`, and its updates are staged all the same', () => {
    const module = stagedWith(readTwice);
    const gets = nodes(module, 'Unstage').filter(({ variable }) => variable === 'seen');
    expect(gets.map(({ phase }) => phase)).toEqual(['staging', 'update']);
    const [value, change] = gets;
    const sub = nodes(module, 'Sub').find(({ phase }) => phase === 'forward');
    expect(sub?.inputs[0]?.node).toBe(value?.id);
    expect(nodes(module, 'AssignSubVariableOp')[0]?.inputs[0]?.node).toBe(change?.id);
  });

  it('go through delta staging areas on the device of the `Unstage`, with colocation cleared there', () => {
    const together = (module: Module): Module => ({
      ...module,
      graph: {
        nodes: new Map(
          [...module.graph.nodes].map(([id, node]) => {
            const own = node.variable === 'seen' && node.replica === 1 && node.phase !== 'init';
            return [id, own ? { ...node, colocation: 'seen/tower_1' } : node];
          }),
        ),
      },
    });
    const module = stagedWith(together);
    const deltas = [...nodes(module, 'Stage', 1), ...nodes(module, 'Unstage', 1)].filter(
      ({ phase, variable }) => phase === 'update' && variable === 'seen',
    );
    expect(deltas).toHaveLength(2);
    for (const { device, colocation } of deltas)
      expect([device, colocation]).toEqual(['/device:GPU:1', null]);
    expect(nodes(module, 'AssignSubVariableOp', 1)[0]?.colocation).toBe('seen/tower_1');
  });
});

describe('the 2017 file adds weight decay on every tower', () => {
  it('each tower decays each trainable variable once', () => {
    const spec = { strategy: 'parameter_server', training: { weightDecay: 0.5 } } as const;
    const { after } = upTo('replicate-towers', spec);
    const decays = [...after.graph.nodes.values()].filter(({ op }) => op === 'L2Loss');
    const count = (replica: number): number => decays.filter((node) => node.replica === replica).length;
    expect([count(0), count(1)]).toEqual([2, 2]);
  });

  it.each([
    ['parameter_server', 1],
    ['replicated', 2],
  ] as const)('%s: λ·w comes into the update with every tower', (strategy, times) => {
    const { module } = compile(linear, { strategy, numGpus: 2, training: training({ weightDecay: 0.5 }) });
    const name = strategy === 'parameter_server' ? 'v/w' : 'v1/w';
    const [step] = run(module, vector(0, 0), 1).steps;
    expect(Number(step?.variables.get(name)?.data[0])).toBe(1 - RATE * 0.5 * times);
    // The mean over the towers of λ/2·w².
    expect(Number(step?.fetches.get('loss')?.data[0])).toBe(0.25);
  });
});

describe('momentum is 0.9 with Nesterov’s update', () => {
  it('a step goes by the gradient and by what has gathered, this step’s included', () => {
    const optimizer = { kind: 'momentum', learningRate: RATE, momentum: 0.5, nesterov: true } as const;
    const { module } = compile(linear, {
      strategy: 'parameter_server',
      numGpus: 1,
      training: training({ optimizer }),
    });
    const trace = run(module, vector(1), 3).steps;
    const values = trace.map(({ variables }) => Number(variables.get('v/w')?.data[0]));
    const want: number[] = [];
    for (let [w, gathered] = [1, 0]; want.length < 3; want.push(w)) {
      gathered = 0.5 * gathered + 1;
      w -= RATE * (1 + 0.5 * gathered);
    }
    expect(values).toEqual(want);
  });
});

describe('a variable without a gradient, towers with unequal lists, variables of unknown shape, different variables under one gradient', () => {
  type Gradient = Extract<Module['roles'][number], { kind: 'gradient' }>;
  /** Gradients changed, or dropped. */
  const changed =
    (change: (role: Gradient) => Gradient | null) =>
    (module: Module): Module => ({
      ...module,
      roles: module.roles.flatMap((role) => (role.kind === 'gradient' ? (change(role) ?? []) : role)),
    });
  const other = (name: string): string => (name.endsWith('weights') ? 'affine0/biases' : 'affine0/weights');
  const aggregated = (change: (role: Gradient) => Gradient | null, towers = 2) =>
    upTo('aggregate-gradients', { strategy: 'parameter_server', towers }, changed(change));
  const error = (code: string, message: string) =>
    expect.objectContaining({ code, kind: 'user', message: expect.stringContaining(message) });

  it('two gradients of one tower do not stand for two towers', () => {
    const twice = () => aggregated((role) => ({ ...role, replica: 0 }));
    expect(twice).toThrow(
      error('PW_TOWERS_UNEQUAL', '1 of 2 towers have a gradient of "affine0/weights", which have 2 of them'),
    );
  });

  it.each([1, 2])('different variables under one gradient, with %i towers', (towers) => {
    const swapped = () =>
      aggregated(
        (role) => (role.replica === towers - 1 ? { ...role, variable: other(role.variable) } : role),
        towers,
      );
    expect(swapped).toThrow(error('PW_GRADIENT_SHAPE', `on tower ${towers - 1} is float32[`));
  });

  it('a gradient of what is no variable', () => {
    expect(() => aggregated((role) => ({ ...role, variable: `${role.variable}s` }))).toThrow(
      error('PW_VARIABLE_UNKNOWN', 'there is no variable "affine0/weightss"'),
    );
  });

  it.each([
    ['elements', { strategy: 'parameter_server', numGpus: 2 }],
    ['bytes', { strategy: 'parameter_server', cluster: tasks(1, 1), stagedVars: true }],
    ['caches', { strategy: 'parameter_server', cluster: tasks(1, 1) }],
  ] as const)('variables of unknown shape cannot be counted by %s', (_, options) => {
    const source = sized([{ name: 'w', elements: 4 }]);
    const resources = new Map(
      [...source.resources].map(([id, r]) => [
        id,
        r.kind === 'variable' && r.name === 'w' ? { ...r, shape: [null] } : r,
      ]),
    );
    expect(() => compile({ ...source, resources }, { ...options, verify: false })).toThrow(
      error('PW_VARIABLE_SHAPE', '"v/w" has the shape [?]'),
    );
  });
});
