import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtinRegistry, parseModule } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { constantsPath } from '../src/module-files.js';
import { run } from '../src/run.js';
import { json, placewright, RECORDED, temporaryFolder, testIo } from './support.js';

const at = temporaryFolder();
const TENSORS = join(RECORDED, 'tiny.tensors.json');
const REFERENCE = ['--engine', 'reference'];
const CLUSTER = ['--num-ps', '2', '--num-workers', '2', '--num-gpus', '2', '--batch-size', '4'];
const TINY = ['train', '--model', 'tiny', ...CLUSTER, '--tensors', TENSORS, '--steps', '3'];

interface Recorded {
  readonly workers: readonly {
    readonly task: number;
    readonly losses: readonly number[];
    readonly global_step: number;
    readonly final_norms: Readonly<Record<string, number>>;
  }[];
}

interface Worker {
  readonly task: number;
  readonly losses: readonly number[];
  readonly globalStep: number;
  readonly finalNorms: Readonly<Record<string, number>>;
}

interface Result {
  readonly workers: readonly Worker[];
}

const worker = (result: Result, index: number): Worker => result.workers[index] as Worker;
const apart = (have: number | undefined, want: number): number =>
  Math.abs((have ?? Number.NaN) - want) / Math.abs(want);

describe.each(['reference', 'embedded'])('recorded clusters on the %s engine', (engine) => {
  it.each(readdirSync(RECORDED).filter((name) => name.includes('_dist_')))('%s', async (name) => {
    const golden = JSON.parse(readFileSync(join(RECORDED, name), 'utf8')) as Recorded;
    const options = ['--options', join(RECORDED, name), '--tensors', TENSORS, '--engine', engine];
    const result = await json<Result>('train', ...options, '--json');
    expect(Object.keys(result)).toEqual(['workers']);
    expect(result.workers.map(({ task, globalStep }) => [task, globalStep])).toEqual(
      golden.workers.map(({ task, global_step }) => [task, global_step]),
    );
    golden.workers.forEach(({ losses, final_norms }, i) => {
      const found = worker(result, i);
      expect(found.losses).toHaveLength(losses.length);
      expect(Object.keys(found.finalNorms).sort()).toEqual(Object.keys(final_norms).sort());
      losses.forEach((loss, k) => {
        expect(apart(found.losses[k], loss), `loss ${k} of worker ${i}`).toBeLessThan(1e-5);
      });
      for (const [variable, norm] of Object.entries(final_norms))
        expect(apart(found.finalNorms[variable], norm), variable).toBeLessThan(1e-5);
    });
  });
});

describe('a cluster in one process', () => {
  it('shows its workers in a table, and says what runs where', async () => {
    const files = ['--out', at('c.pw'), '--report', at('c.html')];
    const { code, out, err } = await placewright(
      ...TINY,
      ...REFERENCE,
      '--strategy',
      'distributed_replicated',
      ...files,
    );
    expect(err).not.toContain('error[');
    expect(code).toBe(0);
    expect(out).toContain('2 workers with 2 towers of 4 images each, 2 parameter servers, 3 steps');
    expect(out).toContain('/job:ps/task:1/device:CPU:0');
    expect(out).toMatch(/^worker\s+steps\s+first loss\s+last loss\s+images\s+global step$/m);
    expect(out).toMatch(/^worker 1\s+3\s+2\.8735\s+2\.1547\s+24\s+6$/m);
    expect(out).toContain('Trained: 3 of 3 steps');
    expect(readFileSync(at('c.html'), 'utf8')).toContain('2 workers, 2 parameter servers');
    const written = parseModule(readFileSync(at('c.pw'), 'utf8'), {
      registry: builtinRegistry,
      constants: new Map(),
    });
    expect(existsSync(constantsPath(at('c.pw')))).toBe(false);
    expect(written.towers).toBe(4);
    expect(written.entries.step?.feeds.map(({ name }) => name)).toContain('worker_1/images');
  });

  it('workers that do not wait for each other take all their steps, too', async () => {
    const how = ['--strategy', 'parameter_server', '--cross-replica-sync', 'false', ...REFERENCE, '--json'];
    const result = await json<Result>(...TINY, ...how);
    expect(result.workers.map(({ losses, globalStep }) => [losses.length, globalStep])).toEqual([
      [3, 6],
      [3, 6],
    ]);
    expect(worker(result, 0).finalNorms).toEqual(worker(result, 1).finalNorms);
  });

  it('feeds each worker its own part of the images, and tests with the first', async () => {
    const line = [
      'train',
      '--model',
      'mlp',
      '--strategy',
      'parameter_server',
      ...CLUSTER,
      '--steps',
      '2',
      '--json',
    ];
    const both = await json<
      Result & { readonly losses: number[]; readonly test: { readonly examples: number } }
    >(...line, ...REFERENCE, '--data', 'synthetic');
    expect(worker(both, 0).losses[0]).not.toBe(worker(both, 1).losses[0]);
    expect(both.losses[0]).toBeCloseTo(
      ((worker(both, 0).losses[0] ?? 0) + (worker(both, 1).losses[0] ?? 0)) / 2,
      10,
    );
    expect(both.test.examples).toBeGreaterThan(0);
  });

  it('writes a trace that names the workers', async () => {
    const { code } = await placewright(
      ...TINY,
      '--strategy',
      'parameter_server',
      '--trace',
      at('t.json'),
      '--quiet',
    );
    expect(code).toBe(0);
    const { traceEvents } = JSON.parse(readFileSync(at('t.json'), 'utf8')) as {
      traceEvents: { args: { task?: string } }[];
    };
    const tasks = new Set(traceEvents.flatMap(({ args }) => args.task ?? []));
    expect([...tasks].sort()).toEqual(['worker 0', 'worker 1']);
  });

  it('Ctrl-C ends all workers after the steps that are running', async () => {
    const io = testIo();
    const line = [
      ...TINY,
      '--strategy',
      'distributed_replicated',
      ...REFERENCE,
      '--steps',
      '10000',
      '--json',
    ];
    const ended = run(line, io);
    setTimeout(() => io.press(), 300);
    expect(await ended).toBe(130);
    const { workers } = JSON.parse(io.stdout.text) as Result;
    expect(worker({ workers }, 0).losses.length).toBe(worker({ workers }, 1).losses.length);
    expect(worker({ workers }, 0).globalStep).toBe(2 * worker({ workers }, 0).losses.length);
  });

  it.each([
    ['PW_CLUSTER_DISTRIBUTED', [...TINY, '--task-index', '1'], 1],
    ['PW_TENSORS_ROWS', [...TINY, '--batch-size', '8'], 1],
    ['PW_ENGINE_DEVICES', ['train', '--model', 'tiny', '--num-ps', '40', '--num-workers', '30'], 1],
  ])('refuses: %s', async (code, line, ends) => {
    const { code: ended, err } = await placewright(...line);
    expect(err).toContain(`error[${code}]`);
    expect(ended).toBe(ends);
  });
});
