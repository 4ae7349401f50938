import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../src/run.js';
import { json, placewright, RECORDED, temporaryFolder, testIo } from './support.js';

const at = temporaryFolder();
const REFERENCE = ['--engine', 'reference'];
const TINY = ['train', '--model', 'tinybn', ...REFERENCE, '--num-gpus', '2', '--batch-size', '4'];
const STAGED = [...TINY, '--staged-vars', '--local-parameter-device', 'cpu'];

interface Result {
  readonly losses: readonly number[];
  readonly accuracies: readonly number[];
  readonly finalNorms: Readonly<Record<string, number>>;
  readonly test: unknown;
  readonly steps: number;
  readonly files: { readonly checkpoint?: string };
}

const named = (step: number): string => `step-${String(step).padStart(10, '0')}.safetensors`;

/** What of a result does not depend on the time or on files. */
const essence = ({ losses, accuracies, finalNorms, test, steps }: Result) => ({
  ...{ losses, accuracies, finalNorms, test, steps },
});

describe('train --checkpoint-dir', () => {
  it('saves every so many steps and at the end, and keeps the last few', async () => {
    const folder = at('saves');
    const argv = [...TINY, '--steps', '11', '--checkpoint-dir', folder, '--save-every', '2', '--keep', '3'];
    const result = await json<Result>(...argv, '--json');
    expect(readdirSync(folder)).toEqual([8, 10, 11].map(named));
    expect(result.files.checkpoint).toBe(join(folder, named(11)));
  });

  it.each([
    ['staged variables', STAGED],
    ['replicas', [...TINY, '--strategy', 'replicated', '--reduction', 'mean']],
    ['independent towers', [...TINY, '--strategy', 'independent', '--optimizer', 'rmsprop']],
  ])('--resume ends with the report of one run, with %s', async (what, train) => {
    const folder = at(`resume ${what}`);
    const whole = await json<Result>(...train, '--steps', '9', '--json');
    const saving = [...train, '--checkpoint-dir', folder, '--save-every', '2', '--resume'];
    await json<Result>(...saving, '--steps', '5', '--json');
    const resumed = await json<Result>(...saving, '--steps', '9', '--json');
    expect(essence(resumed)).toEqual(essence(whole));
    // And again, with nothing left to do but to test.
    expect(essence(await json<Result>(...saving, '--steps', '9', '--json'))).toEqual(essence(whole));
  });

  it('says where it goes on, and shows the whole run in its report', async () => {
    const [folder, page] = [at('says'), at('says.html')];
    const argv = [...STAGED, '--checkpoint-dir', folder, '--resume'];
    const first = await placewright(...argv, '--steps', '2');
    expect(first.out).toContain(`saves checkpoints in ${folder}`);
    expect(first.out).toContain(`Checkpoint:    ${join(folder, named(2))}`);
    const { code, out } = await placewright(...argv, '--steps', '4', '--report', page);
    expect(code).toBe(0);
    expect(out).toContain(`goes on from ${join(folder, named(2))}: 2 of 4 steps done`);
    expect(out).toMatch(/Trained: 4 of 4 steps/);
    expect(readFileSync(page, 'utf8')).toContain('4 of 4');
  });

  it('repeats a recorded run in two parts', async () => {
    const golden = join(RECORDED, 'tiny_momentum_psstaged_n2.json');
    const tensors = join(RECORDED, 'tiny.tensors.json');
    const argv = ['train', '--options', golden, '--tensors', tensors, ...REFERENCE, '--json'];
    const whole = await json(...argv, '--steps', '15');
    const saving = [...argv, '--checkpoint-dir', at('recorded'), '--resume'];
    await json(...saving, '--steps', '7');
    expect(await json(...saving, '--steps', '15')).toEqual(whole);
  });

  it('saves what Ctrl-C leaves, and never a loss that is not finite', async () => {
    const io = testIo();
    const write = io.stdout.write.bind(io.stdout);
    io.stdout.write = (text) => {
      write(text);
      if (text.includes('saves checkpoints')) setTimeout(() => io.press(), 300);
    };
    const argv = [...TINY, '--steps', '100000', '--checkpoint-dir', at('pressed'), '--save-every', '99999'];
    expect(await run(argv, io)).toBe(130);
    const [name = ''] = readdirSync(at('pressed'));
    const shown = await json<{ step: number }>('checkpoint', join(at('pressed'), name), '--json');
    expect(shown.step).toBeGreaterThan(0);
    const steep = [...TINY, '--learning-rate', '1e6', '--steps', '50', '--checkpoint-dir', at('steep')];
    expect((await placewright(...steep)).err).toContain('PW_TRAIN_DIVERGED');
    expect(readdirSync(at('steep'))).toEqual([]);
  });
});

