import {
  decode,
  type Module,
  type ModuleState,
  PlacewrightError,
  parseJson,
  resourceName,
  type TensorValue,
  type Tuples,
} from '@placewright/ir';
import { uninitialized } from '../names.js';
import type { ReadFile, TensorFile } from './file.js';
import { badFormat, quoted } from './header.js';
import { decodeReports, encodeReports, type Progress } from './progress.js';
import { identityOf, mapState, RESUME, type StateMap, slotsOf } from './state-map.js';

/** Version of what a checkpoint says beside its tensors. */
export const CHECKPOINT_VERSION = '1';
const VERSION = 'placewright.checkpoint';
const ABOUT = 'placewright.about';

/** A training run as a file holds it. */
export interface Checkpoint {
  /** Name of the model. */
  readonly model: string;
  /** Name of the strategy that it was trained by. */
  readonly strategy: string;
  /** Steps that were trained. */
  readonly step: number;
  /** Logical variables, optimizer slots among them, by the name that they have under every strategy. */
  readonly variables: ReadonlyMap<string, TensorValue>;
  /** Each optimizer slot with its variable. */
  readonly slots: ReadonlyMap<string, string>;
  readonly resume: Resume;
}

/** What only the same strategy on the same cluster can use, to go on as if nothing had happened. */
export interface Resume {
  /** Equal where strategy and cluster are. */
  readonly identity: string;
  /** Variables that differ from the saved ones of their name, or are not saved, by name and device. */
  readonly variables: ReadonlyMap<string, TensorValue>;
  /** What staging areas and queues hold, by name and device. */
  readonly buffers: ReadonlyMap<string, Tuples>;
  /** Training loops by their task; `''` is the only one of a local cluster. */
  readonly progress: ReadonlyMap<string, Progress>;
}

/** What makes two runs ones of the same strategy. */
export interface StrategyIdentity {
  readonly strategy: string;
  /** The strategy's choices as a text: equal texts, equal strategies. */
  readonly choices: string;
}

export interface CaptureOptions extends StrategyIdentity {
  readonly module: Module;
  readonly state: ModuleState;
  readonly step: number;
  readonly progress?: ReadonlyMap<string, Progress>;
}

/** A checkpoint of a module's state. Throws PW_CHECKPOINT_NAME, PW_VARIABLE_UNINITIALIZED. */
export function captureCheckpoint(options: CaptureOptions): Checkpoint {
  const { module, state, strategy, choices, step, progress = new Map() } = options;
  const map = mapState(module);
  const variables = new Map<string, TensorValue>();
  for (const { name, source } of map.saved) {
    const value = state.variables.get(source.id);
    if (value === undefined) throw uninitialized(resourceName(source));
    variables.set(name, value);
  }
  return {
    ...{ model: module.name, strategy, step, variables },
    slots: slotsOf(map),
    resume: {
      identity: identityOf(module, map, choices),
      variables: ownValues(map, state, variables),
      buffers: new Map(map.buffers.map(({ id }) => [map.keys.get(id) ?? '', state.buffers.get(id) ?? []])),
      progress,
    },
  };
}

/** Values that canonical ones do not tell: of towers that differ, and of variables that are not saved. */
function ownValues(
  { saved, unsaved, keys }: StateMap,
  state: ModuleState,
  canonical: ReadonlyMap<string, TensorValue>,
): Map<string, TensorValue> {
  const out = new Map<string, TensorValue>();
  for (const holder of [...saved.flatMap(({ holders }) => holders), ...unsaved]) {
    const value = state.variables.get(holder.id);
    const known = canonical.get(holder.name);
    if (value === undefined || (known !== undefined && sameBits(value, known))) continue;
    out.set(keys.get(holder.id) ?? '', value);
  }
  return out;
}

function sameBits(a: TensorValue, b: TensorValue): boolean {
  if (a.data === b.data) return true;
  const [x, y] = [a, b].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return x !== undefined && y?.equals(x) === true && String(a.shape) === String(b.shape);
}

// As a file.

interface About {
  readonly model: string;
  readonly strategy: string;
  readonly step: number;
  readonly slots: readonly (readonly [slot: string, variable: string])[];
  readonly identity: string;
  readonly variables: readonly string[];
  readonly buffers: readonly { readonly key: string; readonly widths: readonly number[] }[];
  readonly progress: readonly { readonly task: string; readonly batch: number; readonly data: string }[];
}

const variableTensor = (key: string): string => `${RESUME}variables/${key}`;
const bufferTensor = (key: string, tuple: number, at: number): string =>
  `${RESUME}buffers/${key}/${tuple}/${at}`;
const progressTensor = (task: string): string => `${RESUME}progress/${task}`;

