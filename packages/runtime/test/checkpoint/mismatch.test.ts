import { readFileSync, writeFileSync } from 'node:fs';
import { scalar, tensorOf } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import {
  type Checkpoint,
  captureCheckpoint,
  loadCheckpoint,
  planRestore,
  readTensorFile,
  restoreCheckpoint,
  saveCheckpoint,
  writeTensorFile,
} from '../../src/checkpoint/index.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { type Compiled, compileCase, temporaryFolder } from './cases.js';
import { faultOf, resealed } from './support.js';

const at = temporaryFolder();

/** The checkpoint of a session that was only initialised. */
async function initial(compiled: Compiled): Promise<Checkpoint> {
  const session = await referenceEngine.load(compiled.module);
  await session.run('init');
  if (compiled.module.entries.postInit !== undefined) await session.run('postInit');
  return captureCheckpoint({ ...compiled, state: await session.readState(), step: 0 });
}

const momentum = compileCase('replicated nccl');
const plan = (compiled: Compiled, checkpoint: Checkpoint, slots: 'exact' | 'fresh' = 'exact') =>
  faultOf(() => planRestore(compiled.module, checkpoint, { ...compiled, slots }));

describe('a checkpoint that does not fit is refused with the first difference', () => {
  test.each([
    [
      'a shape',
      { 'conv1/conv2d/kernel': tensorOf('float32', [2], [1, 2]) },
      /"conv1\/conv2d\/kernel" is float32\[2\] in it, and float32\[3, 3, 8, 16\] in the model/,
    ],
    [
      'a dtype',
      { global_step: scalar('int32', 0) },
      /"global_step" is int32\[\] in it, and int64\[\] in the model/,
    ],
    [
      'a variable too many',
      { 'conv9/kernel': scalar('float32', 0) },
      /it holds "conv9\/kernel", which the model has not/,
    ],
  ])('%s', async (_, change, says) => {
    const checkpoint = await initial(momentum);
    const variables = new Map([...checkpoint.variables, ...Object.entries(change)]);
    const fault = await plan(momentum, { ...checkpoint, variables });
    expect(fault.code).toBe('PW_CHECKPOINT_VARIABLE');
    expect(fault.message).toMatch(says);
    expect(fault.hint).toContain('"tinybn" by replicated nccl after 0 steps');
  });

  test('a variable that is missing, with the one that it may be', async () => {
    const checkpoint = await initial(momentum);
    const variables = new Map(
      [...checkpoint.variables].map(([name, value]) => [
        name.replace('conv1/conv2d/kernel', 'conv1/conv2d/kern'),
        value,
      ]),
    );
    const fault = await plan(momentum, { ...checkpoint, variables }, 'fresh');
    expect(fault.message).toMatch(/it lacks "conv1\/conv2d\/kernel"; it has "conv1\/conv2d\/kern"/);
  });

  test('another model', async () => {
    const fault = await plan(
      momentum,
      await initial(compileCase('replicated nccl', 'momentum', { model: 'tiny' })),
    );
    expect(fault.code).toBe('PW_CHECKPOINT_VARIABLE');
    expect(fault.message).toMatch(/it lacks "conv0\/.*beta"/);
    expect(fault.hint).toContain('"tiny" by');
  });

  test('a slot that is a variable', async () => {
    const checkpoint = await initial(momentum);
    const fault = await plan(momentum, { ...checkpoint, slots: new Map([['global_step', 'conv0']]) });
    expect(fault.message).toMatch(/"global_step" is a slot of "conv0" in it/);
  });
});

describe('another optimizer', () => {
  const [sgd, rmsprop] = [compileCase('replicated nccl', 'sgd'), compileCase('independent', 'rmsprop')];

  test('is refused with the first slot that is missing or too many', async () => {
    expect(await plan(momentum, await initial(sgd))).toMatchObject({
      code: 'PW_CHECKPOINT_SLOT',
      message: expect.stringContaining('it lacks "conv0/conv2d/kernel/Momentum", which the optimizer keeps'),
    });
    expect(await plan(sgd, await initial(momentum))).toMatchObject({
      code: 'PW_CHECKPOINT_SLOT',
      message: expect.stringContaining('it holds "conv0/conv2d/kernel/Momentum", for which the optimizer'),
      hint: expect.stringContaining('--fresh-slots'),
    });
    expect((await plan(rmsprop, await initial(momentum))).message).toContain('kernel/RMSProp"');
  });

  test('begins anew where that is asked for', async () => {
    const checkpoint = await initial(momentum);
    const session = await referenceEngine.load(rmsprop.module);
    await restoreCheckpoint(session, rmsprop.module, checkpoint, { ...rmsprop, slots: 'fresh' });
    const variables = await session.readVariables();
    expect(variables.get('v0/conv0/conv2d/kernel')).toEqual(checkpoint.variables.get('conv0/conv2d/kernel'));
    expect(variables.get('v1/conv0/conv2d/kernel')).toEqual(checkpoint.variables.get('conv0/conv2d/kernel'));
    expect(variables.get('v0/conv0/conv2d/kernel/RMSProp')?.data[0]).toBe(1);
    expect([...variables.keys()].some((name) => name.endsWith('/Momentum'))).toBe(false);
  });
});

test('what is refused changes nothing of a session', async () => {
  const checkpoint = await initial(momentum);
  const { module } = compileCase('replicated nccl', 'sgd');
  const session = await referenceEngine.load(module);
  await faultOf(() => restoreCheckpoint(session, module, checkpoint, momentum));
  expect((await session.readState()).variables.size).toBe(0);
  await session.run('init');
  const before = await session.readState();
  await faultOf(() => restoreCheckpoint(session, module, checkpoint, momentum));
  expect(await session.readState()).toEqual(before);
});

