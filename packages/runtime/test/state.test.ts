import type { Module, ModuleState, ResourceId, TensorValue } from '@placewright/ir';
import { scalar, tensorOf } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import type { Session } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { CPU, floats, GPU0, moduleOf } from './build.js';
import { loadInline } from './inline.js';

interface Ids {
  readonly v: ResourceId;
  readonly w: ResourceId;
  readonly area: ResourceId;
  readonly queue: ResourceId;
}

const F1 = { dtype: 'float32', shape: [1] } as const;
const I = { dtype: 'int32', shape: [] } as const;

/** `step` puts (x, 7) into an area on the GPU and x into one on the host, and gets `y` and `z`, two steps old. */
function delayed(): { module: Module; ids: Ids } {
  const ids: Partial<Record<keyof Ids, ResourceId>> = {};
  const module = moduleOf((b) => {
    ids.v = b.variable('v', floats(1), GPU0);
    ids.w = b.variable('w', scalar('int64', 5));
    ids.area = b.area('area', [F1, I], 4, GPU0);
    ids.queue = b.area('queue', [F1], 0);
    const x = b.feed('x', 'float32', [1], GPU0);
    const host = b.op('Transfer', [x], {}, { device: CPU });
    const seven = b.constant(scalar('int32', 7), { device: GPU0 });
    const put = b.op('Stage', [x, seven], {}, { resources: [ids.area], device: GPU0 });
    const queued = b.op('Stage', [host], {}, { resources: [ids.queue] });
    const y = b.op('Unstage', [], {}, { resources: [ids.area], device: GPU0 });
    const z = b.op('Unstage', [], {}, { resources: [ids.queue] });
    b.entry('warmUp', {}, [put, queued], [put, queued]);
    b.entry('step', { y, z }, [put, queued]);
  });
  return { module, ids: ids as Ids };
}

const feed = (x: number): ReadonlyMap<string, TensorValue> => new Map([['x', floats(x)]]);

async function step(session: Session, x: number): Promise<unknown[]> {
  const got = await session.run('step', feed(x));
  return [got.get('y')?.data[0], got.get('z')?.data[0]];
}

const ENGINES = [
  ['reference', (module: Module) => referenceEngine.load(module)],
  ['embedded', (module: Module) => loadInline(module)],
] as const;

