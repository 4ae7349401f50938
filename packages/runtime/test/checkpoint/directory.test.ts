import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { scalar } from '@placewright/ir';
import { expect, test } from 'vitest';
import {
  type Checkpoint,
  checkpointName,
  latestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  prepareFolder,
  saveInFolder,
} from '../../src/checkpoint/index.js';
import { temporaryFolder } from './cases.js';
import { faultOf } from './support.js';

const at = temporaryFolder();

const checkpointAt = (step: number): Checkpoint => ({
  ...{ model: 'm', strategy: 's', step, slots: new Map() },
  variables: new Map([['w', scalar('float32', step)]]),
  resume: { identity: '', variables: new Map(), buffers: new Map(), progress: new Map() },
});

async function folderOf(name: string, steps: readonly number[], keep = 9): Promise<string> {
  const folder = at(name);
  await prepareFolder(folder);
  for (const step of steps) await saveInFolder(folder, checkpointAt(step), keep);
  return folder;
}

const stepsIn = async (folder: string): Promise<number[]> =>
  (await listCheckpoints(folder)).map(({ step }) => step);

test('a folder keeps the last few', async () => {
  const folder = await folderOf('few', [10, 20, 30, 40], 2);
  expect(await stepsIn(folder)).toEqual([30, 40]);
  expect(readdirSync(folder)).toEqual(['step-0000000030.safetensors', 'step-0000000040.safetensors']);
  expect((await latestCheckpoint(folder)).found?.checkpoint).toEqual(checkpointAt(40));
});

test('steps of many digits are in order', async () => {
  expect(await stepsIn(await folderOf('many', [12_345_678_901, 9_999_999_999, 2]))).toEqual([
    2, 9_999_999_999, 12_345_678_901,
  ]);
});

test('an earlier one does not lose to later ones that are damaged', async () => {
  const folder = await folderOf('damaged', [10, 20, 30]);
  const [last, before] = [30, 20].map((step) => `${folder}/${checkpointName(step)}`) as [string, string];
  writeFileSync(last, readFileSync(last).subarray(0, 100));
  writeFileSync(before, 'no checkpoint');
  const { found, damaged } = await latestCheckpoint(folder);
  expect(found?.step).toBe(10);
  expect(damaged.map(({ code, where }) => [code, where.file])).toEqual([
    ['PW_CHECKPOINT_TRUNCATED', last],
    ['PW_CHECKPOINT_FORMAT', before],
  ]);
  await saveInFolder(folder, checkpointAt(15), 1);
  expect(await stepsIn(folder)).toEqual([15, 20, 30]);
  expect((await latestCheckpoint(folder)).found?.step).toBe(15);
});

test('a folder without any, and one that is not there, have none', async () => {
  mkdirSync(at('empty'));
  for (const folder of [at('empty'), at('nowhere')]) {
    expect(await latestCheckpoint(folder)).toEqual({ found: null, damaged: [] });
  }
});

test('what is no folder is refused', async () => {
  writeFileSync(at('file'), '');
  expect((await faultOf(() => listCheckpoints(at('file')))).code).toBe('PW_CHECKPOINT_READ');
  expect((await faultOf(() => prepareFolder(at('file')))).code).toBe('PW_CHECKPOINT_WRITE');
  expect((await faultOf(() => loadCheckpoint(at('empty')))).message).toContain('it is a folder');
});

test('what killed runs left half-written is taken away, and nothing else', async () => {
  const folder = await folderOf('left', [1]);
  // No process has that number: Linux goes to 2^22.
  const dead = `.${checkpointName(2)}.${2 ** 30}-1.tmp`;
  const living = `.${checkpointName(2)}.${process.pid}-999.tmp`;
  for (const name of [dead, living, '.other.tmp', 'notes.txt']) writeFileSync(`${folder}/${name}`, '');
  await prepareFolder(folder);
  expect(readdirSync(folder).sort()).toEqual([living, '.other.tmp', 'notes.txt', checkpointName(1)].sort());
});
