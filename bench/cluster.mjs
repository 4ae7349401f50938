// Our client of TensorFlow's master service beside Python's own session, on the same server, in turns.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { clusterTasks, openMaster, startServers } from '../packages/cluster/dist/index.js';
import { intField, messageField, textField } from '../packages/cluster/dist/proto/wire.js';
import { ensureTensorFlow } from '../scripts/setup-tensorflow.mjs';
import { median, printTable } from './table.mjs';

const BYTES = 64 * 2 ** 20;
const ROUNDS = 25;
/** Runs of each client in a round. */
const RUNS = { fetch: 1, feed: 1, step: 40 };
const [FLOAT, INT32] = [1, 3];

const attr = (name, value) => messageField(5, [...textField(1, name), ...messageField(2, value)]);
const shape = (...dims) =>
  messageField(
    7,
    dims.flatMap((dim) => messageField(2, intField(1, dim))),
  );
const node = (name, op, inputs = [], attrs = {}) =>
  messageField(1, [
    ...textField(1, name),
    ...textField(2, op),
    ...inputs.flatMap((input) => textField(3, input)),
    ...Object.entries(attrs).flatMap(([key, value]) => attr(key, value)),
  ]);
const constant = (name, dtype, dims, numbers) =>
  node(name, 'Const', [], {
    dtype: intField(6, dtype),
    value: messageField(8, [
      ...intField(1, dtype),
      ...messageField(
        2,
        dims.flatMap((dim) => messageField(2, intField(1, dim))),
      ),
      ...messageField(4, [new Uint8Array(numbers.buffer)]),
    ]),
  });

/** A variable of 64 MB to fetch, a tensor to feed of which only the shape is looked at, and a step of nothing. */
function benchGraph() {
  const elements = BYTES / 4;
  return Buffer.concat([
    ...node('variable', 'VarHandleOp', [], {
      dtype: intField(6, FLOAT),
      shape: shape(elements),
      shared_name: textField(2, 'bench'),
    }),
    ...constant('dims', INT32, [1], Int32Array.of(elements)),
    ...constant('half', FLOAT, [], Float32Array.of(0.5)),
    ...node('fill', 'Fill', ['dims', 'half'], { T: intField(6, FLOAT), index_type: intField(6, INT32) }),
    ...node('init', 'AssignVariableOp', ['variable', 'fill'], {
      dtype: intField(6, FLOAT),
    }),
    ...node('read', 'ReadVariableOp', ['variable'], { dtype: intField(6, FLOAT) }),
    ...node('fed', 'Placeholder', [], { dtype: intField(6, FLOAT), shape: shape(elements) }),
    ...node('shape', 'Shape', ['fed'], { T: intField(6, FLOAT), out_type: intField(6, INT32) }),
    ...node('nothing', 'NoOp'),
    ...messageField(4, intField(1, 1882)),
  ]);
}

async function timed(count, run) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return times;
}

async function ourClient(who, graph) {
  const master = openMaster(who);
  const session = await master.createSession(graph);
  await session.run({ targets: ['init'] });
  const value = {
    dtype: 'float32',
    shape: [BYTES / 4],
    data: Float32Array.from({ length: BYTES / 4 }, (_, i) => i),
  };
  const steps = {
    fetch: { fetches: ['read:0'] },
    feed: { fetches: ['shape:0'], feeds: new Map([['fed:0', value]]) },
    step: { targets: ['nothing'] },
  };
  return {
    times: (name, count) => timed(count, () => session.run(steps[name])),
    async close() {
      await session.close();
      master.close();
    },
  };
}

async function pythonClient(python, { address }, graph, folder) {
  const file = join(folder, 'graph.pb');
  writeFileSync(file, graph);
  const child = spawn(
    python,
    [join(import.meta.dirname, 'cluster_client.py'), address, file, String(BYTES)],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async times(name, count) {
      child.stdin.write(`${name} ${count}\n`);
      return JSON.parse((await lines.next()).value);
    },
    close: () =>
      new Promise((done) => {
        child.once('exit', done);
        child.stdin.end();
      }),
  };
}

async function compare(python, who, folder) {
  const graph = benchGraph();
  const clients = [await ourClient(who, graph), await pythonClient(python, who, graph, folder)];
  const all = new Map(Object.keys(RUNS).map((name) => [name, [[], []]]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, count] of Object.entries(RUNS)) {
      for (const [i, client] of clients.entries()) {
        const times = await client.times(name, count);
        // The first round warms both up.
        if (round > 0) all.get(name)[i].push(median(times));
      }
    }
  }
  for (const client of clients) await client.close();
  return all;
}

const TITLES = { fetch: 'fetch of 64 MB', feed: 'feed of 64 MB', step: 'empty step' };
const BOUNDS = { fetch: '1.0', feed: '1.1', step: '+0.3 ms' };

export async function clusterBench() {
  const python = await ensureTensorFlow();
  if (python === undefined) {
    console.log('no TensorFlow here: nothing to compare the client of the cluster with');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'placewright-bench-'));
  const servers = await startServers({ ps: 0, workers: 1, devices: 1, python });
  try {
    const [who] = clusterTasks(servers.addresses);
    const rows = [...(await compare(python, who, folder))].map(([name, [ours, theirs]]) => {
      const [mine, other] = [median(ours), median(theirs)];
      const ratio = median(ours.map((ms, i) => ms / theirs[i])).toFixed(2);
      const more = median(ours.map((ms, i) => ms - theirs[i])).toFixed(2);
      return [
        TITLES[name],
        mine.toFixed(2),
        other.toFixed(2),
        name === 'step' ? `${more} ms` : ratio,
        BOUNDS[name],
      ];
    });
    printTable(
      `Client of TensorFlow ${servers.version} servers (medians of ${ROUNDS} rounds in turns; ratios and differences within each round)`,
      ['what', 'ours, ms', "Python's, ms", 'ratio or difference', 'bound'],
      rows,
    );
  } finally {
    await servers.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
