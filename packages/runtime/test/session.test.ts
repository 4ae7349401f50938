import { type PlacewrightError, type TensorRef, type TensorValue, tensorOf } from '@placewright/ir';
import { afterEach, describe, expect, test } from 'vitest';
import type { LoadOptions, Session } from '../src/engine.js';
import { type Build, CPU, copied, floats, GPU0, GPU1, moduleOf } from './build.js';
import { loadInline } from './inline.js';

const open: Session[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()));
});

async function load(body: (build: Build) => void, options: LoadOptions = {}): Promise<Session> {
  const session = await loadInline(moduleOf(body), options);
  open.push(session);
  return session;
}

const feeds = (values: Readonly<Record<string, TensorValue>>): Map<string, TensorValue> =>
  new Map(Object.entries(values));
const numbers = (value: TensorValue | undefined): number[] =>
  Array.from((value?.data ?? []) as Float32Array, Number);
const refusal = (code: string) => expect.objectContaining({ code });

describe('copies between devices', () => {
  test('a value goes to every device that has a Transfer of it, and stays where it was', async () => {
    const session = await load((b) => {
      const x = b.op('Neg', [b.feed('x', 'float32', [2], GPU0)], {}, { device: GPU0 });
      const there = b.op('Neg', [copied(b, x, GPU1)], {}, { device: GPU1 });
      const back = b.op('AddV2', [copied(b, there, GPU0), x], {}, { device: GPU0 });
      b.entry('step', { x, there, back }, []);
    });
    const got = await session.run('step', feeds({ x: floats(1, 2) }));
    expect(numbers(got.get('x'))).toEqual([-1, -2]);
    expect(numbers(got.get('there'))).toEqual([1, 2]);
    expect(numbers(got.get('back'))).toEqual([0, 0]);
  });

  test('a variable that is sent away keeps its value', async () => {
    const session = await load((b) => {
      const v = b.variable('v', floats(1, 2), GPU0);
      const read = b.op('ReadVariableOp', [], {}, { resources: [v], device: GPU0 });
      b.entry('step', { y: copied(b, read, GPU1) }, []);
    });
    await session.run('init');
    for (let i = 0; i < 3; i++) expect(numbers((await session.run('step')).get('y'))).toEqual([1, 2]);
    expect(numbers((await session.readVariables()).get('v'))).toEqual([1, 2]);
  });
});

describe('variables', () => {
  test('what was read before an update keeps its old value', async () => {
    const session = await load((b) => {
      const v = b.variable('v', floats(1));
      const read = b.op('ReadVariableOp', [], {}, { resources: [v], name: 'old' });
      const add = b.op(
        'AssignAddVariableOp',
        [b.constant(floats(10))],
        {},
        { resources: [v], controls: [read.node] },
      );
      const after = b.op('ReadVariableOp', [], {}, { resources: [v], controls: [add.node], name: 'new' });
      const late = b.op('Identity', [read], {}, { controls: [after.node] });
      b.entry('step', { old: late, new: after }, []);
    });
    await session.run('init');
    const first = await session.run('step');
    expect([numbers(first.get('old')), numbers(first.get('new'))]).toEqual([[1], [11]]);
    const second = await session.run('step');
    expect([numbers(second.get('old')), numbers(second.get('new'))]).toEqual([[11], [21]]);
  });

  test('an update does not change the constant that a variable was assigned, nor another variable', async () => {
    const session = await load((b) => {
      const one = b.constant(floats(1));
      const [v, w] = ['v', 'w'].map((name) => b.variable(name, floats(0)));
      const set = [v, w].map((id) => b.op('AssignVariableOp', [one], {}, { resources: [id as 'r0'] }));
      b.entry('postInit', {}, set);
      b.entry('step', {}, [
        b.op('AssignAddVariableOp', [b.constant(floats(5))], {}, { resources: [v as 'r0'] }),
      ]);
    });
    for (let i = 0; i < 2; i++) {
      await session.run('postInit');
      await session.run('step');
      const got = await session.readVariables();
      expect([numbers(got.get('v')), numbers(got.get('w'))]).toEqual([[6], [1]]);
    }
  });

  test('writing is all or nothing', async () => {
    const session = await load((b) => {
      b.variable('v', floats(1));
      b.variable('w', floats(2), GPU0);
      b.entry('step', {}, []);
    });
    await session.run('init');
    const half = feeds({ v: floats(9), w: floats(9, 9) });
    await expect(session.writeVariables(half)).rejects.toThrow(refusal('PW_VARIABLE_SHAPE'));
    expect(numbers((await session.readVariables()).get('v'))).toEqual([1]);
    await session.writeVariables(feeds({ w: floats(7) }));
    expect(
      [...(await session.readVariables(['w'])).entries()].map(([name, value]) => [name, numbers(value)]),
    ).toEqual([['w', [7]]]);
  });

  test('what has no value is left out, or refused by name', async () => {
    const session = await load((b) => {
      b.variable('v', floats(1));
      b.entry('step', {}, []);
    });
    expect((await session.readVariables()).size).toBe(0);
    await expect(session.readVariables(['v'])).rejects.toThrow(refusal('PW_VARIABLE_UNINITIALIZED'));
    await expect(session.readVariables(['vv'])).rejects.toThrow(refusal('PW_VARIABLE_UNKNOWN'));
    await expect(session.writeVariables(feeds({ u: floats(1) }))).rejects.toThrow(
      refusal('PW_VARIABLE_UNKNOWN'),
    );
  });
});

