import { createInterpreter } from '@placewright/interp';
import { type Module, nodeName, PlacewrightError, type TensorRef, type TensorValue } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { type EngineCheck, engineSuite, readRecordedRuns, type SessionLike } from '../src/index.js';

/** The interpreter as if it were an engine; `spoil` changes what it gives. */
function load(module: Module, spoil: (value: TensorValue) => TensorValue = (value) => value): SessionLike {
  const session = createInterpreter(module);
  const tensor = (name: string): TensorRef => {
    for (const node of module.graph.nodes.values())
      for (const port of node.outputs.keys())
        if (`${nodeName(node)}:${port}` === name) return { node: node.id, port };
    throw new PlacewrightError('PW_FETCH_UNKNOWN', `there is no tensor ${name}`);
  };
  return {
    ...session,
    run: (entry, feeds = new Map(), { fetch = [] } = {}) => {
      const values = session.run(entry, feeds, { fetch: fetch.map(tensor) });
      return new Map([...values].map(([name, value]) => [name, spoil(value)]));
    },
  };
}

/** A loader of it. */
const loaded =
  (spoil?: (value: TensorValue) => TensorValue) =>
  (module: Module): SessionLike =>
    load(module, spoil);

const RUNS = readRecordedRuns(new URL('../data/goldens/training/', import.meta.url));
const shortest = RUNS.filter(({ name }) => name.endsWith('tiny_sgd_psstaged_n2'));

describe('the interpreter passes the suite of engines', () => {
  const checks = engineSuite(loaded(), { opRuns: 3, modelRuns: 4, recorded: { runs: shortest } });
  for (const { name, run } of checks) test(name, run);
});

test('an engine that is off by a thousandth does not', async () => {
  const spoil = (value: TensorValue): TensorValue =>
    value.data instanceof Float32Array ? { ...value, data: value.data.map((x) => x * 1.001 + 0.001) } : value;
  const checks = engineSuite(loaded(spoil), { opRuns: 3, modelRuns: 2, recorded: { runs: shortest } });
  const names = [
    'op Conv2D',
    'gradient of MatMul',
    'op Relu',
    'trains random models as the interpreter does',
    'values come out of a queue in order, as many steps later as were put before',
    'values come out of a staging area in order, as many steps later as were put before',
    ...shortest.map(({ name }) => `trains as recorded: ${name}`),
  ];
  for (const name of names) {
    const check = checks.find((candidate) => candidate.name === name);
    await expect(check?.run(), name).rejects.toThrow(PlacewrightError);
  }
});

test('an engine whose errors name no node, or another code, does not', async () => {
  const spoilt = (change: (error: PlacewrightError) => PlacewrightError) =>
    engineSuite((module: Module): SessionLike => {
      const session = load(module);
      return {
        ...session,
        run: (...args) => {
          try {
            return session.run(...args);
          } catch (error) {
            throw change(error as PlacewrightError);
          }
        },
      };
    });
  const nameless = spoilt(({ code, message }) => new PlacewrightError(code, message));
  const codeless = spoilt(({ message, where }) => new PlacewrightError('PW_OTHER', message, { where }));
  const find = (checks: readonly EngineCheck[], name: string) => checks.find((check) => check.name === name);
  for (const name of ['refuses a feed of another shape', 'refuses a variable without a value'])
    await expect(find(nameless, name)?.run(), name).rejects.toThrow(/names no node/);
  await expect(find(codeless, 'refuses no such entry')?.run()).rejects.toThrow(
    expect.objectContaining({ code: 'PW_OTHER' }),
  );
});

test('what the engine is loaded with is the suite’s to say', async () => {
  const seen: (string | undefined)[] = [];
  const note = (module: Module, options?: string): SessionLike => {
    seen.push(options);
    return load(module);
  };
  const recorded = { runs: shortest, loadOptions: 'exactly' };
  const checks = engineSuite(note, { opRuns: 1, loadOptions: 'as always', recorded });
  await checks.find(({ name }) => name === 'op Neg')?.run();
  await checks.at(-1)?.run();
  expect(seen).toEqual(['as always', 'exactly']);
});