/** The tensors and texts that a file of the checkpoint has. */
export function checkpointFile(checkpoint: Checkpoint): TensorFile {
  const { model, strategy, step, variables, slots, resume } = checkpoint;
  const tensors = new Map(variables);
  for (const [key, value] of resume.variables) tensors.set(variableTensor(key), value);
  for (const [key, tuples] of resume.buffers) {
    tuples.forEach((tuple, i) => {
      tuple.forEach((value, j) => {
        tensors.set(bufferTensor(key, i, j), value);
      });
    });
  }
  for (const [task, { reports }] of resume.progress)
    tensors.set(progressTensor(task), encodeReports(reports));
  const about: About = {
    ...{ model, strategy, step },
    slots: [...slots],
    identity: resume.identity,
    variables: [...resume.variables.keys()],
    buffers: [...resume.buffers].map(([key, tuples]) => ({ key, widths: tuples.map((t) => t.length) })),
    progress: [...resume.progress].map(([task, { batch, data }]) => ({ task, batch, data })),
  };
  const metadata = new Map([
    [VERSION, CHECKPOINT_VERSION],
    [ABOUT, JSON.stringify(about)],
  ]);
  return { tensors, metadata };
}

const texts = decode.listOf(decode.text);

/** Tensors of one tuple: beyond this a number is taken for a mistake. */
const MAX_WIDTH = 2 ** 20;

const readAbout = decode.record<About>({
  model: decode.text,
  strategy: decode.text,
  step: decode.int(),
  slots: decode.listOf((value) => {
    const [slot = '', variable = '', ...rest] = texts(value);
    if (rest.length > 0) throw new decode.Misfit('is not a pair');
    return [slot, variable] as const;
  }),
  identity: decode.text,
  variables: texts,
  buffers: decode.listOf(
    decode.record<About['buffers'][number]>({
      key: decode.text,
      widths: decode.listOf(decode.int(0, MAX_WIDTH)),
    }),
  ),
  progress: decode.listOf(
    decode.record<About['progress'][number]>({
      task: decode.text,
      batch: decode.int(),
      data: decode.text,
    }),
  ),
});

/** The checkpoint of a file. Throws PW_CHECKPOINT_FOREIGN, PW_CHECKPOINT_FORMAT. */
export function parseCheckpoint({ tensors, metadata }: Pick<ReadFile, 'tensors' | 'metadata'>): Checkpoint {
  const about = aboutOf(metadata);
  const left = new Map(tensors);
  /** Each tensor is used once, so that none is left in the end. */
  const take = (name: string): TensorValue => {
    const value = left.get(name);
    if (value === undefined) throw badFormat(`it lacks the tensor ${quoted(name)}`);
    left.delete(name);
    return value;
  };
  const resume: Resume = {
    identity: about.identity,
    variables: new Map(about.variables.map((key) => [key, take(variableTensor(key))])),
    buffers: new Map(
      about.buffers.map(({ key, widths }) => [
        key,
        widths.map((width, i) => Array.from({ length: width }, (_, j) => take(bufferTensor(key, i, j)))),
      ]),
    ),
    progress: new Map(
      about.progress.map(({ task, batch, data }) => {
        const reports = decodeReports(take(progressTensor(task)));
        if (reports === undefined) throw badFormat(`${quoted(progressTensor(task))} is no table of steps`);
        return [task, { batch, data, reports }];
      }),
    ),
  };
  for (const name of left.keys()) {
    if (name.startsWith(RESUME)) throw badFormat(`nothing says what the tensor ${quoted(name)} is`);
  }
  const { model, strategy, step } = about;
  return { model, strategy, step, variables: left, slots: slotsIn(about, left), resume };
}

function slotsIn({ slots }: About, variables: ReadonlyMap<string, TensorValue>): Map<string, string> {
  for (const [slot] of slots) {
    if (!variables.has(slot)) throw badFormat(`it lacks the optimizer slot ${quoted(slot)}`);
  }
  return new Map(slots);
}

function aboutOf(metadata: ReadonlyMap<string, string>): About {
  const version = metadata.get(VERSION);
  if (version !== CHECKPOINT_VERSION) {
    const what =
      version === undefined ? `has no ${VERSION}` : `is of the version ${quoted(version)} of checkpoints`;
    throw new PlacewrightError('PW_CHECKPOINT_FOREIGN', `this safetensors file ${what}`, {
      hint: `this program reads checkpoints of the version ${CHECKPOINT_VERSION}`,
    });
  }
  const text = metadata.get(ABOUT) ?? '';
  const json = parseJson(text, {
    code: 'PW_CHECKPOINT_FORMAT',
    message: `this is no checkpoint: its ${ABOUT} is not JSON`,
    hint: 'fetch it again, or take an earlier one',
  });
  try {
    return readAbout(json);
  } catch (error) {
    if (!(error instanceof decode.Misfit)) throw error;
    throw badFormat(`${[ABOUT, error.where()].filter((part) => part !== '').join('.')} ${error.message}`);
  }
}