describe('staging', () => {
  const types = [{ dtype: 'float32', shape: [1] }] as const;

  test('values come out a step later, in order, and once the warm-up has filled the area', async () => {
    const session = await load((b) => {
      const area = b.area('area', types, 2);
      const put = b.op('Stage', [b.op('Neg', [b.feed('x', 'float32', [1])])], {}, { resources: [area] });
      const got = b.op('Unstage', [], {}, { resources: [area] });
      b.entry('warmUp', {}, [put], [put]);
      b.entry('step', { y: b.op('Neg', [got]) }, [put]);
    });
    await session.run('warmUp', feeds({ x: floats(1) }));
    const seen: number[][] = [];
    for (const x of [2, 3, 4])
      seen.push(numbers((await session.run('step', feeds({ x: floats(x) }))).get('y')));
    expect(seen).toEqual([[1], [1], [2]]);
  });

  test('a staged value keeps what it was when its variable changes', async () => {
    const session = await load((b) => {
      const area = b.area('area', types, 1);
      const v = b.variable('v', floats(1));
      const read = b.op('ReadVariableOp', [], {}, { resources: [v] });
      const put = b.op('Stage', [read], {}, { resources: [area] });
      const add = b.op(
        'AssignAddVariableOp',
        [b.constant(floats(1))],
        {},
        { resources: [v], controls: [put.node] },
      );
      b.entry('warmUp', {}, [put]);
      b.entry('step', { y: b.op('Unstage', [], {}, { resources: [area] }) }, [put, add]);
    });
    await session.run('init');
    await session.run('warmUp');
    const seen: number[][] = [];
    for (let i = 0; i < 3; i++) seen.push(numbers((await session.run('step')).get('y')));
    expect(seen).toEqual([[1], [1], [2]]);
  });

  test('a step that can never go on says why', async () => {
    const session = await load((b) => {
      const area = b.area('my area', types, 1, GPU0);
      b.entry('step', { y: b.op('Unstage', [], {}, { resources: [area], device: GPU0, name: 'taker' }) }, []);
      b.entry('eval', { z: b.constant(floats(1)) }, []);
    });
    const error = await session.run('step').catch((reason: PlacewrightError) => reason);
    expect(error).toEqual(refusal('PW_DEADLOCK'));
    expect(String(error)).toContain('taker waits for a value in "my area"');
    expect((error as PlacewrightError).where.node).toBe('taker');
    expect(numbers((await session.run('eval')).get('z'))).toEqual([1]);
  });
});

