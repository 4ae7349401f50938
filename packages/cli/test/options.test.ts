import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCase, readCase } from '../src/options/case-file.js';
import { normaliseFlags, readOptions } from '../src/options/command-line.js';
import { modelSettings } from '../src/options/settings.js';
import { ALL_OPTIONS, camelCase, findOption, kebabCase } from '../src/options/table.js';
import { parseOption } from '../src/options/values.js';
import { RECORDED } from './support.js';

const code = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'none';
};

const cased = (options: unknown) => () => parseCase(JSON.stringify(options));

describe('an options file', () => {
  it('takes names in snake and in camel case, nested or not', () => {
    const expected = { numGpus: 2, batchSize: 8, strategy: 'replicated', useNccl: false };
    const snake = { num_gpus: 2, batch_size: 8, variable_update: 'replicated', use_nccl: false };
    const camel = { numGpus: 2, batchSize: 8, variableUpdate: 'replicated', useNccl: false };
    for (const options of [snake, camel, { case: 'x', losses: [], options: snake }]) {
      expect(parseCase(JSON.stringify(options))).toEqual(expected);
    }
  });

  it('leaves out what means nothing here, and null', () => {
    expect(
      parseCase(
        '{"display_every": 10, "num_intra_threads": 1, "seed": null, "job_name": "", "ps_hosts": []}',
      ),
    ).toEqual({});
  });

  it('names the nearest option', () => {
    expect(cased({ num_gpu: 2 })).toThrow(/there is no option "num_gpu"/);
    expect(cased({ num_gpu: 2 })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('numGpus') }),
    );
  });

  it.each([
    ['PW_OPTION_UNKNOWN', { frobnicate: 1 }],
    ['PW_OPTION_UNKNOWN', { out: 'x' }],
    ['PW_OPTION_TWICE', { num_gpus: 2, numGpus: 2 }],
    ['PW_OPTION_VALUE', { num_gpus: 'two' }],
    ['PW_OPTION_VALUE', { num_gpus: [2] }],
    ['PW_OPTION_VALUE', { num_gpus: 2.5 }],
    ['PW_OPTION_VALUE', { optimizer: 'sdg' }],
    ['PW_OPTION_VALUE', { staged_vars: 'perhaps' }],
    ['PW_OPTION_RANGE', { batch_size: 0 }],
    ['PW_OPTION_RANGE', { learning_rate: -1 }],
    ['PW_OPTIONS_FORM', []],
    ['PW_OPTIONS_FORM', { options: 3 }],
    ['PW_OPTION_UNKNOWN', { controller_host: 'a:1' }],
  ])('is refused with %s: %j', (expected, options) => {
    expect(code(cased(options))).toBe(expected);
  });

  it('is refused when it is not JSON', () => {
    expect(code(() => parseCase('{"model": '))).toBe('PW_OPTIONS_JSON');
  });

  it('takes a name such as __proto__ for an unknown option', () => {
    expect(code(() => parseCase('{"__proto__": {"numGpus": 3}}'))).toBe('PW_OPTION_UNKNOWN');
    expect(code(() => parseCase('{"constructor": 3}'))).toBe('PW_OPTION_UNKNOWN');
  });

  it('is read from every recorded local run', () => {
    const cases = readdirSync(RECORDED).filter(
      (name) => /^tiny.*_n\d/.test(name) && !name.includes('_dist_'),
    );
    expect(cases.length).toBeGreaterThan(10);
    for (const name of cases) {
      const settings = modelSettings(readCase(join(RECORDED, name)), true);
      expect(settings.model.input.classes).toBe(settings.input.classes);
      expect(settings.training.weightDecay).toBe(4e-5);
      expect(settings.ownLearningRate).toBe(true);
    }
  });
});

