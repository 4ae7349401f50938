import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../src/run.js';
import { json, placewright, RECORDED, temporaryFolder, testIo } from './support.js';

const at = temporaryFolder();
const REFERENCE = ['--engine', 'reference'];
const TINY = ['train', '--model', 'tiny', ...REFERENCE, '--silence', 'PW_IMBALANCE'];
const TWO = [...TINY, '--num-gpus', '2', '--steps', '3'];

interface Recorded {
  readonly losses: readonly number[];
  readonly finalNorms: Readonly<Record<string, number>>;
  readonly options: { readonly model: string };
}

const localCases = readdirSync(RECORDED).filter(
  (name) => /^tiny.*_n\d/.test(name) && !name.includes('_dist_'),
);

/** The command line of a recorded run. */
function recordedRun(name: string, engine: string): { golden: Recorded; argv: string[] } {
  const golden = JSON.parse(readFileSync(join(RECORDED, name), 'utf8')) as Recorded;
  const tensors = join(RECORDED, `${golden.options.model}.tensors.json`);
  const argv = [
    'train',
    '--options',
    join(RECORDED, name),
    '--tensors',
    tensors,
    '--steps',
    '15',
    '--engine',
    engine,
    '--json',
  ];
  return { golden, argv };
}

const relative = (a: number, b: number): number => (a === b ? 0 : Math.abs(a - b) / Math.abs(b));

describe.each([
  ['reference', localCases],
  [
    'embedded',
    [
      'tiny_sgd_repl_n2.json',
      'tiny_sgd_repl_n2_lrdivn.json',
      'tiny_momentum_psstaged_n2.json',
      'tinybn_sgd_ps_n2.json',
    ],
  ],
])('recorded runs on the %s engine', (engine, cases) => {
  it.each(cases)('%s', async (name) => {
    const { golden, argv } = recordedRun(name, engine);
    const result = await json<Recorded>(...argv);
    expect(Object.keys(result)).toEqual(['losses', 'finalNorms']);
    expect(result.losses).toHaveLength(15);
    expect(Object.keys(result.finalNorms).sort()).toEqual(Object.keys(golden.finalNorms).sort());
    result.losses.forEach((loss, i) => {
      expect(relative(loss, golden.losses[i] as number)).toBeLessThan(1e-5);
    });
    for (const [variable, norm] of Object.entries(golden.finalNorms)) {
      expect(relative(result.finalNorms[variable] as number, norm), variable).toBeLessThan(1e-5);
    }
  });
});

it('adds recorded runs up in float64 unless told otherwise', async () => {
  const { argv } = recordedRun('tiny_sgd_ps_n2.json', 'embedded');
  const plain = await json<Recorded>(...argv);
  expect(await json<Recorded>(...argv, '--accumulate', 'float64')).toEqual(plain);
  const { losses } = await json<Recorded>(...argv, '--accumulate', 'float32');
  expect(losses).not.toEqual(plain.losses);
  losses.forEach((loss, i) => {
    expect(relative(loss, plain.losses[i] as number)).toBeLessThan(1e-3);
  });
});

describe('a training run', () => {
  it('says what ran where and how well it learned', async () => {
    const { code, out, err } = await placewright(...TINY, '--num-gpus', '2', '--steps', '60');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /^tiny by parameter_server: 2 towers of 8 images, 60 steps on synthetic, \d+ images\n/,
    );
    expect(out).toMatch(/\/device:GPU:1 +→ /);
    expect(out).toMatch(/device +bound to +vars +MB +nodes +updates +sent +received/);
    const accuracy = Number(/Test accuracy: ([\d.]+) % of \d+ images/.exec(out)?.[1]);
    expect(accuracy).toBeGreaterThan(80);
  });

  it('writes a page, the lowered graph and a trace', async () => {
    const [page, text, trace] = [at('run.html'), at('run.pw'), at('run.trace.json')];
    const { code, out } = await placewright(
      ...TWO,
      '--report',
      page,
      '--out',
      text,
      '--trace',
      trace,
      '--engine',
      'embedded',
    );
    expect(code).toBe(0);
    for (const file of [page, text, trace]) expect(out).toContain(file);
    expect(readFileSync(page, 'utf8')).toContain('3 of 3');
    expect((await placewright('verify', text)).code).toBe(0);
    expect(JSON.parse(readFileSync(trace, 'utf8'))).toHaveProperty('traceEvents.50');
  });

  it('refuses a trace of an engine that records none', async () => {
    const { code, err } = await placewright(...TWO, '--trace', at('none.json'));
    expect(code).toBe(1);
    expect(err).toMatch(/^error\[PW_ENGINE_TRACE\]/);
    expect(existsSync(at('none.json'))).toBe(false);
  });

  it('gives advice when the loss ends high', async () => {
    const high = [...TWO, '--learning-rate', '2', '--steps', '15'];
    const { code, err } = await placewright(...high);
    expect(code).toBe(0);
    expect(err).toMatch(
      /^warning\[PW_LOSS_LARGE\]: the loss ends at .*\n {2}do: lower --learning-rate, which was 2,/,
    );
  });

  it('prints JSON and nothing else', async () => {
    const result = await json<Record<string, unknown>>(...TWO, '--json');
    expect(result).toMatchObject({
      model: 'tiny',
      engine: 'reference',
      accumulate: 'float32',
      reason: 'done',
      steps: 3,
      stepsWanted: 3,
    });
    expect(result.losses).toHaveLength(3);
    expect(result.finalNorms).toHaveProperty('v/conv0/biases');
    expect(result.bindings).toHaveLength(3);
    expect(result.test).toMatchObject({ examples: 1024 });
  });

  it('shows no progress when quiet', async () => {
    const { out } = await placewright(...TWO, '--quiet');
    expect(out).not.toContain('step ');
    expect(out).toContain('Test accuracy');
  });

  it('rewrites one line on a terminal', async () => {
    const io = testIo({ terminal: true, columns: 120 });
    expect(await run([...TINY, '--steps', '40'], io)).toBe(0);
    const lines = io.stdout.text.split('\r\x1b[K').filter((line) => line.includes('step 40/40'));
    const last = lines.at(-1) ?? '';
    expect(last).toMatch(
      /^━+ {2}step 40\/40 {2}loss \(mean of 20\) .* images\/s {2}in (\d+\.\d s|\d+:\d\d)\n/,
    );
  });

  it('counts epochs in images', async () => {
    const { stepsWanted } = await json<{ stepsWanted: number }>(
      ...TINY,
      '--num-gpus',
      '2',
      '--epochs',
      '0.01',
      '--json',
    );
    expect(stepsWanted).toBe(Math.ceil((0.01 * 4096) / 16));
  });

  it('repeats itself, and differs with another seed', async () => {
    const losses = async (seed: string) =>
      (await json<{ losses: number[] }>(...TWO, '--seed', seed, '--json')).losses;
    expect(await losses('1')).toEqual(await losses('1'));
    expect(await losses('1')).not.toEqual(await losses('2'));
  });
});