describe('rows that are split', () => {
  const halves = (b: Build): void => {
    const x = b.feed('x', 'float32', [null, 2]);
    const { node } = b.op('Split', [x], { axis: 0, num_split: 2 });
    const first = copied(b, { node, port: 0 }, GPU0);
    b.entry('step', { first: b.op('Neg', [first], {}, { device: GPU0 }), second: { node, port: 1 } }, []);
  };
  const rows = (count: number): TensorValue =>
    tensorOf(
      'float32',
      [count, 2],
      Array.from({ length: count * 2 }, (_, i) => i + 1),
    );

  test('go to their devices', async () => {
    const session = await load(halves);
    const got = await session.run('step', feeds({ x: rows(4) }));
    expect(numbers(got.get('first'))).toEqual([-1, -2, -3, -4]);
    expect(got.get('second')).toEqual(tensorOf('float32', [2, 2], [5, 6, 7, 8]));
  });

  test('must divide', async () => {
    const session = await load(halves);
    await expect(session.run('step', feeds({ x: rows(3) }))).rejects.toThrow(refusal('PW_KERNEL_INPUT'));
  });
});

describe('all-reduce', () => {
  function summed(count: number, devices: readonly string[]): (b: Build) => void {
    return (b) => {
      const outs: Record<string, TensorRef> = {};
      devices.forEach((device, replica) => {
        const x = b.feed(`x${replica}`, 'float32', [count], device);
        const attrs = { shared_name: 'all', num_devices: devices.length };
        outs[`y${replica}`] = b.op('NcclAllReduce', [x], attrs, { device, replica });
      });
      b.entry('step', outs, []);
    };
  }

  /** float32 sums whose rounding depends on their order. */
  function tensors(count: number, towers: number): Map<string, TensorValue> {
    return new Map(
      Array.from({ length: towers }, (_, tower) => {
        const data = Float32Array.from(
          { length: count },
          (_, i) => ((i * 7919 + tower * 104729) % 1013) / 7 + 1e-7 * tower,
        );
        return [`x${tower}`, { dtype: 'float32', shape: [count], data }] as const;
      }),
    );
  }

  function sumOf(given: ReadonlyMap<string, TensorValue>): Float32Array {
    const [first, ...rest] = [...given.values()].map(({ data }) => data as Float32Array);
    const out = Float32Array.from(first ?? []);
    for (const data of rest) for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) + (data[i] ?? 0);
    return out;
  }

  test.for([
    { what: 'the same scale on all members', scales: [0.3, 0.3, 0.3], raw: false },
    { what: 'other scales', scales: [0.3, 0.7, 0.3], raw: false },
    { what: 'a sum that is also taken as it is', scales: [0.3, 0.3, 0.3], raw: true },
  ])('$what: each sum times its scale, rounded once more', async ({ scales, raw }) => {
    const count = 40_000;
    const session = await load((b) => {
      const outs: Record<string, TensorRef> = {};
      [CPU, GPU0, GPU1].forEach((device, replica) => {
        const x = b.feed(`x${replica}`, 'float32', [count], device);
        const attrs = { shared_name: 'all', num_devices: 3 };
        const sum = b.op('NcclAllReduce', [x], attrs, { device, replica });
        const scale = b.constant(tensorOf('float32', [], [scales[replica] ?? 1]), { device });
        outs[`y${replica}`] = b.op('Mul', replica === 1 ? [scale, sum] : [sum, scale], {}, { device });
        if (raw) outs[`sum${replica}`] = sum;
      });
      b.entry('step', outs, []);
    });
    const given = tensors(count, 3);
    const sum = sumOf(given);
    const got = await session.run('step', given);
    scales.forEach((scale, tower) => {
      const want = sum.map((x) => x * Math.fround(scale));
      expect(got.get(`y${tower}`)?.data).toEqual(want);
      if (raw) expect(got.get(`sum${tower}`)?.data).toEqual(sum);
    });
  });

  test.for([
    { what: 'few elements, each device adds', count: 10, devices: [CPU, GPU0, GPU1] },
    { what: 'many elements, shared among the devices', count: 100_001, devices: [CPU, GPU0, GPU1] },
    { what: 'two members on one device', count: 40_000, devices: [GPU0, GPU1, GPU0] },
    { what: 'all on one device', count: 40_000, devices: [GPU0, GPU0] },
    { what: 'one member', count: 3, devices: [GPU0] },
  ])('$what: the sum in the order of the towers, to the bit, step by step', async ({ count, devices }) => {
    const session = await load(summed(count, devices));
    for (const scale of [1, 3]) {
      const given = new Map(
        [...tensors(count, devices.length)].map(([name, { dtype, shape, data }]) => [
          name,
          { dtype, shape, data: (data as Float32Array).map((x) => x * scale) },
        ]),
      );
      const want = sumOf(given);
      const got = await session.run('step', given);
      devices.forEach((_, tower) => {
        const sum = got.get(`y${tower}`)?.data as Float32Array;
        expect(Buffer.from(sum.buffer).equals(Buffer.from(want.buffer))).toBe(true);
      });
    }
  });
});

