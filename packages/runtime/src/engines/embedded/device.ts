import type { MessagePort } from 'node:worker_threads';
import { checkVariable, PlacewrightError, type ResourceId, type TensorValue } from '@placewright/ir';
import { createExecution, type Execution } from './executor.js';
import { type OrtModel, prepareModel } from './ort.js';
import type { DevicePlan, RegionTask } from './plan.js';
import {
  type FromWorker,
  type PeerMessage,
  recordError,
  type ToWorker,
  type WorkerSetup,
} from './protocol.js';
import type { Installed } from './run-state.js';
import {
  cellOf,
  copyOf,
  createStore,
  readTuples,
  type Store,
  setVariable,
  variableOf,
  writeTuples,
} from './store.js';

/** Where a device's messages come from and go to: the port to the session. */
export interface SessionPort {
  post(message: FromWorker, moved?: readonly ArrayBuffer[]): void;
  onMessage(handler: (message: ToWorker) => void): void;
  close(): void;
}

interface Device {
  readonly setup: WorkerSetup;
  readonly port: SessionPort;
  readonly store: Store;
  readonly peers: ReadonlyMap<string, MessagePort>;
  readonly plans: Map<number, Installed>;
  readonly models: Map<string, OrtModel>;
  /** Messages of other devices for a run that has not begun here. */
  readonly early: PeerMessage[];
  current: { readonly run: number; readonly execution: Execution } | undefined;
}

/** Serves one device until it is told to close. */
export function serveDevice(setup: WorkerSetup, port: SessionPort): void {
  const device: Device = {
    setup,
    port,
    store: createStore(setup.resources),
    peers: new Map(setup.peers),
    plans: new Map(),
    models: new Map(),
    early: [],
    current: undefined,
  };
  for (const [, peer] of setup.peers) peer.on('message', (message: PeerMessage) => fromPeer(device, message));
  port.onMessage((message) => {
    void handle(device, message);
  });
  port.post({ kind: 'ready' });
}

async function handle(device: Device, message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'install':
      return replying(device, message.call, () => install(device, message));
    case 'run':
      return run(device, message);
    case 'forget':
      return forget(device, message.plan);
    case 'abort':
      return abort(device, message.run);
    case 'status':
      return status(device, message.run);
    case 'read':
      return replying(device, message.call, async () => message.ids.map((id) => readCopy(device.store, id)));
    case 'write':
      return replying(device, message.call, async () => write(device.store, message.values));
    case 'read-buffer':
      return replying(device, message.call, async () => readTuples(device.store, message.id));
    case 'write-buffer':
      return replying(device, message.call, async () =>
        writeTuples(device.store, message.id, message.tuples),
      );
    case 'close':
      return close(device);
  }
}

async function replying(
  device: Device,
  call: number,
  body: () => Promise<readonly (TensorValue | null)[]>,
): Promise<void> {
  try {
    device.port.post({ kind: 'reply', call, values: await body() });
  } catch (error) {
    device.port.post({ kind: 'refusal', call, error: recordError(error) });
  }
}

/** Prepares a plan's models; the same model is prepared once, whatever plans it is in. */
async function install(
  device: Device,
  message: Extract<ToWorker, { kind: 'install' }>,
): Promise<readonly []> {
  const { plan, device: devicePlan, collectives, models } = message;
  const bytes = new Map(models);
  for (const task of devicePlan.tasks) {
    if (task.kind !== 'region' || device.models.has(task.model)) continue;
    device.models.set(task.model, await prepare(device, task, bytes.get(task.model)));
  }
  device.plans.set(plan, { plan: devicePlan, collectives, models: device.models });
  return [];
}

/** Gives back the models that no other plan has. */
async function forget(device: Device, plan: number): Promise<void> {
  device.plans.delete(plan);
  const needed = new Set([...device.plans.values()].flatMap((installed) => modelsOf(installed.plan)));
  for (const [hash, model] of device.models) {
    if (needed.has(hash)) continue;
    device.models.delete(hash);
    await model.release();
  }
}

function modelsOf({ tasks }: DevicePlan): string[] {
  return tasks.flatMap((task) => (task.kind === 'region' ? [task.model] : []));
}

async function prepare(device: Device, task: RegionTask, model: Uint8Array | undefined): Promise<OrtModel> {
  try {
    return await prepareModel(model ?? new Uint8Array(), device.setup.threads);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new PlacewrightError(
      'PW_ENGINE_REGION',
      `ONNX Runtime refuses a region of ${device.setup.device}: ${text.slice(0, 500)}`,
      {
        where: { node: task.holds },
        hint: 'run the module on the reference engine, and report the node named in the message',
      },
    );
  }
}

function run(device: Device, message: Extract<ToWorker, { kind: 'run' }>): void {
  const installed = device.plans.get(message.plan);
  const id = message.run;
  if (installed === undefined) {
    const error = new PlacewrightError('PW_INTERNAL_PLAN', 'the plan was not installed', {
      kind: 'internal',
    });
    device.port.post({ kind: 'failed', run: id, error: recordError(error) });
    return;
  }
  const execution = createExecution(
    installed,
    {
      store: device.store,
      trace: device.setup.trace,
      send: (to, peerMessage, moved) => device.peers.get(to)?.postMessage(peerMessage, moved),
      done: (fetched, trace, moved) => device.port.post({ kind: 'done', run: id, fetched, trace }, moved),
      failed: (error) => device.port.post({ kind: 'failed', run: id, error }),
    },
    message,
  );
  device.current = { run: id, execution };
  execution.start();
  const early = device.early.splice(0).filter((peerMessage) => peerMessage.run === id);
  for (const peerMessage of early) execution.receive(peerMessage);
}

/** Runs follow one another: what is not of the current run is of the next one, or of one that was given up. */
function fromPeer(device: Device, message: PeerMessage): void {
  if (device.current?.run === message.run) device.current.execution.receive(message);
  else if (message.run > (device.current?.run ?? -1)) device.early.push(message);
}

async function abort(device: Device, runId: number): Promise<void> {
  if (device.current?.run === runId) await device.current.execution.abort();
  device.port.post({ kind: 'aborted', run: runId });
}

function status(device: Device, runId: number): void {
  const none = { idle: false, sent: 0, received: 0, reasons: [] };
  const current = device.current?.run === runId ? device.current.execution.status() : none;
  device.port.post({ kind: 'status', run: runId, status: current });
}

function readCopy(store: Store, id: ResourceId): TensorValue | null {
  variableOf(store, id);
  const cell = store.values.get(id);
  return cell === undefined ? null : copyOf(cell.value);
}

function write(
  store: Store,
  values: readonly { readonly id: ResourceId; readonly value: TensorValue }[],
): readonly [] {
  for (const { id, value } of values) {
    const variable = variableOf(store, id);
    checkVariable(variable.name, variable, value);
  }
  for (const { id, value } of values) setVariable(store, id, cellOf(value));
  return [];
}

async function close(device: Device): Promise<void> {
  await device.current?.execution.abort();
  for (const model of device.models.values()) await model.release();
  for (const [, peer] of device.setup.peers) peer.close();
  device.port.close();
}
