import {
  builtinRegistry,
  type EntryName,
  edit,
  emptyModule,
  type Module,
  scalar,
  type TensorValue,
  tensorOf,
} from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import type { Session } from '../src/engine.js';
import { evaluate, variableNorms } from '../src/evaluate.js';
import { train } from '../src/train-loop.js';
import { type Feeds, initialValues } from '../src/training.js';

/** A session that notes its calls; `losses` are those of its steps. */
function fakeSession(losses: readonly number[], correct: number | null = 3) {
  const calls: string[] = [];
  const written = new Map<string, TensorValue>();
  let step = 0;
  const fetched = (): ReadonlyMap<string, TensorValue> =>
    new Map([
      ['loss', scalar('float32', losses[step++] ?? 0)],
      ...(correct === null ? [] : [['correctCount', scalar('float32', correct)] as const]),
    ]);
  const session: Session = {
    bindings: [],
    run: async (entry: EntryName, feeds?: Feeds) => {
      calls.push(`${entry}${feeds === undefined ? '' : ` ${feeds.get('x')?.data[0]}`}`);
      return entry === 'step' || entry === 'eval' ? fetched() : new Map();
    },
    readVariables: async () => new Map(),
    writeVariables: async (values) => {
      calls.push('write');
      for (const [name, value] of values) written.set(name, value);
    },
    readState: async () => ({ variables: new Map(), buffers: new Map() }),
    writeState: async () => {},
    takeTrace: () => [],
    close: async () => {},
  };
  return { session, calls, written };
}

/** A module with variables `w` on two towers and the given entries, which hold nothing. */
function moduleWith(...entries: EntryName[]): Module {
  return edit(emptyModule('m'), builtinRegistry, 'test', (editor) => {
    for (const replica of [0, 1]) {
      editor.addResource(
        {
          ...{ kind: 'variable', container: '', device: '', replica, name: 'w', scope: `v${replica}` },
          ...{
            dtype: 'float32',
            shape: [2],
            trainable: true,
            collection: 'global',
            slotOf: null,
            savedAs: null,
          },
        } as Parameters<typeof editor.addResource>[0],
        { reason: 'test' },
      );
    }
    for (const name of entries) editor.setEntry({ name, feeds: [], fetches: [], rounds: [] });
  }).module;
}

function* numbered(count: number): Iterator<Feeds> {
  for (let i = 1; i <= count; i++) yield new Map([['x', tensorOf('float32', [4], [i, i, i, i])]]);
}

describe('training', () => {
  const module = moduleWith('init', 'postInit', 'warmUp', 'step');

  it('initialises, copies, warms up and then steps', async () => {
    const { session, calls } = fakeSession([3, 2, 1]);
    const result = await train(session, { module, steps: 3, feeds: numbered(9) });
    expect(calls).toEqual(['init', 'postInit', 'warmUp undefined', 'step 1', 'step 2', 'step 3']);
    expect(result.reason).toBe('done');
    expect(result.reports).toMatchObject([
      { step: 1, loss: 3, correct: 3, examples: 4 },
      { step: 2, loss: 2 },
      { step: 3, loss: 1 },
    ]);
  });

  it('writes initial values to every tower before the copies', async () => {
    const { session, calls, written } = fakeSession([1]);
    const value = tensorOf('float32', [2], [5, 6]);
    await train(session, { module, steps: 1, feeds: numbered(1), initial: new Map([['w', value]]) });
    expect(calls.slice(0, 3)).toEqual(['init', 'write', 'postInit']);
    expect([...written]).toEqual([
      ['v0/w', value],
      ['v1/w', value],
    ]);
  });

  it('stops after the step that runs when it is told to', async () => {
    const { session, calls } = fakeSession([3, 2, 1]);
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }): void => {
      if (step === 2) controller.abort();
    };
    const { reason, reports } = await train(session, {
      module,
      steps: 9,
      feeds: numbered(9),
      signal: controller.signal,
      onStep,
    });
    expect({ reason, steps: reports.length, last: calls.at(-1) }).toEqual({
      reason: 'stopped',
      steps: 2,
      last: 'step 2',
    });
  });

  it('lets timers and signals through between steps', async () => {
    const { session } = fakeSession([]);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    const { reason } = await train(session, {
      module,
      steps: 1e9,
      feeds: numbered(1e9),
      signal: controller.signal,
    });
    expect(reason).toBe('stopped');
  });

  it('ends where the data end, and at a loss that is not finite', async () => {
    expect(await train(fakeSession([]).session, { module, steps: 5, feeds: numbered(2) })).toMatchObject({
      reason: 'data',
    });
    const { reason, reports } = await train(fakeSession([1, Number.NaN, 1]).session, {
      module,
      steps: 3,
      feeds: numbered(3),
    });
    expect({ reason, steps: reports.length }).toEqual({ reason: 'diverged', steps: 2 });
  });

  it.each([
    ['a name that is no variable', [['v', [1, 2]]]],
    ['a shape that differs', [['w', [1, 2, 3]]]],
  ] as [string, [string, number[]][]][])('refuses initial values with %s', (_, entries) => {
    const initial = new Map(entries.map(([name, data]) => [name, tensorOf('float32', [data.length], data)]));
    expect(() => initialValues(module, initial)).toThrow(
      expect.objectContaining({ code: 'PW_TENSORS_VARIABLE' }),
    );
  });
});

describe('evaluation', () => {
  it('weighs batches by their size', async () => {
    const { session } = fakeSession([1, 4], 2);
    const batches = [8, 2].map((n) => new Map([['x', tensorOf('float32', [n], new Array(n).fill(0))]]));
    const seen: number[] = [];
    const result = await evaluate(session, {
      feeds: batches.values(),
      onBatch: ({ examples }) => seen.push(examples),
    });
    expect(result).toEqual({ examples: 10, correct: 4, accuracy: 0.4, loss: 1.6 });
    expect(seen).toEqual([8, 10]);
  });

  it('knows no accuracy where nothing is counted, and stops when told to', async () => {
    const { session } = fakeSession([1, 1], null);
    expect(await evaluate(session, { feeds: numbered(2) })).toMatchObject({ accuracy: null, examples: 8 });
    expect(await evaluate(session, { feeds: numbered(2), signal: AbortSignal.abort() })).toMatchObject({
      examples: 0,
    });
  });

  it('takes norms of float variables', () => {
    const variables = new Map([
      ['w', tensorOf('float32', [2], [3, 4])],
      ['global_step', scalar('int64', 7)],
    ]);
    expect([...variableNorms(variables)]).toEqual([['w', 5]]);
  });
});