describe.each(ENGINES)('the state of a session of the %s engine', (_, load) => {
  async function withSession(module: Module, body: (session: Session) => Promise<void>): Promise<void> {
    const session = await load(module);
    try {
      await body(session);
    } finally {
      await session.close();
    }
  }

  test('is read whole, as a copy, and makes another session go on alike', async () => {
    const { module, ids } = delayed();
    let state: ModuleState | undefined;
    await withSession(module, async (session) => {
      await session.run('init');
      await session.run('warmUp', feed(1));
      expect(await step(session, 2)).toEqual([1, 1]);
      state = await session.readState();
      expect(await step(session, 3)).toEqual([1, 1]);
    });
    expect(state?.variables.get(ids.v)).toEqual(floats(1));
    expect(state?.variables.get(ids.w)).toEqual(scalar('int64', 5));
    expect(state?.buffers.get(ids.area)).toEqual([1, 2].map((x) => [floats(x), scalar('int32', 7)]));
    expect(state?.buffers.get(ids.queue)).toEqual([[floats(1)], [floats(2)]]);
    await withSession(module, async (session) => {
      await session.writeState(state as ModuleState);
      expect(await step(session, 9)).toEqual([1, 1]);
      expect(await step(session, 9)).toEqual([2, 2]);
      expect(await step(session, 9)).toEqual([9, 9]);
      expect(await session.readVariables()).toEqual(
        new Map<string, TensorValue>([
          ['v', floats(1)],
          ['w', scalar('int64', 5)],
        ]),
      );
    });
  });

  test('has no value of a variable before one is set, and empty buffers', async () => {
    const { module, ids } = delayed();
    await withSession(module, async (session) => {
      const { variables, buffers } = await session.readState();
      expect(variables.size).toBe(0);
      expect(buffers).toEqual(
        new Map([
          [ids.area, []],
          [ids.queue, []],
        ]),
      );
    });
  });

  test('takes the place of what buffers hold', async () => {
    const { module, ids } = delayed();
    await withSession(module, async (session) => {
      await session.run('init');
      await session.run('warmUp', feed(1));
      await session.writeState({ variables: new Map(), buffers: new Map([[ids.queue, [[floats(5)]]]]) });
      const { buffers } = await session.readState();
      expect(buffers.get(ids.queue)).toEqual([[floats(5)]]);
      expect(buffers.get(ids.area)).toHaveLength(2);
    });
  });

  test('of a buffer that two variables take is no one’s to change', async () => {
    let area: ResourceId | undefined;
    const module = moduleOf((b) => {
      const [v, w] = [b.variable('v', floats(0)), b.variable('w', floats(0))];
      area = b.area('area', [F1], 2);
      const got = b.op('Unstage', [], {}, { resources: [area] });
      const [toV, toW] = [v, w].map((id) => b.op('AssignVariableOp', [got], {}, { resources: [id] }));
      const controls = [toV, toW].flatMap((ref) => (ref === undefined ? [] : [ref.node]));
      const one = b.constant(floats(1));
      const add = b.op('AssignAddVariableOp', [one], {}, { resources: [v], controls });
      b.entry('step', {}, [add]);
    });
    await withSession(module, async (session) => {
      await session.run('init');
      const buffers = new Map([[area as ResourceId, [[floats(5)]]]]);
      await session.writeState({ variables: new Map(), buffers });
      await session.run('step');
      const variables = await session.readVariables();
      expect([variables.get('v'), variables.get('w')]).toEqual([floats(6), floats(5)]);
    });
  });

  test('is set whole or not at all, and what is not given stays', async () => {
    const { module, ids } = delayed();
    const seven = scalar('int32', 7);
    const bad: readonly [string, Partial<ModuleState>][] = [
      ['PW_STATE_RESOURCE', { variables: new Map([['r99', floats(1)]]) }],
      ['PW_STATE_RESOURCE', { variables: new Map([[ids.area, floats(1)]]) }],
      ['PW_STATE_RESOURCE', { buffers: new Map([[ids.v, []]]) }],
      ['PW_VARIABLE_SHAPE', { variables: new Map([[ids.v, floats(1, 2)]]) }],
      ['PW_VARIABLE_DTYPE', { variables: new Map([[ids.v, tensorOf('int32', [1], [1])]]) }],
      ['PW_STATE_BUFFER', { buffers: new Map([[ids.area, [[floats(1)]]]]) }],
      ['PW_STATE_BUFFER', { buffers: new Map([[ids.area, [[floats(1, 2), seven]]]]) }],
      ['PW_STATE_BUFFER', { buffers: new Map([[ids.area, new Array(5).fill([floats(1), seven])]]) }],
    ];
    await withSession(module, async (session) => {
      await session.run('init');
      await session.run('warmUp', feed(1));
      const before = await session.readState();
      for (const [code, { variables = new Map(), buffers = new Map() }] of bad) {
        const state = {
          variables: new Map([[ids.w, scalar('int64', 6)], ...variables]),
          buffers: new Map([[ids.queue, []], ...buffers]),
        };
        await expect(session.writeState(state), code).rejects.toThrow(expect.objectContaining({ code }));
        expect(await session.readState()).toEqual(before);
      }
      await session.writeState({ variables: new Map([[ids.w, scalar('int64', 6)]]), buffers: new Map() });
      const after = await session.readState();
      expect(after.variables.get(ids.w)).toEqual(scalar('int64', 6));
      expect(after.variables.get(ids.v)).toEqual(floats(1));
      expect(after.buffers).toEqual(before.buffers);
    });
  });
});
