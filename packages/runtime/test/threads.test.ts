import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type PlacewrightError, type TensorRef, tensorOf } from '@placewright/ir';
import { afterEach, describe, expect, test } from 'vitest';
import { embeddedEngine } from '../src/engines/embedded/engine.js';
import { workerUrl } from '../src/engines/embedded/worker-url.js';
import { findEngine } from '../src/engines/registry.js';
import { summarizeTrace } from '../src/trace.js';
import { type Build, copied, floats, GPU0, GPU1, moduleOf } from './build.js';

// With real threads, whose program is the built one: see worker-url.ts.

const refusal = (code: string) => expect.objectContaining({ code });

/** Products of a large matrix with itself, one after the other. */
function products(b: Build, x: TensorRef, count: number, device: string): TensorRef {
  let at = x;
  for (let i = 0; i < count; i++) at = b.op('MatMul', [at, x], {}, { device });
  return b.op('Sum', [at], { axis: [0, 1] }, { device });
}

const SIZE = 384;
const matrix = tensorOf('float32', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1 / SIZE));

describe('threads', () => {
  test('two devices compute at the same time, and this thread stays free', async () => {
    const module = moduleOf((b) => {
      const sums = [GPU0, GPU1].map((device) =>
        products(b, b.feed(device, 'float32', [SIZE, SIZE], device), 40, device),
      );
      b.entry('step', { left: sums[0] as TensorRef, right: sums[1] as TensorRef }, []);
    });
    const session = await embeddedEngine.load(module, { trace: true, threadsPerDevice: 1 });
    try {
      expect(session.bindings.map(({ device, target }) => [device, target])).toEqual([
        [GPU0, 'cpu worker 0'],
        [GPU1, 'cpu worker 1'],
      ]);
      const feeds = new Map([GPU0, GPU1].map((device) => [device, matrix]));
      await session.run('step', feeds);
      session.takeTrace();
      let ticks = 0;
      const ticking = setInterval(() => {
        ticks += 1;
      }, 1);
      const got = await session.run('step', feeds);
      clearInterval(ticking);
      expect(Number(got.get('left')?.data[0])).toBeCloseTo(SIZE, 1);
      expect(Number(got.get('right')?.data[0])).toBeCloseTo(SIZE, 1);
      expect(ticks).toBeGreaterThan(0);
      expect(summarizeTrace(session.takeTrace()).overlap).toBeGreaterThan(0.1);
    } finally {
      await session.close();
    }
  });

  test('values, variables and sums cross between threads', async () => {
    const count = 50_000;
    const module = moduleOf((b) => {
      const outs = [GPU0, GPU1].map((device, replica) => {
        const v = b.variable(
          `v${replica}`,
          tensorOf('float32', [count], new Float32Array(count).fill(replica + 1)),
          device,
        );
        const read = b.op('ReadVariableOp', [], {}, { resources: [v], device });
        const attrs = { shared_name: 'all', num_devices: 2 };
        const sum = b.op('NcclAllReduce', [read], attrs, { device, replica });
        return b.op('AssignSubVariableOp', [sum], {}, { resources: [v], device });
      });
      const there = copied(b, b.op('Neg', [b.feed('x', 'float32', [1], GPU0)], {}, { device: GPU0 }), GPU1);
      b.entry('step', { there }, outs);
    });
    const session = await embeddedEngine.load(module);
    try {
      await session.run('init');
      const got = await session.run('step', new Map([['x', floats(5)]]));
      expect(got.get('there')?.data[0]).toBe(-5);
      const variables = await session.readVariables();
      expect([variables.get('v0')?.data.at(-1), variables.get('v1')?.data.at(-1)]).toEqual([-2, -1]);
    } finally {
      await session.close();
    }
  });

  test('a run that takes too long is given up, and the session with it', async () => {
    const module = moduleOf((b) => {
      b.entry('step', { y: products(b, b.feed('x', 'float32', [SIZE, SIZE]), 400, '/device:CPU:0') }, []);
    });
    const session = await embeddedEngine.load(module, { stepTimeoutMs: 20 });
    const feeds = new Map([['x', matrix]]);
    await expect(session.run('step', feeds)).rejects.toThrow(refusal('PW_STEP_TIMEOUT'));
    await expect(session.run('step', feeds)).rejects.toThrow(refusal('PW_STEP_TIMEOUT'));
    await session.close();
  });
});