describe('fetches', () => {
  test('any tensor by its shown name, inside of a region too, beside the entry’s own', async () => {
    const session = await load((b) => {
      const x = b.feed('x', 'float32', [2]);
      const inner = b.op('Relu', [x], {}, { name: 'inner', replica: 0 });
      b.entry('step', { y: b.op('Neg', [inner]) }, []);
    });
    const got = await session.run('step', feeds({ x: floats(-1, 2) }), { fetch: ['tower_0/inner:0', 'x:0'] });
    expect([...got.keys()].sort()).toEqual(['tower_0/inner:0', 'x:0', 'y']);
    expect(numbers(got.get('tower_0/inner:0'))).toEqual([0, 2]);
    expect(numbers(got.get('y')).map((x) => x + 0)).toEqual([0, -2]);
    const plain = await session.run('step', feeds({ x: floats(1, 2) }));
    expect([...plain.keys()]).toEqual(['y']);
  });

  test('a constant, and a value of another entry’s part of the graph', async () => {
    const session = await load((b) => {
      const c = b.constant(floats(4), { name: 'four' });
      b.op('Neg', [c], {}, { name: 'aside' });
      b.entry('step', {}, []);
    });
    const got = await session.run('step', new Map(), { fetch: ['four:0', 'aside:0'] });
    expect([numbers(got.get('four:0')), numbers(got.get('aside:0'))]).toEqual([[4], [-4]]);
  });

  test('many different sets, of which the last ones are kept', async () => {
    const count = 40;
    const session = await load((b) => {
      let at = b.feed('x', 'float32', [1]);
      for (let i = 0; i < count; i++)
        at = b.op('AddV2', [at, b.constant(floats(1))], {}, { name: `add${i}` });
      b.entry('step', { y: at }, []);
    });
    for (const i of [...Array(count).keys(), 3, count - 1]) {
      const got = await session.run('step', feeds({ x: floats(0) }), { fetch: [`add${i}:0`] });
      expect(numbers(got.get(`add${i}:0`))).toEqual([i + 1]);
    }
    expect(numbers((await session.run('step', feeds({ x: floats(0) }))).get('y'))).toEqual([count]);
  });

  test('two tensors under one name are refused', async () => {
    const session = await load((b) => {
      b.entry('step', { 'b:0': b.constant(floats(1), { name: 'a' }) }, []);
      b.constant(floats(2), { name: 'b' });
    });
    await expect(session.run('step', new Map(), { fetch: ['b:0'] })).rejects.toThrow(
      refusal('PW_FETCH_DUPLICATE'),
    );
  });

  test('an unknown one is refused with the nearest name', async () => {
    const session = await load((b) => b.entry('step', { y: b.constant(floats(1), { name: 'loss' }) }, []));
    const error = await session
      .run('step', new Map(), { fetch: ['los:0'] })
      .catch((reason: PlacewrightError) => reason);
    expect(error).toEqual(refusal('PW_FETCH_UNKNOWN'));
    expect((error as PlacewrightError).hint).toContain('loss:0');
    await expect(session.run('step', new Map(), { fetch: ['loss:1'] })).rejects.toThrow(
      refusal('PW_FETCH_UNKNOWN'),
    );
  });
});

