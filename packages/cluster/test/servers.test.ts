import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { TaskName, TensorValue } from '@placewright/ir';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterTasks } from '../src/addresses.js';
import { type Master, openMaster } from '../src/client/master.js';
import { watchTasks } from '../src/client/watch.js';
import { taskDevice } from '../src/proto/config.js';
import { DTYPE_NUMBERS } from '../src/proto/tensor.js';
import { freePorts } from '../src/servers/ports.js';
import { PYTHON_FOLDER } from '../src/servers/python.js';
import { type RunningServers, startServers } from '../src/servers/start.js';
import {
  floatConst,
  floats,
  graphDef,
  intAttr,
  intConst,
  shapeAttr,
  type TestNode,
  textAttr,
  typeAttr,
  typesAttr,
} from './support/graph.js';
import { hasTensorFlow, PYTHON, VENV } from './support/tensorflow.js';
import { exactly } from './support/values.js';

const START_MS = 120_000;
/** The issue's own bound for noticing that a task is gone. */
const NOTICE_MS = 5000;
const PS: TaskName = { job: 'ps', index: 0 };
const worker = (index: number): TaskName => ({ job: 'worker', index });
const cpu = (task: TaskName, index: number): string => `${taskDevice(task)}/device:CPU:${index}`;

/** Starts a server as `launchServer` does, says its process id, and waits. */
const PARENT = `
  const [, python, folder, port] = process.argv;
  const child = require('child_process').spawn(python, ['-B', folder + '/server.py'], {
    detached: true,
    stdio: ['pipe', 'inherit', 'ignore'],
  });
  console.log(child.pid);
  const spec = { job: 'worker', task: 0, port: Number(port), cpus: 1, gpus: [], threads: 0, loopback: true };
  const cluster = { worker: ['127.0.0.1:' + port] };
  child.stdin.write(JSON.stringify({ ...spec, cluster, leader: '', parent: process.pid }) + '\\n');
`;

/** Whether a process runs; one that has ended and was not asked for does not. */
function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