describe('a process', () => {
  const run = promisify(execFile);
  const dist = pathToFileURL(join(import.meta.dirname, '..', 'dist', 'index.js')).href;
  const passes = pathToFileURL(join(import.meta.dirname, '..', '..', 'passes', 'dist', 'index.js')).href;
  const models = pathToFileURL(join(import.meta.dirname, '..', '..', 'models', 'dist', 'index.js')).href;
  const program = (end: string): string => `
    const { findEngine } = await import(${JSON.stringify(dist)});
    const { compile } = await import(${JSON.stringify(passes)});
    const { lookupModel } = await import(${JSON.stringify(models)});
    const { module } = compile(lookupModel('tiny').factory(), { strategy: 'replicated', numGpus: 2 });
    const session = await findEngine('embedded').load(module);
    await session.run('init');
    ${end}
    console.log('end of program');`;

  test.for([
    ['after close', 'await session.close();'],
    ['without close too, once nothing runs', ''],
    [
      'after an error',
      "await session.run('step').catch((error) => console.log(error.code)); await session.close();",
    ],
  ] as const)('ends by itself %s', async ([, end]) => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program(end)], {
      timeout: 20_000,
    });
    expect(stdout).toContain('end of program');
  });
});

describe('the program of a thread', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  /** A package with a source and, if wanted, a build from before or after it. */
  function packageWith(build: 'none' | 'old' | 'new'): string {
    const home = mkdtempSync(join(tmpdir(), 'placewright-'));
    folders.push(home);
    for (const folder of ['src', 'dist']) mkdirSync(join(home, folder, 'engines'), { recursive: true });
    const source = join(home, 'src', 'engines', 'worker.ts');
    writeFileSync(source, '');
    if (build === 'none') return source;
    writeFileSync(join(home, 'dist', 'engines', 'worker.js'), '');
    writeFileSync(join(home, 'dist', '.tsbuildinfo'), '');
    const time = build === 'old' ? new Date(0) : new Date(Date.now() + 10_000);
    utimesSync(join(home, 'dist', '.tsbuildinfo'), time, time);
    return source;
  }

  test('is the built one of the same sources', () => {
    expect(workerUrl(packageWith('new')).pathname).toMatch(/dist\/engines\/worker\.js$/);
  });

  test.for(['none', 'old'] as const)('is refused when its build is %s', (build) => {
    expect(() => workerUrl(packageWith(build))).toThrow(refusal('PW_ENGINE_WORKER'));
  });
});

test('an engine is found by name, or the nearest one is named', () => {
  expect(findEngine('embedded')).toBe(embeddedEngine);
  const error = (() => {
    try {
      return findEngine('embeded');
    } catch (reason) {
      return reason as PlacewrightError;
    }
  })();
  expect(error).toEqual(refusal('PW_ENGINE_UNKNOWN'));
});

test('the probe says which providers there are, and what the missing ones need', async () => {
  const { available, version, details } = await embeddedEngine.probe();
  expect(available).toBe(true);
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(details.find(({ name }) => name === 'provider cpu')?.status).toBe('available');
  for (const { status, how } of details) if (status === 'missing') expect(how).toBeTruthy();
});

test('every built-in op is run somehow, or refused with a reason', () => {
  const ops = embeddedEngine.ops();
  const how = new Map(ops.map((support) => [support.op, support.how]));
  expect(how.get('AllReduce')).toMatch(/^refused: /);
  expect(ops.every((support) => /^(onnx: |runtime|refused: )/.test(support.how))).toBe(true);
  expect(how.get('Conv2D')).toBe('onnx: Conv (float32)');
  expect(how.get('MatMul')).toBe('onnx: MatMul or Gemm (float32, float64)');
  expect(how.get('Reshape')).toMatch(/^onnx: Reshape \(not float16, bfloat16, string\)$/);
  expect(how.get('Fill')).toBe('runtime kernel (not float16, bfloat16, string)');
  expect(how.get('NoOp')).toBe('runtime: order alone');
});
