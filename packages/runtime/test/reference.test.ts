import { tensorOf } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { type Build, floats, moduleOf } from './build.js';

const refusal = (code: string) => expect.objectContaining({ code });

const counting = (b: Build): void => {
  const v = b.variable('v', floats(1));
  const add = b.op('AssignAddVariableOp', [b.feed('x', 'float32', [1])], {}, { resources: [v] });
  b.entry(
    'step',
    { v: b.op('ReadVariableOp', [], {}, { resources: [v], controls: [add.node], name: 'read' }) },
    [],
  );
};

describe('the reference engine', () => {
  test('runs as any engine does', async () => {
    const session = await referenceEngine.load(moduleOf(counting));
    await session.run('init');
    const got = await session.run('step', new Map([['x', floats(2)]]), { fetch: ['read:0'] });
    expect([...got].map(([name, { data }]) => [name, data[0]])).toEqual([
      ['v', 3],
      ['read:0', 3],
    ]);
    expect((await session.readVariables(['v'])).get('v')?.data[0]).toBe(3);
    await session.writeVariables(new Map([['v', floats(8)]]));
    expect((await session.readVariables()).get('v')?.data[0]).toBe(8);
    expect(session.bindings).toEqual([{ device: '/device:CPU:0', target: 'the interpreter' }]);
    expect(session.takeTrace()).toEqual([]);
    await session.close();
    await expect(session.run('step')).rejects.toThrow(refusal('PW_SESSION_CLOSED'));
  });

  test('refuses names that it does not know', async () => {
    const session = await referenceEngine.load(moduleOf(counting));
    await expect(session.readVariables(['v'])).rejects.toThrow(refusal('PW_VARIABLE_UNINITIALIZED'));
    await expect(session.readVariables(['w'])).rejects.toThrow(refusal('PW_VARIABLE_UNKNOWN'));
    const wrong = session.run('step', new Map([['x', tensorOf('float32', [1], [1])]]), { fetch: ['red:0'] });
    await expect(wrong).rejects.toThrow(refusal('PW_FETCH_UNKNOWN'));
  });

  test('refuses to trace, since it would give nothing', async () => {
    const load = referenceEngine.load(moduleOf(counting), { trace: true });
    await expect(load).rejects.toThrow(refusal('PW_ENGINE_TRACE'));
  });

  test('has every op', async () => {
    expect((await referenceEngine.probe()).available).toBe(true);
    expect(referenceEngine.ops().every(({ how }) => how.startsWith('interpreted'))).toBe(true);
  });
});
