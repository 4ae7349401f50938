import { readFileSync, writeFileSync } from 'node:fs';
import { STRATEGIES } from '@placewright/passes';
import { describe, expect, it } from 'vitest';
import { run } from '../src/run.js';
import { json, placewright, temporaryFolder, testIo } from './support.js';

const at = temporaryFolder();
const COMMANDS = [
  'train',
  'compile',
  'facts',
  'verify',
  'strategies',
  'passes',
  'models',
  'engines',
  'cluster',
];

describe('help', () => {
  it('is what the bare command shows', async () => {
    const { code, out, err } = await placewright();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of COMMANDS) expect(out).toContain(`\n  ${command} `);
    expect(out).toContain('Examples:');
  });

  it.each(COMMANDS)('of %s teaches with examples', async (command) => {
    const { code, out } = await placewright(command, '--help');
    expect(code).toBe(0);
    expect(out).toMatch(/Usage: placewright/);
    expect(out).toMatch(/Examples:\n( {2}# .+\n)+ {2}placewright /);
    expect(out).toContain('--json');
    expect(out.split('\n').filter((line) => !line.startsWith('  placewright') && line.length > 110)).toEqual(
      [],
    );
    expect((await placewright('help', command)).out).toBe(out);
  });

  it('shows the version', async () => {
    expect((await placewright('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('a mistake', () => {
  const tiny = ['compile', '--model', 'tiny'];
  it.each([
    [2, 'PW_USAGE_COMMAND', ['trian'], 'did you mean train?'],
    [2, 'PW_USAGE_FLAG', [...tiny, '--num-gpu', '2'], 'did you mean --num-gpus?'],
    [2, 'PW_USAGE_FLAG', [...tiny, '--strategi=x'], 'did you mean --strategy?'],
    [2, 'PW_USAGE_VALUE_MISSING', ['compile', '--model'], '--help'],
    [2, 'PW_USAGE_ARGUMENT', ['verify'], '--help'],
    [2, 'PW_USAGE_ARGUMENT', [...tiny, 'more'], '--help'],
    [2, 'PW_OPTION_MISSING', ['compile'], 'lenet'],
    [2, 'PW_OPTION_CONFLICT', [...tiny, '--gradient-clip', '1', '--clip-global-norm', '1'], 'one of the two'],
    [1, 'PW_MODEL_UNKNOWN', ['compile', '--model', 'lenett'], 'did you mean lenet?'],
    [1, 'PW_STRATEGY_UNKNOWN', [...tiny, '--strategy', 'replicate'], 'did you mean replicated?'],
    [1, 'PW_STRATEGY_ILLEGAL', [...tiny, '--strategy', 'distributed_replicated'], '--strategy replicated'],
    [
      1,
      'PW_STRATEGY_ILLEGAL',
      [...tiny, '--strategy', 'independent', '--staged-vars'],
      '--staged-vars false',
    ],
    [1, 'PW_OPTION_VALUE', [...tiny, '--optimizer', 'sdg'], 'did you mean sgd?'],
    [1, 'PW_OPTION_VALUE', [...tiny, '--num-gpus', 'two'], 'whole number'],
    [1, 'PW_OPTION_VALUE', [...tiny, '--use-nccl', 'maybe'], 'true or false'],
    [1, 'PW_OPTION_RANGE', [...tiny, '--batch-size', '0'], '1 to 65536'],
    [1, 'PW_OPTION_RANGE', [...tiny, '--learning-rate', '-1'], 'from 0'],
    [1, 'PW_CLUSTER_SIZE', [...tiny, '--num-gpus', '10000'], '1024'],
    [1, 'PW_PASS_UNKNOWN', [...tiny, '--print-after', 'autodif'], 'did you mean autodiff?'],
    [1, 'PW_PASS_UNKNOWN', ['passes', 'legalize'], 'did you mean legalise?'],
    [1, 'PW_STRATEGY_UNKNOWN', ['strategies', 'x'], 'independent'],
    [1, 'PW_FILE_READ', ['verify', '/nowhere/x.pw'], 'path'],
    [1, 'PW_FILE_READ', [...tiny, '--options', '/nowhere/x.json'], 'path'],
    [1, 'PW_FILE_WRITE', [...tiny, '--out', '/nowhere/x.pw'], 'another file'],
    [1, 'PW_FILE_SAME', [...tiny, '--out', 'x.pw', '--json', './x.pw'], 'name of its own'],
  ])('ends with %i and %s: %j', async (code, error, argv, hint) => {
    const { code: ended, out, err } = await placewright(...argv);
    expect(err).toContain(`error[${error}]: `);
    expect({ ended, out }).toEqual({ ended: code, out: '' });
    expect(err).toContain(hint);
    expect(err).toMatch(/\n {2}do: \S/);
    expect(err).not.toMatch(/\n +at .*[:(]\d+/);
  });

  it('is a JSON object with --json', async () => {
    const { code, err } = await placewright(...tiny, '--num-gpus', '10000', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'PW_CLUSTER_SIZE', kind: 'user' } });
  });

  it('shows a stack only when asked', async () => {
    expect((await placewright('verify', '/nowhere/x', '--debug')).err).toMatch(/ at .*files\.ts/);
    const io = testIo({ env: { PLACEWRIGHT_DEBUG: '1' } });
    await run(['verify', '/nowhere/x'], io);
    expect(io.stderr.text).toMatch(/ at .*files\.ts/);
  });
});

describe('a flag that changes nothing', () => {
  const compile = (...flags: string[]) =>
    placewright('compile', '--model', 'tiny', '--num-gpus', '2', ...flags);

  it.each([
    [['--use-nccl'], '--use-nccl does nothing with parameter_server', '--strategy replicated'],
    [['--use-nccl', 'false'], '--use-nccl does nothing with parameter_server', '--strategy replicated'],
    [
      ['--strategy', 'independent', '--local-parameter-device', 'cpu'],
      '--local-parameter-device does nothing with independent',
      '--strategy parameter_server',
    ],
    [
      ['--strategy', 'replicated', '--local-parameter-device', 'cpu'],
      '--local-parameter-device does nothing with replicated',
      '--strategy parameter_server, or use --use-nccl false',
    ],
    [
      ['--cross-replica-sync', 'false'],
      '--cross-replica-sync does nothing with parameter_server',
      '--ps-hosts and --worker-hosts',
    ],
  ])('is warned of: %j', async (flags, warning, hint) => {
    const { code, out, err } = await compile(...flags);
    expect(code).toBe(0);
    const text = err.replace(/\n {4,}/g, ' ');
    expect(text).toContain(`warning[PW_OPTION_IGNORED]: ${warning} here: `);
    expect(text).toContain(`\n  do: leave it out, or use ${hint}\n`);
    expect(text.match(/^warning\[PW_OPTION_IGNORED\]/gm)).toHaveLength(1);
    expect(out).toContain('2 towers');
    expect((await compile(...flags, '--json')).err).toBe(err);
  });

  it('is warned of by train, too', async () => {
    const argv = ['train', '--model', 'tiny', '--engine', 'reference', '--steps', '1', '--use-nccl'];
    expect((await placewright(...argv)).err).toContain('warning[PW_OPTION_IGNORED]: --use-nccl');
  });

  it('is none when the strategy takes it, and may stand in an options file', async () => {
    expect(
      (await compile('--strategy', 'replicated', '--use-nccl', 'false', '--reduction', 'mean')).err,
    ).toBe('');
    const file = at('flags.json');
    writeFileSync(
      file,
      JSON.stringify({ variable_update: 'independent', use_nccl: true, local_parameter_device: 'cpu' }),
    );
    const { code, err } = await compile('--options', file, '--silence', 'PW_TOWERS_DIFFER');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });
});

it('calls a fault of its own one, with a code and a request to report it', async () => {
  const io = testIo();
  const broken = {
    ...io,
    stdout: {
      ...io.stdout,
      write: () => {
        throw new TypeError('no such thing');
      },
    },
  };
  expect(await run(['models'], broken)).toBe(70);
  expect(io.stderr.text).toMatch(/error\[PW_INTERNAL\]: TypeError: no such thing\n {2}do: .*report/);
  expect(io.stderr.text).not.toContain('commands.test');
});

describe('lists', () => {
  it('show strategies, and what follows from one', async () => {
    const { strategies } = await json<{ strategies: { name: string; passes: string[] }[] }>(
      'strategies',
      '--json',
    );
    expect(strategies.map(({ name }) => name)).toEqual(STRATEGIES.map(({ name }) => name));
    expect(strategies.find(({ name }) => name === 'replicated')?.passes).toContain('rewrite-all-reduce');
    expect((await placewright('strategies')).out).toMatch(/parameter_server +--local-parameter-device/);
    expect((await placewright('strategies', 'replicated')).out).toMatch(/aggregation +allReduce/);
  });

  it('show passes with their typed options', async () => {
    const { passes } = await json<{ passes: { name: string; options: object }[] }>('passes', '--json');
    expect(passes[0]).toMatchObject({ name: 'autodiff', options: { weightDecay: { default: 0 } } });
    const lines = (await placewright('passes')).out.split('\n');
    for (const { name } of passes)
      expect(lines.filter((line) => line.startsWith(`${name} `))).toHaveLength(1);
    expect((await placewright('passes', 'aggregate-gradients')).out).toContain(
      'sum | mean, "mean" by default',
    );
  });

  it('show models', async () => {
    const { models } = await json<{ models: { name: string }[] }>('models', '--json');
    expect(models.map(({ name }) => name)).toContain('lenet');
    expect(models.find(({ name }) => name === 'resnet20_v2')).toMatchObject({
      ...{ batchSize: 128, learningRate: 0.1, dataSets: ['cifar10'] },
      input: { imageSize: 32, channels: 3, classes: 11 },
    });
    const { out } = await placewright('models');
    expect(out).toMatch(/lenet +28×28×3 +1001 +32 +imagenet/);
    expect(out).toMatch(/alexnet +32×32×3 +11 +128 +cifar10/);
  });
});

describe('compile', () => {
  const two = ['compile', '--model', 'tiny', '--num-gpus', '2'];

  it('shows devices, traffic and passes', async () => {
    const { code, out, err } = await placewright(
      ...two,
      '--strategy',
      'replicated',
      '--silence',
      'PW_REDUCTION_SUM',
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/device +vars +MB +nodes +updates +sent +received/);
    expect(out).toMatch(/\/device:GPU:1 +16 +0\.05 +\d+ +8 /);
    expect(out).toMatch(/rewrite-all-reduce +[\d.]+ +[\d.]+ +\d+/);
  });

  it('prints the summary as JSON', async () => {
    const summary = await json<{ devices: object[]; passes: object[]; towers: number }>(...two, '--json');
    expect(summary).toMatchObject({
      towers: 2,
      strategy: 'parameter_server',
      choices: { reduction: 'mean' },
    });
    expect(summary.devices).toHaveLength(3);
  });

  it('writes text and JSON that verify', async () => {
    const [text, document] = [at('tiny.pw'), at('tiny.json')];
    expect((await placewright(...two, '--out', text, '--json', document)).code).toBe(0);
    expect(readFileSync(text, 'utf8')).toMatch(/^placewright 1\nmodule "tiny" towers=2/);
    for (const file of [text, document]) {
      const result = await json<{ valid: boolean; nodes: number }>('verify', file, '--json');
      expect(result).toMatchObject({ valid: true, violations: [] });
      expect((await placewright('verify', file)).out).toContain(`${result.nodes} nodes, all invariants hold`);
    }
  });

  it('prints the graph after one pass or after all', async () => {
    const one = (await placewright(...two, '--print-after', 'autodiff')).out;
    expect(one).toMatch(/^=== after autodiff\nplacewright 1\n/);
    expect(one.match(/^=== after/gm)).toHaveLength(1);
    const { passes } = await json<{ passes: { pass: string }[] }>(...two, '--json');
    const all = (await placewright(...two, '--print-after', 'all')).out;
    expect([...all.matchAll(/^=== after (.*)$/gm)].map(([, name]) => name)).toEqual(
      passes.map(({ pass }) => pass),
    );
  });

  it('takes flags in snake and camel case, and the options of a file', async () => {
    const file = at('options.json');
    writeFileSync(
      file,
      '{"model": "tiny", "num_gpus": 2, "variable_update": "replicated", "use_nccl": false}',
    );
    const expected = { strategy: 'replicated', towers: 3, choices: { aggregation: 'copyInTurn' } };
    expect(await json('compile', '--options', file, '--num_gpus', '3', '--json')).toMatchObject(expected);
    expect(await json('compile', '--options', file, '--numGpus=3', '--json')).toMatchObject(expected);
  });
});

describe('verify', () => {
  it('ends with 1 and says what is broken and where', async () => {
    const file = at('broken.pw');
    await placewright(
      'compile',
      '--model',
      'tiny',
      '--num-gpus',
      '2',
      '--strategy',
      'replicated',
      '--out',
      file,
    );
    const text = readFileSync(file, 'utf8');
    const from = text
      .split('\n')
      .find((line) => line.includes('ResourceApplyMomentum') && line.includes('@/device:GPU:1'));
    expect(from).toBeDefined();
    writeFileSync(
      file,
      text.replace(from as string, (from as string).replace('@/device:GPU:1', '@/device:GPU:0')),
    );
    const { code, out, err } = await placewright('verify', file);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('error[PW_INVARIANT]: ');
    expect(err).toMatch(/\d+ breach/);
    const { valid, violations } = JSON.parse((await placewright('verify', file, '--json')).out);
    expect(valid).toBe(false);
    expect(violations[0].name).toMatch(/Momentum/);
  });

  it.each(['', 'not a graph', 'placewright 1\nmodule "x" towers=0 next=0\n'])('refuses %j', async (text) => {
    const file = at('bad.pw');
    writeFileSync(file, text);
    const { code, err } = await placewright('verify', file);
    expect(code).toBe(1);
    expect(err).toMatch(/^error\[PW_[A-Z_]+\]: /);
    expect(err).toContain(file);
  });

  it('refuses JSON that is none', async () => {
    const file = at('bad.json');
    writeFileSync(file, '{');
    expect((await placewright('verify', file)).err).toContain('error[PW_JSON]');
  });
});

describe('a warning of a compilation', () => {
  const two = ['compile', '--model', 'tiny', '--num-gpus', '2', '--strategy', 'replicated'];

  it('says why it matters and how to be rid of it, and is in the JSON', async () => {
    const { code, err, out } = await placewright(...two, '--json');
    expect(code).toBe(0);
    expect(err).toMatch(
      /^warning\[PW_REDUCTION_SUM\]: .*\n[\s\S]* {2}why: [\s\S]* {2}do: [\s\S]*--silence\s+PW_REDUCTION_SUM/,
    );
    const { warnings } = JSON.parse(out) as { warnings: { code: string; why: string }[] };
    expect(warnings.map((warning) => warning.code)).toEqual(['PW_REDUCTION_SUM']);
    expect(warnings[0]?.why).toContain('N times as long');
  });

  it('is silenced by its code, and by a learning rate of ones own where it is of the rate', async () => {
    expect((await placewright(...two, '--silence', 'PW_REDUCTION_SUM')).err).toBe('');
    expect((await placewright(...two, '--learning-rate', '0.01')).err).toBe('');
  });

  it('of a code that there is not is an error', async () => {
    const { code, err } = await placewright(...two, '--silence', 'PW_REDUCTION');
    expect(code).toBe(1);
    expect(err).toContain('error[PW_WARNING_UNKNOWN]');
  });
});