describe.skipIf(!hasTensorFlow())('needs TensorFlow: its servers', { timeout: START_MS }, () => {
  let servers: RunningServers;
  const masters: Master[] = [];

  beforeAll(async () => {
    servers = await startServers({ ps: 1, workers: 2, devices: 2, venv: VENV });
  }, START_MS);
  afterAll(async () => {
    for (const master of masters) master.close();
    await servers?.stop();
  });

  const masterOf = ({ job, index }: TaskName): Master => {
    const who = clusterTasks(servers.addresses).find(({ task }) => task.job === job && task.index === index);
    if (who === undefined) throw new Error(`no ${job} ${index}`);
    const master = openMaster(who);
    masters.push(master);
    return master;
  };

  /** A variable on the parameter server, which each worker's second device adds to. */
  const counter: TestNode[] = [
    {
      name: 'v',
      op: 'VarHandleOp',
      device: cpu(PS, 0),
      attrs: { dtype: floats, shape: shapeAttr(), shared_name: textAttr('v') },
    },
    { name: 'zero', op: 'Const', device: cpu(PS, 0), attrs: { dtype: floats, value: floatConst(0) } },
    {
      name: 'init',
      op: 'AssignVariableOp',
      inputs: ['v', 'zero'],
      device: cpu(PS, 0),
      attrs: { dtype: floats },
    },
    { name: 'x', op: 'Placeholder', device: cpu(worker(0), 0), attrs: { dtype: floats, shape: shapeAttr() } },
    { name: 'twice', op: 'Add', inputs: ['x', 'x'], device: cpu(worker(1), 2), attrs: { T: floats } },
    {
      name: 'add',
      op: 'AssignAddVariableOp',
      inputs: ['v', 'twice'],
      device: cpu(PS, 0),
      attrs: { dtype: floats },
    },
    {
      name: 'read',
      op: 'ReadVariableOp',
      inputs: ['v', '^add'],
      device: cpu(PS, 0),
      attrs: { dtype: floats },
    },
    { name: 'look', op: 'ReadVariableOp', inputs: ['v'], device: cpu(PS, 0), attrs: { dtype: floats } },
  ];
  const float = (value: number): TensorValue => ({
    dtype: 'float32',
    shape: [],
    data: Float32Array.of(value),
  });

  test('have the devices that were asked for', async () => {
    const names = async (task: TaskName) => (await masterOf(task).ownDevices()).map(({ name }) => name);
    expect(await names(PS)).toEqual([cpu(PS, 0)]);
    expect(await names(worker(1))).toEqual([0, 1, 2].map((index) => cpu(worker(1), index)));
  });

  test.runIf(process.platform === 'linux')('listen to this machine alone', () => {
    const ports = new Set(
      clusterTasks(servers.addresses).map(({ address }) => Number(address.split(':')[1])),
    );
    const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/)),
    );
    const listening = rows.filter(
      ([, local = '', , state]) =>
        state === '0A' && ports.has(Number.parseInt(local.split(':')[1] ?? '', 16)),
    );
    expect(listening).toHaveLength(ports.size);
    // 127.0.0.1, as it stands in tables of both kinds.
    for (const [, local = ''] of listening) expect(local).toMatch(/^(0{16}FFFF0000)?0100007F:/);
  });

  test('keep variables, and run each node where it was put', async () => {
    const session = await masterOf(worker(0)).createSession(graphDef(counter));
    await session.run({ targets: ['init'] });
    const step = { feeds: new Map([['x:0', float(1.5)]]), fetches: ['read:0'], trace: true };
    await session.run(step);
    const { values, stats } = await session.run(step);
    expect(values.get('read:0')).toEqual(float(6));
    const ran = new Map(stats.map(({ node, device }) => [node, device]));
    for (const { name, device } of counter.filter(({ name }) => ['twice', 'add', 'read'].includes(name))) {
      expect(ran.get(name), name).toBe(device);
    }
    const add = await session.prepare({ feeds: ['x:0'], fetches: ['read:0'], targets: [], options: {} });
    expect(await add.run([float(2)])).toEqual([float(10)]);
    await add.release();
    await session.extend(graphDef([{ name: 'neg', op: 'Neg', inputs: ['look'], attrs: { T: floats } }]));
    expect((await session.run({ fetches: ['neg:0'] })).values.get('neg:0')).toEqual(float(-10));
    expect(await session.devices()).toHaveLength(7);
    await session.close();
  });

  test('give back every type to the bit', async () => {
    const data: TensorValue[] = [
      { dtype: 'float32', shape: [3], data: Float32Array.of(1.5, -0, Number.NaN) },
      { dtype: 'float64', shape: [1, 2], data: Float64Array.of(Math.PI, -1e300) },
      { dtype: 'float16', shape: [3], data: Float32Array.of(1, 2 ** -24, -65504) },
      { dtype: 'bfloat16', shape: [2], data: Float32Array.of(-1.5, 2 ** 100) },
      { dtype: 'int32', shape: [2], data: Int32Array.of(-7, 2 ** 30) },
      { dtype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 60n)) },
      { dtype: 'uint8', shape: [2, 1], data: Uint8Array.of(0, 255) },
      { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
      { dtype: 'float32', shape: [0, 3], data: new Float32Array(0) },
      { dtype: 'float32', shape: [5000], data: Float32Array.from({ length: 5000 }, (_, i) => i / 3) },
    ];
    const nodes = data.flatMap(({ dtype, shape }, i): TestNode[] => {
      const type = typeAttr(DTYPE_NUMBERS[dtype]);
      return [
        { name: `in${i}`, op: 'Placeholder', attrs: { dtype: type, shape: shapeAttr(...shape) } },
        {
          name: `out${i}`,
          op: 'Identity',
          inputs: [`in${i}`],
          device: cpu(worker(1), 1),
          attrs: { T: type },
        },
      ];
    });
    const session = await masterOf(worker(0)).createSession(graphDef(nodes));
    const { values } = await session.run({
      feeds: new Map(data.map((value, i) => [`in${i}:0`, value])),
      fetches: data.map((_, i) => `out${i}:0`),
    });
    for (const [i, value] of data.entries()) {
      expect(exactly(values.get(`out${i}:0`) as TensorValue), value.dtype).toEqual(exactly(value));
    }
    await session.close();
  });

  test('add up across the devices of both', async () => {
    const members = [0, 1].flatMap((task) => [1, 2].map((index) => cpu(worker(task), index)));
    const number = (name: string, value: number, device: string): TestNode => ({
      ...{ name, op: 'Const', device },
      attrs: { dtype: typeAttr(DTYPE_NUMBERS.int32), value: intConst(value) },
    });
    const nodes = members.flatMap((device, i): TestNode[] => [
      { name: `c${i}`, op: 'Const', device, attrs: { dtype: floats, value: floatConst(10 ** i) } },
      number(`size${i}`, members.length, device),
      number(`group${i}`, 1, device),
      number(`key${i}`, 1, device),
      {
        ...{ name: `sum${i}`, op: 'CollectiveReduceV2', device },
        inputs: [`c${i}`, `size${i}`, `group${i}`, `key${i}`],
        attrs: {
          T: floats,
          merge_op: textAttr('Add'),
          final_op: textAttr('Id'),
          communication_hint: textAttr('ring'),
          max_subdivs_per_device: intAttr(-1),
        },
      },
    ]);
    const session = await masterOf(worker(0)).createSession(graphDef(nodes), { collectiveLeader: worker(0) });
    const fetches = members.map((_, i) => `sum${i}:0`);
    const { values } = await session.run({ fetches, collectiveKey: 1, timeoutMs: 20_000 });
    expect(fetches.map((name) => values.get(name))).toEqual(members.map(() => float(1111)));
    await session.close();
  });

  test.each([
    [
      'a device that there is not',
      [{ name: 'n', op: 'NoOp', device: '/job:worker/task:0/device:GPU:0' }],
      /GPU/,
    ],
    ['an op that there is not', [{ name: 'n', op: 'Nonesuch' }], /Nonesuch/],
  ])('refuse a graph with %s in their own words', async (_, nodes, text) => {
    await expect(
      (async () => {
        const session = await masterOf(worker(0)).createSession(graphDef(nodes));
        await session.run({ targets: ['n'] });
      })(),
    ).rejects.toMatchObject({ code: 'PW_CLUSTER_REFUSED', message: expect.stringMatching(text) });
  });

  test('give up a step after its time', async () => {
    const session = await masterOf(worker(0)).createSession(graphDef(waiting('slow')));
    await expect(session.run({ targets: ['take'], timeoutMs: 300 })).rejects.toMatchObject({
      code: 'PW_CLUSTER_TIMEOUT',
    });
    await session.close();
  });

  /** Waits for what nobody puts into a queue. */
  const waiting = (name: string): TestNode[] => [
    {
      ...{ name: 'queue', op: 'FIFOQueueV2', device: cpu(PS, 0) },
      attrs: { component_types: typesAttr(DTYPE_NUMBERS.float32), shared_name: textAttr(name) },
    },
    {
      ...{ name: 'take', op: 'QueueDequeueV2', inputs: ['queue'], device: cpu(PS, 0) },
      attrs: { component_types: typesAttr(DTYPE_NUMBERS.float32) },
    },
    { name: 'there', op: 'Identity', inputs: ['take'], device: cpu(worker(1), 1), attrs: { T: floats } },
  ];

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'that get a %s during a step are noticed, and go on anew',
    async (signal) => {
      const before = await masterOf(worker(0)).createSession(graphDef(counter));
      await before.run({ targets: ['init'] });
      await before.run({ feeds: new Map([['x:0', float(1)]]), targets: ['add'] });
      const session = await masterOf(worker(0)).createSession(graphDef(waiting(signal)));
      const watch = watchTasks(servers.addresses);
      const running = session.run({ fetches: ['there:0'] }, { signal: watch.signal });
      running.catch(() => {});
      // The step is blocked, and the watch has heard of all.
      await new Promise((done) => setTimeout(done, 1500));
      const started = performance.now();
      expect(servers.signal(worker(1), signal)).toBe(true);
      const error = await running.catch((thrown) => watch.explain(thrown));
      expect(error).toMatchObject({
        code: 'PW_CLUSTER_TASK_LOST',
        message: expect.stringContaining('worker 1'),
      });
      expect(performance.now() - started).toBeLessThan(NOTICE_MS);
      watch.stop();
      await servers.restart(worker(1));
      const after = await masterOf(worker(0)).createSession(graphDef(counter));
      const step = { feeds: new Map([['x:0', float(1)]]), fetches: ['read:0'] };
      expect((await after.run(step)).values.get('read:0')).toEqual(float(4));
      await after.close();
    },
  );

  test('do not take a port that another program has', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(
      startServers({ ps: 0, workers: 1, devices: 1, ports: [port], venv: VENV }),
    ).rejects.toMatchObject({ code: 'PW_CLUSTER_PORT' });
    other.close();
  });

  test.runIf(process.platform === 'linux').each(['running', 'stopped'])(
    'end with a process that is killed, when they are %s',
    async (state) => {
      const [port = 0] = await freePorts(1, '127.0.0.1');
      const parent = spawn(process.execPath, ['-e', PARENT, PYTHON, PYTHON_FOLDER, String(port)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
      const pid = Number((await lines.next()).value);
      await lines.next();
      if (state === 'stopped') process.kill(pid, 'SIGSTOP');
      parent.kill('SIGKILL');
      await expect.poll(() => isAlive(pid), { timeout: 5000 }).toBe(false);
    },
  );
});