test('other towers, seeds and places are another cluster', async () => {
  const checkpoint = await initial(momentum);
  const same = (compiled: Compiled): boolean => planRestore(compiled.module, checkpoint, compiled).same;
  expect(same(momentum)).toBe(true);
  expect(same(compileCase('replicated nccl', 'momentum', { seed: 7 }))).toBe(true);
  expect(same(compileCase('replicated nccl', 'momentum', { towers: 3 }))).toBe(false);
  expect(same({ ...momentum, choices: 'others' })).toBe(false);
});

// What a file says of itself beside its tensors.

describe('a file whose words are wrong is refused', () => {
  async function fileWith(
    change: (about: Record<string, unknown>) => unknown,
    version = '1',
  ): Promise<string> {
    await saveCheckpoint(at('words'), await initial(compileCase('parameter_server gpu staged')));
    const { tensors, metadata } = await readTensorFile(at('words'));
    const about = JSON.parse(metadata.get('placewright.about') ?? '');
    const text = change(about);
    await writeTensorFile(at('words'), {
      tensors,
      metadata: new Map([
        ['placewright.checkpoint', version],
        ['placewright.about', typeof text === 'string' ? text : JSON.stringify(about)],
      ]),
    });
    return at('words');
  }

  // biome-ignore format: one line a case
  test.each([
    ['not JSON', () => '{', /placewright\.about is not JSON/],
    ['a list', () => '[]', /placewright\.about is a list, not an object/],
    ['without a model', (about) => { delete about.model; }, /placewright\.about lacks "model"/],
    ['with a step of a half', (about) => { about.step = 0.5; }, /placewright\.about\.step is 0\.5/],
    ['with more than there is', (about) => { about.more = 1; }, /has an unknown field "more"/],
    ['with three of a pair', (about) => { about.slots = [['a', 'b', 'c']]; }, /about\.slots\[0\] is not a pair/],
    ['with a slot that is not there', (about) => { about.slots = [['a', 'b']]; }, /lacks the optimizer slot "a"/],
    ['with a variable that is not there', (about) => { about.variables = ['x']; }, /lacks the tensor "placewright\.resume\/variables\/x"/],
    ['with tuples that are not there', (about) => { about.buffers = [{ key: 'k', widths: [1] }]; }, /lacks the tensor "placewright\.resume\/buffers\/k\/0\/0"/],
    ['with endless tuples', (about) => { about.buffers = [{ key: 'k', widths: [2 ** 53 - 1] }]; }, /widths\[0\] is/],
    ['with progress that is not there', (about) => { about.progress = [{ task: '', batch: 1, data: '' }]; }, /lacks the tensor "placewright\.resume\/progress\/"/],
  ] as [string, (about: Record<string, unknown>) => unknown, RegExp][])('%s', async (_, change, says) => {
    const fault = await faultOf(async () => loadCheckpoint(await fileWith(change)));
    expect(fault).toMatchObject({ code: 'PW_CHECKPOINT_FORMAT', where: { file: at('words') } });
    expect(fault.message).toMatch(says);
  });

  test('of another version', async () => {
    const fault = await faultOf(async () => loadCheckpoint(await fileWith(() => undefined, '2')));
    expect(fault.code).toBe('PW_CHECKPOINT_FOREIGN');
    expect(fault.message).toContain('the version "2"');
  });

  test('of no version', async () => {
    await writeTensorFile(at('plain'), {
      tensors: new Map([['x', scalar('float32', 1)]]),
      metadata: new Map(),
    });
    const fault = await faultOf(() => loadCheckpoint(at('plain')));
    expect(fault.message).toContain('has no placewright.checkpoint');
  });

  test('with a tensor that nothing speaks of', async () => {
    await saveCheckpoint(at('extra'), await initial(momentum));
    const { tensors, metadata } = await readTensorFile(at('extra'));
    await writeTensorFile(at('extra'), {
      tensors: new Map([...tensors, ['placewright.resume/x', scalar('float32', 1)]]),
      metadata,
    });
    const fault = await faultOf(() => loadCheckpoint(at('extra')));
    expect(fault.message).toContain('nothing says what the tensor "placewright.resume/x" is');
  });

  test('with a table of steps that is none', async () => {
    const reports = [{ step: 1, loss: 1, correct: null, examples: 4, elapsedMs: 2 }];
    const progress = new Map([['', { reports, batch: 1, data: 'd' }]]);
    const checkpoint = await initial(momentum);
    await saveCheckpoint(at('table'), { ...checkpoint, resume: { ...checkpoint.resume, progress } });
    expect((await loadCheckpoint(at('table'))).resume.progress).toEqual(progress);
    const text = readFileSync(at('table'), 'latin1').replace('"shape":[1,4]', '"shape":[4,1]');
    writeFileSync(at('table'), resealed(Buffer.from(text, 'latin1')));
    expect((await faultOf(() => loadCheckpoint(at('table')))).message).toContain('is no table of steps');
  });
});

test('a staged run does not go on without what its areas held', async () => {
  const staged = compileCase('parameter_server gpu staged');
  const checkpoint = await initial(staged);
  const fault = await plan(staged, { ...checkpoint, resume: { ...checkpoint.resume, buffers: new Map() } });
  expect(fault.code).toBe('PW_CHECKPOINT_FORMAT');
  expect(fault.message).toMatch(/it does not say what "tower_0\/.*" holds/);
});