describe('another strategy', () => {
  const folder = at('other');
  const saving = ['--checkpoint-dir', folder, '--resume'];

  it('goes on from a checkpoint, with a warning, at the same place in the data', async () => {
    await json(...STAGED, ...saving, '--steps', '3', '--json');
    const replicated = [
      ...TINY,
      '--strategy',
      'replicated',
      '--reduction',
      'mean',
      ...saving,
      '--steps',
      '6',
    ];
    const { code, err } = await placewright(...replicated);
    expect(code).toBe(0);
    expect(err).toContain('PW_CHECKPOINT_OTHER');
    expect(err.replace(/\s+/g, ' ')).toContain('(parameter_server); what it has staged is left out');
    expect(err).not.toContain('begins anew');
    const shown = await json<{ progress: { batch: number }[]; step: number }>(
      'checkpoint',
      join(folder, named(6)),
      '--json',
    );
    expect(shown).toMatchObject({ step: 6, progress: [{ task: '', steps: 6, batch: 6 }] });
  });

  it('begins the order of other images anew', async () => {
    const { err } = await placewright(...STAGED, ...saving, '--steps', '7', '--seed', '5');
    expect(err.replace(/\s+/g, ' ')).toContain('it is of other images or batches, whose order begins anew');
  });

  it('begins with the variables alone by --checkpoint, whose folder may be named', async () => {
    const file = join(folder, named(3));
    const begin = [...TINY, '--strategy', 'independent', '--steps', '2', '--json'];
    const fresh = await json<Result>(...begin);
    const begun = await json<Result>(...begin, '--checkpoint', file);
    expect(begun.losses).toHaveLength(2);
    expect(begun.losses[0]).toBeLessThan(fresh.losses[0] ?? 0);
    const { losses } = await json<Result>(...begin, '--pretrain-dir', folder);
    expect(losses).not.toEqual(begun.losses);
    const { out } = await placewright(...begin.slice(0, -1), '--checkpoint', file);
    expect(out).toContain(`begins with the variables of ${file}`);
  });

  it('begins the slots of another optimizer anew only where that is asked for', async () => {
    const begin = [...TINY, '--optimizer', 'sgd', '--steps', '1', '--checkpoint', join(folder, named(3))];
    const { code, err } = await placewright(...begin);
    expect(code).toBe(1);
    expect(err).toContain('error[PW_CHECKPOINT_SLOT]');
    expect(err).toContain('--fresh-slots');
    expect((await placewright(...begin, '--fresh-slots')).code).toBe(0);
  });
});

