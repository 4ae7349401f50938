import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { scalar, type TensorValue, tensorOf } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import {
  captureCheckpoint,
  checkpointFile,
  loadCheckpoint,
  readTensorFile,
  saveCheckpoint,
  writeTensorFile,
} from '../../src/checkpoint/index.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { batches, compileCase, temporaryFolder } from './cases.js';
import { faultOf } from './support.js';

// The format is one that others read: here by the real library. `node scripts/setup-tensorflow.mjs` gets it.

const VENV = join(import.meta.dirname, '../../../../.venv-tensorflow');
const PYTHON = join(VENV, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
const at = temporaryFolder();

function hasSafetensors(): boolean {
  if (!existsSync(PYTHON)) return false;
  try {
    execFileSync(PYTHON, ['-c', 'import safetensors.numpy'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What a program prints as JSON. */
async function python<T>(program: string, ...args: string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', program, ...args], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as T;
}

const READ = `
import hashlib, json, re, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as f:
    tensors = {k: f.get_tensor(k) for k in f.keys()}
    metadata = f.metadata()
raw = open(sys.argv[1], "rb").read()
digits = metadata["placewright.checksum"][7:]
print(json.dumps({
    "tensors": {k: [str(v.dtype), list(v.shape), hashlib.sha256(v.tobytes()).hexdigest()] for k, v in tensors.items()},
    "metadata": metadata,
    "right": hashlib.sha256(raw.replace(digits.encode(), b"0" * 64, 1)).hexdigest() == digits,
}))
`;

interface Read {
  readonly tensors: Readonly<Record<string, readonly [dtype: string, shape: number[], sha256: string]>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly right: boolean;
}

const described = ({ dtype, shape, data }: TensorValue) => [
  dtype,
  shape,
  createHash('sha256').update(data).digest('hex'),
];

describe.skipIf(!hasSafetensors())('needs safetensors: its Python library', () => {
  test('reads a checkpoint to the bit, with its metadata and its checksum', async () => {
    const compiled = compileCase('parameter_server gpu staged');
    const session = await referenceEngine.load(compiled.module);
    await session.run('init');
    const [batch = new Map()] = batches();
    await session.run('warmUp', batch);
    const { loss } = Object.fromEntries(await session.run('step', batch));
    const reports = [{ step: 1, loss: Number(loss?.data[0]), correct: null, examples: 8, elapsedMs: 1.5 }];
    const progress = new Map([['', { reports, batch: 1, data: 'd' }]]);
    const state = await session.readState();
    const checkpoint = captureCheckpoint({ ...compiled, state, step: 1, progress });
    await saveCheckpoint(at('real'), checkpoint);
    const read = await python<Read>(READ, at('real'));
    const { tensors, metadata } = checkpointFile(checkpoint);
    expect(read.tensors).toEqual(
      Object.fromEntries([...tensors].map(([name, value]) => [name, described(value)])),
    );
    expect(read.metadata).toMatchObject(Object.fromEntries(metadata));
    expect(read.right).toBe(true);
  });

  test('reads every type that NumPy has', async () => {
    const tensors = new Map<string, TensorValue>([
      ['f32', tensorOf('float32', [2, 1], [1.5, -2])],
      ['f64', tensorOf('float64', [2], [Math.PI, -0])],
      ['f16', tensorOf('float16', [4], [1, 2 ** -24, -65504, 0.333251953125])],
      ['i32', tensorOf('int32', [], [-7])],
      ['i64', scalar('int64', 2 ** 40)],
      ['u8', tensorOf('uint8', [3], [0, 1, 255])],
      ['bool', tensorOf('bool', [2], [1, 0])],
      ['empty', tensorOf('float32', [0, 3], [])],
      ['an "ä"\u2028', scalar('float32', 3)],
    ]);
    await writeTensorFile(at('types'), { tensors, metadata: new Map() });
    const program = `
import json, sys
from safetensors.numpy import load_file
print(json.dumps({k: [str(v.dtype), list(v.shape), v.reshape(-1).tolist()] for k, v in load_file(sys.argv[1]).items()}))
`;
    const read = await python<Record<string, readonly [string, number[], (number | boolean)[]]>>(
      program,
      at('types'),
    );
    expect(Object.keys(read).sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { dtype, shape, data }] of tensors) {
      const [type, dims, numbers] = read[name] ?? ['', [], []];
      expect([type, dims], name).toEqual([dtype, shape]);
      expect(numbers.map(Number), name).toEqual(Array.from(data as Float32Array, Number));
    }
  });

  test('refuses what we refuse: a file that is cut off', async () => {
    await writeTensorFile(at('cut'), {
      tensors: new Map([['x', tensorOf('float32', [3], [1, 2, 3])]]),
      metadata: new Map(),
    });
    writeFileSync(at('cut'), readFileSync(at('cut')).subarray(0, -4));
    const program = `
import sys
from safetensors.numpy import load_file
try:
    load_file(sys.argv[1])
    print('"read"')
except Exception:
    print('"refused"')
`;
    expect(await python(program, at('cut'))).toBe('refused');
    expect((await faultOf(() => readTensorFile(at('cut')))).code).toBe('PW_CHECKPOINT_TRUNCATED');
  });

  test('writes files that are no checkpoints of ours, and are told so', async () => {
    const program = `
import sys
import numpy as np
from safetensors.numpy import save_file
save_file({"conv0/biases": np.zeros(3, np.float32)}, sys.argv[1], {"placewright.checkpoint": "1"})
print('null')
`;
    await python(program, at('theirs'));
    const fault = await faultOf(() => loadCheckpoint(at('theirs')));
    expect(fault.code).toBe('PW_CHECKPOINT_FOREIGN');
    expect(fault.message).toContain('another program wrote it');
  });
});