describe('flags', () => {
  it('may be in kebab, snake or camel case', () => {
    expect(
      normaliseFlags(['train', '--num_gpus=2', '--numGpus', '2', '--num-gpus', '--a_b', '--', '--c_d']),
    ).toEqual([...['train', '--num-gpus=2', '--num-gpus', '2', '--num-gpus', '--a-b', '--', '--c_d']]);
  });

  it('have the same names in all three cases', () => {
    for (const name of Object.keys(ALL_OPTIONS)) {
      expect(camelCase(kebabCase(name))).toBe(name);
      expect(camelCase(kebabCase(name).replaceAll('-', '_'))).toBe(name);
      expect(findOption(name)?.name).toBe(name);
    }
  });

  it('go before the file, and put out its rivals', () => {
    const file = join(RECORDED, 'tiny_sgd_clip_ps_n2.json');
    const given = readOptions({ options: file, numGpus: '1', clipGlobalNorm: '3', data: 'mnist' });
    expect(given).toMatchObject({ numGpus: 1, batchSize: 8, clipGlobalNorm: 3, data: 'mnist' });
    expect(given).not.toHaveProperty('gradientClip');
    expect(given).not.toHaveProperty('dataName');
  });

  it('contradict each other when two names of one option differ', () => {
    expect(code(() => readOptions({ strategy: 'replicated', variableUpdate: 'independent' }))).toBe(
      'PW_OPTION_CONFLICT',
    );
    expect(readOptions({ strategy: 'replicated', variableUpdate: 'replicated' })).toEqual({
      strategy: 'replicated',
    });
  });
});

describe('settings', () => {
  it('have the defaults of the recorded runs, or those that learn well', () => {
    const recorded = modelSettings({ model: 'tiny' }, true).training;
    expect(recorded).toEqual({
      optimizer: { kind: 'sgd', learningRate: 0.05 },
      weightDecay: 4e-5,
      clip: { kind: 'none' },
    });
    expect(modelSettings({ model: 'lenet' }, false).training.optimizer.kind).toBe('momentum');
    expect(modelSettings({ model: 'tiny', optimizer: 'rmsprop' }, true).training.optimizer).toEqual({
      ...{ kind: 'rmsprop', learningRate: 0.05, decay: 0.9, momentum: 0.9, epsilon: 1 },
    });
  });

  it('take the input of the images', () => {
    expect(modelSettings({ model: 'lenet' }, false)).toMatchObject({
      data: 'mnist',
      input: { channels: 1, classes: 10 },
    });
    expect(modelSettings({ model: 'tiny' }, false)).toMatchObject({
      data: 'synthetic',
      input: { imageSize: 12 },
    });
    expect(modelSettings({ model: 'tiny', dataName: 'imagenet' }, true).input).toMatchObject({
      imageSize: 12,
      classes: 1001,
    });
    expect(modelSettings({ model: 'alexnet', dataName: 'cifar10' }, true)).toMatchObject({
      batchSize: 128,
      input: { imageSize: 32, channels: 3, classes: 11 },
    });
  });

  it.each([
    ['PW_OPTION_MISSING', {}],
    ['PW_MODEL_UNKNOWN', { model: 'lenett' }],
    ['PW_MODEL_DATA', { model: 'lenet', dataName: 'cifar10' }],
    ['PW_STRATEGY_UNKNOWN', { model: 'tiny', strategy: 'replicate' }],
    ['PW_STRATEGY_ILLEGAL', { model: 'tiny', strategy: 'distributed_replicated' }],
    ['PW_STRATEGY_ILLEGAL', { model: 'tiny', strategy: 'replicated', numPs: 1, numWorkers: 1 }],
    ['PW_OPTION_CONFLICT', { model: 'tiny', gradientClip: 1, clipGlobalNorm: 1 }],
    ['PW_OPTION_CONFLICT', { model: 'tiny', data: 'mnist', tensors: 'x' }],
  ] as const)('are refused with %s: %j', (expected, options) => {
    expect(code(() => modelSettings(options, false))).toBe(expected);
  });
});

it('reads every number that it prints, and nothing out of range', () => {
  const decl = { kind: 'count', min: 1, max: 1000, summary: '' } as const;
  fc.assert(
    fc.property(fc.integer({ min: -2000, max: 2000 }), (n) => {
      const inRange = n >= 1 && n <= 1000;
      expect(code(() => parseOption('n', decl, String(n)))).toBe(inRange ? 'none' : 'PW_OPTION_RANGE');
      if (inRange) expect(parseOption('n', decl, String(n))).toBe(n);
    }),
  );
});

it('takes the learning rate that a model needs, unless the run is a recorded one', () => {
  const rate = (model: string, recorded: boolean): number =>
    modelSettings({ model }, recorded).training.optimizer.learningRate;
  expect(rate('trivial', false)).toBe(0.0001);
  expect(rate('lenet', false)).toBe(0.02);
  expect(rate('trivial', true)).toBe(0.05);
});