describe('a cluster', () => {
  const CLUSTER = ['--num-ps', '2', '--num-workers', '2', '--num-gpus', '1', '--batch-size', '4'];
  const tasks = (...more: string[]) => ['train', '--model', 'tinybn', ...REFERENCE, ...CLUSTER, ...more];

  interface ClusterResult extends Result {
    readonly workers: readonly object[];
  }
  const whole = ({ workers, ...rest }: ClusterResult) => ({ ...essence(rest), workers });

  it.each([
    ['distributed_replicated', ['--strategy', 'distributed_replicated']],
    ['staged variables', ['--staged-vars']],
  ])('goes on to the results of one run, with %s', async (what, flags) => {
    const folder = at(`cluster ${what}`);
    const undisturbed = await json<ClusterResult>(...tasks(...flags), '--steps', '7', '--json');
    const saving = [...tasks(...flags), '--checkpoint-dir', folder, '--save-every', '2', '--resume'];
    await json(...saving, '--steps', '3', '--json');
    expect(readdirSync(folder)).toEqual([2, 3].map(named));
    const { out } = await placewright(...saving, '--steps', '5');
    expect(out).toContain(`goes on from ${join(folder, named(3))}: 3 of 5 steps done`);
    const resumed = await json<ClusterResult>(...saving, '--steps', '7', '--json');
    expect(whole(resumed)).toEqual(whole(undisturbed));
    expect(resumed.workers).toHaveLength(2);
    expect(resumed.files.checkpoint).toBe(join(folder, named(7)));
    const shown = await json<{ progress: { task: string }[] }>(
      'checkpoint',
      join(folder, named(7)),
      '--json',
    );
    expect(shown.progress.map(({ task }) => task)).toEqual(['/job:worker/task:0', '/job:worker/task:1']);
  });

  it('and one machine with as many images go on from each other', async () => {
    const folder = at('to and fro');
    const saving = ['--checkpoint-dir', folder, '--resume'];
    await json(...tasks('--strategy', 'distributed_replicated', ...saving), '--steps', '2', '--json');
    const local = await placewright(...TINY, '--strategy', 'replicated', '--steps', '4', ...saving);
    expect(local.code).toBe(0);
    expect(local.out).toContain('2 of 4 steps done');
    expect(local.err).toContain('PW_CHECKPOINT_OTHER');
    expect(local.err).not.toContain('begins anew');
    const back = await placewright(...tasks(...saving), '--steps', '6');
    expect(back.code).toBe(0);
    expect(back.out).toContain('4 of 6 steps done');
    expect(back.err).not.toContain('begins anew');
  });

  it('asynchronous, saves where its workers meet', async () => {
    const folder = at('apart');
    const saving = ['--checkpoint-dir', folder, '--save-every', '2', '--resume'];
    const apart = tasks('--cross-replica-sync', 'false', ...saving);
    await json(...apart, '--steps', '3', '--json');
    const { workers } = await json<ClusterResult>(...apart, '--steps', '5', '--json');
    expect(workers).toMatchObject([{ globalStep: 10 }, { globalStep: 10 }]);
  });
});

describe('is refused', () => {
  it('a folder with checkpoints, without --resume', async () => {
    const argv = [...TINY, '--steps', '1', '--checkpoint-dir', at('twice')];
    expect((await placewright(...argv)).code).toBe(0);
    const before = readFileSync(join(at('twice'), named(1)));
    const { code, err } = await placewright(...argv);
    expect(code).toBe(1);
    expect(err).toContain('error[PW_CHECKPOINT_DIR]: the folder has 1 checkpoint of an earlier run');
    expect(readFileSync(join(at('twice'), named(1))).equals(before)).toBe(true);
  });

  it.each([['--resume'], ['--save-every', '3'], ['--keep', '3']])('%s without a folder', async (...flags) => {
    const { code, err } = await placewright(...TINY, ...flags);
    expect(code).toBe(2);
    expect(err).toContain('add --checkpoint-dir DIR');
  });

  it('what is no folder, and a checkpoint that is none', async () => {
    writeFileSync(at('text'), 'no checkpoint');
    mkdirSync(at('none'));
    for (const [flags, code] of [
      [['--checkpoint-dir', at('text')], 'PW_CHECKPOINT_WRITE'],
      [['--checkpoint', at('text')], 'PW_CHECKPOINT_FORMAT'],
      [['--checkpoint', at('missing')], 'PW_CHECKPOINT_READ'],
      [['--checkpoint', at('none')], 'PW_CHECKPOINT_READ'],
    ] as const) {
      const { err } = await placewright(...TINY, '--steps', '1', ...flags);
      expect(err).toContain(`error[${code}]`);
    }
  });

  it('another model, with the file and the first difference', async () => {
    const file = join(at('twice'), named(1));
    const { code, err } = await placewright('train', '--model', 'tiny', ...REFERENCE, '--checkpoint', file);
    expect(code).toBe(1);
    expect(err).toContain('error[PW_CHECKPOINT_VARIABLE]');
    expect(err).toContain(`at: ${file}`);
  });
});