describe('errors', () => {
  const classify = (b: Build): void => {
    const logits = b.feed('logits', 'float32', [null, 3], GPU0);
    const labels = b.feed('labels', 'int32', [null], GPU0);
    const loss = b.op(
      'SparseSoftmaxCrossEntropyWithLogits',
      [logits, labels],
      {},
      { device: GPU0, name: 'xent' },
    );
    b.entry('step', { loss: copied(b, loss, CPU) }, []);
  };
  const batch = (...labels: number[]): Map<string, TensorValue> =>
    feeds({
      logits: tensorOf(
        'float32',
        [labels.length, 3],
        labels.flatMap(() => [0, 0, 0]),
      ),
      labels: tensorOf('int32', [labels.length], labels),
    });

  test.for([[[0, 3]], [[-1, 0]]])(
    'labels %j out of range are refused with the node, and the session goes on',
    async ([labels]) => {
      const session = await load(classify);
      const error = await session
        .run('step', batch(...(labels ?? [])))
        .catch((reason: PlacewrightError) => reason);
      expect(error).toEqual(refusal('PW_KERNEL_INPUT'));
      expect((error as PlacewrightError).where.node).toBe('xent');
      expect(numbers((await session.run('step', batch(0, 1, 2))).get('loss')).length).toBe(3);
    },
  );

  test('labels that are worked out in the region are checked before anything is used', async () => {
    const session = await load((b) => {
      const v = b.variable('v', floats(0));
      const logits = b.feed('logits', 'float32', [2, 3]);
      const labels = b.op('AddV2', [b.feed('labels', 'int32', [2]), b.constant(tensorOf('int32', [], [1]))]);
      const loss = b.op('SparseSoftmaxCrossEntropyWithLogits', [logits, labels]);
      const sum = b.op('Sum', [loss], { axis: [0], keep_dims: true });
      b.entry('step', {}, [b.op('AssignVariableOp', [sum], {}, { resources: [v] })]);
    });
    await session.run('init');
    await expect(session.run('step', batch(0, 2))).rejects.toThrow(refusal('PW_KERNEL_INPUT'));
    expect(numbers((await session.readVariables()).get('v'))).toEqual([0]);
    await session.run('step', batch(0, 1));
    expect(numbers((await session.readVariables()).get('v'))[0]).toBeCloseTo(2 * Math.log(3), 5);
  });

  test('feeds', async () => {
    const session = await load(classify);
    const good = batch(0, 1);
    const with_ = (name: string, value: TensorValue): Map<string, TensorValue> =>
      new Map(good).set(name, value);
    const without = new Map([...good].filter(([name]) => name !== 'labels'));
    await expect(session.run('step', without)).rejects.toThrow(refusal('PW_FEED_MISSING'));
    await expect(session.run('step', with_('lables', floats(1)))).rejects.toThrow(refusal('PW_FEED_UNKNOWN'));
    await expect(session.run('step', with_('labels', floats(1)))).rejects.toThrow(refusal('PW_FEED_DTYPE'));
    await expect(session.run('step', with_('logits', floats(1)))).rejects.toThrow(refusal('PW_FEED_SHAPE'));
    const short = { dtype: 'float32', shape: [2, 3], data: new Float32Array(1) } as const;
    await expect(session.run('step', with_('logits', short))).rejects.toThrow(refusal('PW_FEED_DATA'));
    await expect(session.run('eval')).rejects.toThrow(refusal('PW_ENTRY_UNKNOWN'));
  });

  test('sizes that do not fit together name the region', async () => {
    const session = await load((b) => {
      const sum = b.op(
        'AddV2',
        ['x', 'y'].map((name) => b.feed(name, 'float32', [null], GPU1)),
        {},
        { device: GPU1, name: 'sum' },
      );
      b.entry('step', { sum }, []);
    });
    const error = await session
      .run('step', feeds({ x: floats(1, 2), y: floats(1, 2, 3) }))
      .catch((reason: PlacewrightError) => reason);
    expect(error).toEqual(refusal('PW_ENGINE_REGION'));
    expect((error as PlacewrightError).where.node).toBe('sum');
    expect(String(error)).toContain(GPU1);
  });

  test('a variable without a value names the node and the variable', async () => {
    const session = await load((b) => {
      const v = b.variable('v', floats(1));
      b.entry('step', { y: b.op('ReadVariableOp', [], {}, { resources: [v], name: 'reader' }) }, []);
    });
    const error = await session.run('step').catch((reason: PlacewrightError) => reason);
    expect(error).toEqual(refusal('PW_VARIABLE_UNINITIALIZED'));
    expect((error as PlacewrightError).where.node).toBe('reader');
  });

  test('all that cannot run is named at once, when loading', async () => {
    const error = await load((b) => {
      const half = b.feed('h', 'float16', [1]);
      const bytes = b.feed('b', 'uint8', [1]);
      b.entry(
        'step',
        {
          x: b.op('Neg', [half], {}, { name: 'half' }),
          y: b.op('AddV2', [bytes, bytes], {}, { name: 'bytes' }),
        },
        [],
      );
    }).catch((reason: PlacewrightError) => reason);
    expect(error).toEqual(refusal('PW_ENGINE_OP'));
    for (const part of ['Neg on float16 (half)', 'AddV2 on uint8 (bytes)'])
      expect(String(error)).toContain(part);
  });

  test('what depends on sizes of the run alone is refused when loading, with the node', async () => {
    const error = await load((b) => {
      const x = b.feed('x', 'float32', [1, null, null, 1]);
      const attrs = { ksize: [1, 2, 2, 1], strides: [1, 2, 2, 1], padding: 'SAME' };
      const pool = b.op('MaxPool', [x], attrs, { name: 'pool' });
      b.entry('step', { pool: b.op('MaxPool', [b.op('Relu', [pool])], attrs, { name: 'other' }) }, []);
    }).catch((reason: PlacewrightError) => reason);
    expect(error).toEqual(refusal('PW_ENGINE_OP'));
    expect(String(error)).toContain('(pool, other)');
  });

  test('a closed session says so', async () => {
    const session = await load((b) => b.entry('step', {}, []));
    await session.close();
    await session.close();
    await expect(session.run('step')).rejects.toThrow(refusal('PW_SESSION_CLOSED'));
    await expect(session.readVariables()).rejects.toThrow(refusal('PW_SESSION_CLOSED'));
  });
});