describe('summed gradients', () => {
  const warnings = async (...more: string[]): Promise<number> => {
    const { err } = await placewright(...TWO, '--strategy', 'replicated', ...more);
    return err.split('warning[PW_REDUCTION_SUM]').length - 1;
  };

  it('are warned of once, unless the user chose the rate, the mean or one tower', async () => {
    expect(await warnings()).toBe(1);
    expect(await warnings('--json')).toBe(1);
    expect(await warnings('--reduction', 'mean')).toBe(0);
    expect(await warnings('--learning-rate', '0.01')).toBe(0);
    expect(await warnings('--num-gpus', '1')).toBe(0);
  });
});

describe('Ctrl-C', () => {
  it('stops with what there is', async () => {
    const io = testIo();
    const page = at('stopped.html');
    const ended = run([...TINY, '--steps', '1000000', '--report', page], io);
    setTimeout(() => io.press(), 150);
    expect(await ended).toBe(130);
    expect(io.stdout.text).toMatch(/Stopped: \d+ of 1000000 steps .*Nothing was tested\./);
    expect(io.stdout.text).toContain('What ran where, ');
    expect(readFileSync(page, 'utf8')).toContain('Stopped by hand');
    expect(io.aborted).toEqual([]);
  });
});

describe('a loss that is not finite', () => {
  it('ends the run with an error, after the page is written', async () => {
    const page = at('diverged.html');
    const { code, err } = await placewright(
      ...TINY,
      '--learning-rate',
      '1e6',
      '--steps',
      '50',
      '--report',
      page,
    );
    expect(code).toBe(1);
    expect(err).toMatch(
      /error\[PW_TRAIN_DIVERGED\]: the loss is (NaN|Infinity) at step \d+\n {2}do: lower --learning-rate/,
    );
    expect(readFileSync(page, 'utf8')).toContain('no longer finite');
  });
});

describe('bad input to train', () => {
  const tensors = join(RECORDED, 'tiny.tensors.json');
  const tinyTensors = () => JSON.parse(readFileSync(tensors, 'utf8'));
  const written = (name: string, text: string): string => {
    writeFileSync(at(name), text);
    return at(name);
  };

  it('is refused before anything runs', async () => {
    const nan = tinyTensors();
    const bytes = Buffer.from(nan.batch.images.base64, 'base64');
    bytes.writeFloatLE(Number.NaN, 40);
    nan.batch.images.base64 = bytes.toString('base64');
    const stranger = tinyTensors();
    stranger.initial['conv9/biases'] = stranger.initial['conv0/biases'];
    const lines: [string, string[]][] = [
      ['PW_ENGINE_UNKNOWN', ['train', '--model', 'tiny', '--engine', 'embeded']],
      ['PW_OPTION_CONFLICT', [...TINY, '--steps', '1', '--epochs', '1']],
      ['PW_CLUSTER_SIZE', [...TINY, '--num-gpus', '10000']],
      ['PW_FILE_WRITE', [...TWO, '--report', at('')]],
      ['PW_FILE_WRITE', [...TWO, '--trace', at('none/trace.json')]],
      ['PW_FILE_SAME', [...TWO, '--report', at('x'), '--trace', at('x')]],
      ['PW_TENSORS_FILE', [...TINY, '--tensors', at('none.json')]],
      [
        'PW_TENSORS_JSON',
        [...TINY, '--tensors', written('cut.json', readFileSync(tensors, 'utf8').slice(0, 5000))],
      ],
      ['PW_TENSORS_NAN', [...TINY, '--tensors', written('nan.json', JSON.stringify(nan))]],
      ['PW_TENSORS_ROWS', [...TINY, '--tensors', tensors, '--batch-size', '17']],
      ['PW_TENSORS_BATCH', ['train', '--model', 'mlp', ...REFERENCE, '--tensors', tensors]],
      ['PW_TENSORS_VARIABLE', [...TINY, '--tensors', written('more.json', JSON.stringify(stranger))]],
    ];
    for (const [code, argv] of lines) {
      const { code: ended, err } = await placewright(...argv);
      expect(err, argv.join(' ')).toContain(`error[${code}]`);
      expect(ended).toBe(code === 'PW_OPTION_CONFLICT' ? 2 : 1);
    }
  });

  it('leaves no half-written file', () => {
    expect(readdirSync(at('')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