it('passes over what is damaged, and says so', async () => {
  const argv = [...TINY, '--checkpoint-dir', at('damaged'), '--save-every', '2', '--resume'];
  const whole = await json<Result>(...argv, '--steps', '4', '--json');
  const last = join(at('damaged'), named(4));
  writeFileSync(last, readFileSync(last).subarray(0, 2000));
  const { err } = await placewright(...argv, '--steps', '4');
  expect(err).toContain('warning[PW_CHECKPOINT_DAMAGED]');
  expect(essence(await json<Result>(...argv, '--steps', '4', '--json'))).toEqual(essence(whole));
});

describe('options files', () => {
  it('name the folder as tf_cnn_benchmarks does', async () => {
    const options = {
      model: 'tinybn',
      num_gpus: 2,
      batch_size: 4,
      train_dir: at('files'),
      save_model_secs: 9,
    };
    writeFileSync(at('options.json'), JSON.stringify(options));
    const { code } = await placewright(
      'train',
      '--options',
      at('options.json'),
      '--steps',
      '1',
      ...REFERENCE,
    );
    expect(code).toBe(0);
    expect(readdirSync(at('files'))).toEqual([named(1)]);
  });
});

describe('placewright checkpoint', () => {
  const file = join(at('shown'), named(2));

  it('shows the tensors and what the same strategy finds', async () => {
    await placewright(...STAGED, '--steps', '2', '--checkpoint-dir', at('shown'));
    const { code, out } = await placewright('checkpoint', file);
    expect(code).toBe(0);
    expect(out).toContain(`${file}: tinybn by parameter_server, 2 steps`);
    expect(out).toMatch(/sha256:[0-9a-f]{64} is right/);
    expect(out).toMatch(/conv0\/conv2d\/kernel +float32\[3, 3, 3, 8\] +864 B +variable/);
    expect(out).toMatch(/affine1\/biases\/Momentum +float32\[11\] +44 B +slot/);
    expect(out).toContain('2 steps, the last with the loss');
    expect(out).not.toContain('placewright.resume/');
    expect((await placewright('checkpoint', file, '--all')).out).toContain('placewright.resume/buffers/');
  });

  it('prints JSON', async () => {
    const shown = await json<{ tensors: { name: string; kind: string }[]; metadata: object }>(
      'checkpoint',
      file,
      '--json',
    );
    expect(shown).toMatchObject({ file, model: 'tinybn', strategy: 'parameter_server', step: 2 });
    expect(shown.tensors).toContainEqual({
      ...{ name: 'global_step', kind: 'variable', dtype: 'int64', shape: [], bytes: 8 },
    });
    expect(Object.keys(shown.metadata)).toEqual(['placewright.checkpoint', 'placewright.about']);
  });

  it('ends with 1 for what is none', async () => {
    const damaged = Buffer.from(readFileSync(file));
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    writeFileSync(at('bit'), damaged);
    expect(await placewright('checkpoint', at('bit'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('error[PW_CHECKPOINT_CHECKSUM]'),
    });
    expect((await placewright('checkpoint', at('shown'))).err).toContain('it is a folder');
  });
});
