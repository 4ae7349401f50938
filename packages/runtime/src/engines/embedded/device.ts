import type { MessagePort } from 'node:worker_threads';
import { checkVariable, PlacewrightError, type ResourceId, type TensorValue } from '@placewright/ir';
import { bufferChanged, createExecution, type Execution } from './executor.js';
import { type OrtModel, prepareModel } from './ort.js';
import type { DevicePlan, RegionTask } from './plan.js';
import {
  type FromWorker,
  type PeerMessage,
  recordError,
  type ToWorker,
  type WorkerSetup,
} from './protocol.js';
import { createYard, type Installed, type Yard } from './run-state.js';
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
  readonly yard: Yard;
  readonly peers: ReadonlyMap<string, MessagePort>;
  readonly plans: Map<number, Installed>;
  readonly models: Map<string, OrtModel>;
  /** Runs under way. */
  readonly executions: Map<number, Execution>;
  /** Messages of other devices for runs that have not begun here. */
  readonly early: Map<number, PeerMessage[]>;
  /** The run that began last. They begin in the order of their numbers. */
  begun: number;
  /** Messages that have come from other devices. */
  received: number;
}

/** Serves one device until it is told to close. */
export function serveDevice(setup: WorkerSetup, port: SessionPort): void {
  const device: Device = {
    setup,
    port,
    yard: createYard(createStore(setup.resources), setup.trace),
    peers: new Map(setup.peers),
    plans: new Map(),
    models: new Map(),
    executions: new Map(),
    early: new Map(),
    begun: -1,
    received: 0,
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
      return status(device, message.probe);
    case 'read':
      return replying(device, message.call, async () =>
        message.ids.map((id) => readCopy(device.yard.store, id)),
      );
    case 'write':
      return replying(device, message.call, async () => write(device.yard.store, message.values));
    case 'read-buffer':
      return replying(device, message.call, async () => readTuples(device.yard.store, message.id));
    case 'write-buffer':
      await replying(device, message.call, async () =>
        writeTuples(device.yard.store, message.id, message.tuples),
      );
      return bufferChanged(device.yard, message.id);
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
      yard: device.yard,
      send: (to, peerMessage, moved) => device.peers.get(to)?.postMessage(peerMessage, moved),
      done: (fetched, trace, moved) => {
        device.executions.delete(id);
        device.port.post({ kind: 'done', run: id, fetched, trace }, moved);
      },
      // The session then ends it on all devices.
      failed: (error) => device.port.post({ kind: 'failed', run: id, error }),
    },
    message,
  );
  device.executions.set(id, execution);
  device.begun = id;
  const early = device.early.get(id) ?? [];
  device.early.delete(id);
  execution.start();
  for (const peerMessage of early) execution.receive(peerMessage);
}

/** What is of no run under way is of a later one, or of one that was given up. */
function fromPeer(device: Device, message: PeerMessage): void {
  device.received += 1;
  const { run: id } = message;
  const execution = device.executions.get(id);
  if (execution !== undefined) execution.receive(message);
  else if (id > device.begun) device.early.set(id, [...(device.early.get(id) ?? []), message]);
}

async function abort(device: Device, runId: number): Promise<void> {
  const execution = device.executions.get(runId);
  device.executions.delete(runId);
  device.early.delete(runId);
  await execution?.abort();
  device.port.post({ kind: 'aborted', run: runId });
}

function status({ executions, yard, received, port }: Device, probe: number): void {
  const all = [...executions];
  const idle = all.every(([, execution]) => execution.isIdle());
  const runs = all.map(([run, execution]) => ({ run, reasons: execution.reasons() }));
  port.post({ kind: 'status', probe, status: { idle, sent: yard.sent, received, runs } });
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
  await Promise.all([...device.executions.values()].map((execution) => execution.abort()));
  for (const model of device.models.values()) await model.release();
  for (const [, peer] of device.setup.peers) peer.close();
  device.port.close();
}
