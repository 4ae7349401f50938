import { describe, expect, it } from 'vitest';
import {
  buildModel,
  builtinRegistry,
  createRegistry,
  defineModel,
  extendRegistry,
  formatType,
  type ModelBuilder,
  type Module,
  type NodeId,
  nodeName,
  type OpDecl,
  type Tensor,
} from '../src/index.js';

type Inputs = { readonly x: Tensor<'float32'>; readonly labels: Tensor<'int32'> };

/** A module whose graph `body` builds; its loss is the mean of what `body` gives. */
function build(body: (b: ModelBuilder, inputs: Inputs) => Tensor<'float32'>): Module {
  const model = defineModel({
    name: 'test',
    inputs: { x: { dtype: 'float32', shape: [6] }, labels: { dtype: 'int32', shape: [] } },
    build: (b, inputs) => {
      // Every input must be used; this one by nothing that counts.
      const nothing = b.mul(b.mean(b.cast(inputs.labels, 'float32')), b.constant(0));
      return { loss: b.add(b.mean(body(b, inputs)), nothing) };
    },
  });
  return buildModel(model);
}

const shown = (module: Module): string[] => [...module.graph.nodes.values()].map(nodeName);

describe('the builder', () => {
  it('infers shapes with an unknown batch', () => {
    build((b, { x }) => {
      const w = b.variable('w', { shape: [6, 4] });
      const y = b.matMul(x, w.value);
      expect(formatType(y)).toBe('float32[?, 4]');
      expect(formatType(b.reshape(y, [-1, 2, 2]))).toBe('float32[?, 2, 2]');
      return y;
    });
  });

  it('names by group, and makes names unique', () => {
    const module = build((b, { x }) => b.group('layer', () => b.relu(b.relu(x))));
    expect(shown(module)).toEqual(expect.arrayContaining(['layer/Relu', 'layer/Relu_1', 'eval/layer/Relu']));
  });

  it('shares variables between training and inference, and reads each once', () => {
    const module = build((b, { x }) => {
      const w = () => b.variable('w', { shape: [6, 6] }).value;
      return b.matMul(b.matMul(x, w()), w());
    });
    const reads = [...module.graph.nodes.values()].filter(({ op }) => op === 'ReadVariableOp');
    expect(reads.map(nodeName)).toEqual(['w/read', 'eval/w/read']);
    expect([...module.resources.values()].map(({ name }) => name)).toEqual(['global_step', 'w']);
  });

  it('refuses a second variable of one name with another shape', () => {
    const twice = () =>
      build((b, { x }) => {
        b.variable('w', { shape: [6, 4] });
        return b.matMul(x, b.variable('w', { shape: [6, 5] }).value);
      });
    expect(twice).toThrowError(expect.objectContaining({ code: 'PW_VARIABLE_SHAPE' }));
  });

  it('says which node has a wrong shape', () => {
    const wrong = () =>
      build((b, { x }) => b.group('head', () => b.matMul(x, b.variable('w', { shape: [5, 4] }).value)));
    expect(wrong).toThrowError(
      expect.objectContaining({ code: 'PW_OP_INPUT', where: { node: 'head/MatMul' } }),
    );
  });

  it('takes wrong dtypes and arities for compile errors, and for errors with a code where types are cast away', () => {
    // @ts-expect-error an int32 tensor is no float
    expect(() => build((b, { labels }) => b.relu(labels))).toThrowError(
      expect.objectContaining({ code: 'PW_OP_DTYPE' }),
    );
    // @ts-expect-error MatMul takes two tensors
    expect(() => build((b, { x }) => b.matMul(x))).toThrow();
    // @ts-expect-error labels are integers
    expect(() => build((b, { x }) => b.sparseSoftmaxCrossEntropy(x, x))).toThrowError(
      expect.objectContaining({ code: 'PW_OP_DTYPE' }),
    );
    expect(() => build((b, { x }) => b.op('MatMul', [x], { dtype: 'float32' }))).toThrowError(
      expect.objectContaining({ code: 'PW_OP_ARITY' }),
    );
    expect(() => build((b, { x }) => b.op('Rleu', [x], { dtype: 'float32' }))).toThrowError(
      expect.objectContaining({ code: 'PW_OP_UNKNOWN', hint: expect.stringContaining('Relu') }),
    );
    expect(() =>
      build((b, { x }) => b.op('Relu', [x], { dtype: 'float32', attrs: { slope: 1 } })),
    ).toThrowError(expect.objectContaining({ code: 'PW_ATTR_UNKNOWN' }));
  });

  it('refuses a loss that is no scalar, and a model without inputs', () => {
    const inputs = { x: { dtype: 'float32', shape: [2] } } as const;
    const vector = defineModel({ name: 'vector', inputs, build: (_b, { x }) => ({ loss: x }) });
    expect(() => buildModel(vector)).toThrowError(expect.objectContaining({ code: 'PW_MODEL_LOSS' }));
    const none = defineModel({ name: 'none', inputs: {}, build: (b) => ({ loss: b.constant(1) }) });
    expect(() => buildModel(none)).toThrowError(expect.objectContaining({ code: 'PW_MODEL_INPUTS' }));
  });

  it('refuses metrics that cannot be put together, or that are called as the loss, and inputs that nothing uses', () => {
    const inputs = { x: { dtype: 'float32', shape: [2] }, y: { dtype: 'float32', shape: [2] } } as const;
    const make = (metric: 'loss' | 'ok', useY: boolean) =>
      defineModel({
        name: 'metrics',
        inputs,
        build(b, { x, y }) {
          const loss = b.mean(useY ? b.add(x, y) : x);
          return {
            loss,
            metrics: { [metric]: metric === 'ok' ? b.op('Less', [x, x], { dtype: 'bool' }) : loss },
          };
        },
      });
    expect(() => buildModel(make('loss', true))).toThrowError(
      expect.objectContaining({ code: 'PW_MODEL_METRIC' }),
    );
    expect(() => buildModel(make('ok', true))).toThrowError(
      expect.objectContaining({ code: 'PW_MODEL_METRIC' }),
    );
    const unused = defineModel({ name: 'unused', inputs, build: (b, { x }) => ({ loss: b.mean(x) }) });
    expect(() => buildModel(unused)).toThrowError(
      expect.objectContaining({ code: 'PW_MODEL_INPUTS', message: expect.stringContaining('"y"') }),
    );
  });

  it('says what is no model, no loss and no number, where types are cast away', () => {
    const make = (what: unknown) => () => buildModel(what as Parameters<typeof buildModel>[0]);
    const inputs = { x: { dtype: 'float32', shape: [2] } } as const;
    expect(make('lenet')).toThrowError(expect.objectContaining({ code: 'PW_MODEL_DEFINITION' }));
    expect(make({ name: 'm', inputs, build: () => ({}) })).toThrowError(
      expect.objectContaining({ code: 'PW_MODEL_OUTPUTS' }),
    );
    expect(make({ name: 'm', inputs, build: () => undefined })).toThrowError(
      expect.objectContaining({ code: 'PW_MODEL_OUTPUTS' }),
    );
    const odd = make({
      name: 'm',
      inputs,
      build: (b: ModelBuilder) => ({ loss: b.constant('1' as unknown as number) }),
    });
    expect(odd).toThrowError(expect.objectContaining({ code: 'PW_ATTR_TYPE' }));
  });

  it('takes hostile names for names', () => {
    const module = build((b, { x }) =>
      b.group('__proto__', () => b.matMul(x, b.variable('constructor', { shape: [6, 2] }).value)),
    );
    expect(shown(module)).toContain('__proto__/MatMul');
    expect([...module.resources.values()].map(({ name }) => name)).toContain('__proto__/constructor');
    expect(Object.hasOwn(Object.prototype, 'MatMul')).toBe(false);
  });

  it('gives initial values that depend on seed and name alone', () => {
    const seeds = (seed: number): unknown[] => {
      const model = defineModel({
        name: 'test',
        inputs: { x: { dtype: 'float32', shape: [6] } },
        build: (b, { x }) => ({ loss: b.mean(b.matMul(x, b.variable('w', { shape: [6, 2] }).value)) }),
      });
      const { graph } = buildModel(model, { seed });
      return [...graph.nodes.values()].flatMap(({ attrs }) => attrs.get('seed')?.value ?? []);
    };
    expect(seeds(1)).toEqual(seeds(1));
    expect(seeds(1)).not.toEqual(seeds(2));
  });
});

describe('an open registry', () => {
  const double: OpDecl = {
    op: 'Double',
    summary: 'twice its input',
    inputs: [{ name: 'x', dtype: ['float32'] }],
    attrs: {},
    effect: { kind: 'pure' },
    infer: (context) => [context.input(0)],
    gradient: (g) => [g.op('Double', [g.grad(0)])[0]],
  };

  it("takes a user's op into a model", () => {
    const model = defineModel({
      name: 'test',
      inputs: { x: { dtype: 'float32', shape: [6] } },
      build: (b, { x }) => ({ loss: b.mean(b.op('Double', [x], { dtype: 'float32' })) }),
    });
    const module = buildModel(model, { registry: extendRegistry(builtinRegistry, [double]) });
    const made = [...module.graph.nodes.values()].find(({ op }) => op === 'Double');
    expect(made?.outputs.map(formatType)).toEqual(['float32[?, 6]']);
    const id: NodeId | undefined = made?.id;
    expect(id).toBeDefined();
  });

  it('refuses a name twice', () => {
    expect(() => createRegistry([double, double])).toThrowError(
      expect.objectContaining({ code: 'PW_OP_DUPLICATE' }),
    );
  });
});