test('runs that are asked for at once follow one another', async () => {
  const session = await load((b) => {
    const v = b.variable('v', floats(0));
    const add = b.op('AssignAddVariableOp', [b.constant(floats(1))], {}, { resources: [v] });
    b.entry('step', { v: b.op('ReadVariableOp', [], {}, { resources: [v], controls: [add.node] }) }, []);
  });
  const all = [session.run('init'), ...Array.from({ length: 5 }, () => session.run('step'))];
  expect((await Promise.all(all)).slice(1).map((got) => numbers(got.get('v')))).toEqual([
    [1],
    [2],
    [3],
    [4],
    [5],
  ]);
});

test('when a thread ends by itself, what runs and all that follows is refused', async () => {
  let end = (_: unknown): void => undefined;
  const module = moduleOf((b) => {
    const area = b.area('area', [{ dtype: 'float32', shape: [1] }], 1);
    b.variable('v', floats(0));
    b.entry('step', { y: b.op('Unstage', [], {}, { resources: [area] }) }, []);
  });
  const session = await loadInline(module, {}, (spawn) => (setup) => ({
    ...spawn(setup),
    onEnd: (handler) => {
      end = handler;
    },
  }));
  open.push(session);
  const running = session.run('step');
  await new Promise((resolve) => setTimeout(resolve, 20));
  end(new Error('out of memory'));
  await expect(running).rejects.toThrow(refusal('PW_ENGINE_WORKER'));
  await expect(session.run('step')).rejects.toThrow(/out of memory/);
  await expect(session.readVariables()).rejects.toThrow(/out of memory/);
  await expect(session.writeVariables(feeds({ v: floats(1) }))).rejects.toThrow(/out of memory/);
  await expect(session.run('step', feeds({}), { fetch: ['Unstage:0'] })).rejects.toThrow(/out of memory/);
});

test('ops that act on a resource of another device are refused', async () => {
  const session = await load((b) => {
    const v = b.variable('v', floats(0), GPU1);
    b.entry('step', { v: b.op('ReadVariableOp', [], {}, { resources: [v], device: GPU0 }) }, []);
  });
  await session.run('init');
  await expect(session.run('step')).rejects.toThrow(refusal('PW_RESOURCE_DEVICE'));
});
