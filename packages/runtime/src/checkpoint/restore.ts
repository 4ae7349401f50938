import {
  checkState,
  compatible,
  formatType,
  type Module,
  type ModuleState,
  nearest,
  PlacewrightError,
  type ResourceId,
  type TensorValue,
  type Tuples,
} from '@placewright/ir';
import type { Session } from '../engine.js';
import { initialise } from '../train-loop.js';
import type { Checkpoint, StrategyIdentity } from './checkpoint.js';
import { badFormat, quoted } from './header.js';
import type { Progress } from './progress.js';
import { identityOf, mapState, type SavedVariable, type StateMap, slotsOf } from './state-map.js';

export interface RestoreOptions extends StrategyIdentity {
  /**
   * What happens where the optimizer's slots are not those of the checkpoint: `exact`, the default, refuses; `fresh` lets
   * those that it lacks begin anew, and leaves out those that the model has no use for.
   */
  readonly slots?: 'exact' | 'fresh';
}

/** What a checkpoint is for a module. */
export interface Restoration {
  /** Values for every variable, and what its buffers hold; empty ones where they must be filled anew. */
  readonly state: ModuleState;
  /** Whether it goes on exactly where the checkpoint's run stopped: the same strategy on the same cluster. */
  readonly same: boolean;
  /** How far the loops were, by task. */
  readonly progress: ReadonlyMap<string, Progress>;
  readonly step: number;
}

/**
 * Works out what a checkpoint means for a module, of whatever strategy both are. Sets nothing.
 * Throws PW_CHECKPOINT_VARIABLE, PW_CHECKPOINT_SLOT with the first difference, in the order of the module's variables;
 * PW_CHECKPOINT_NAME.
 */
export function planRestore(module: Module, checkpoint: Checkpoint, options: RestoreOptions): Restoration {
  const map = mapState(module);
  checkVariables(map, checkpoint, options.slots ?? 'exact');
  const variables = new Map<ResourceId, TensorValue>();
  for (const { name, holders } of map.saved) {
    const value = checkpoint.variables.get(name);
    if (value === undefined) continue;
    for (const { id } of holders) variables.set(id, value);
  }
  const same = identityOf(module, map, options.choices) === checkpoint.resume.identity;
  const buffers = same ? resumed(map, checkpoint, variables) : emptied(map);
  const state = { variables, buffers };
  checkState(module, state);
  return { state, same, progress: checkpoint.resume.progress, step: checkpoint.step };
}

/** Sets the towers' own values, and gives what the buffers hold. */
function resumed(
  { buffers, keys }: StateMap,
  { resume }: Checkpoint,
  variables: Map<ResourceId, TensorValue>,
): Map<ResourceId, Tuples> {
  for (const [id, key] of keys) {
    const value = resume.variables.get(key);
    if (value !== undefined) variables.set(id, value);
  }
  return new Map(
    buffers.map(({ id, name }) => {
      const tuples = resume.buffers.get(keys.get(id) ?? '');
      if (tuples === undefined) throw badFormat(`it does not say what ${quoted(name)} holds`);
      return [id, tuples] as const;
    }),
  );
}

function emptied({ buffers }: StateMap): Map<ResourceId, Tuples> {
  return new Map(buffers.map(({ id }) => [id, []]));
}

function checkVariables(map: StateMap, checkpoint: Checkpoint, slots: 'exact' | 'fresh'): void {
  const names = new Set(map.saved.map(({ name }) => name));
  const extra = [...checkpoint.variables.keys()].filter((name) => !names.has(name));
  for (const variable of map.saved) checkVariable(variable, checkpoint, extra, slots);
  for (const name of extra) {
    const of = checkpoint.slots.get(name);
    if (of === undefined)
      throw variableError(`it holds ${JSON.stringify(name)}, which the model has not`, checkpoint);
    if (slots === 'exact') {
      throw slotError(`it holds ${JSON.stringify(name)}, for which the optimizer has no use`);
    }
  }
  // A variable of the model that the checkpoint takes for a slot, or the other way round, is another variable.
  const own = slotsOf(map);
  for (const [slot, of] of checkpoint.slots) {
    if (names.has(slot) && own.get(slot) !== of) {
      throw variableError(`${JSON.stringify(slot)} is a slot of ${JSON.stringify(of)} in it`, checkpoint);
    }
  }
}

function checkVariable(
  { name, source, slotOf }: SavedVariable,
  checkpoint: Checkpoint,
  extra: readonly string[],
  slots: 'exact' | 'fresh',
): void {
  const value = checkpoint.variables.get(name);
  if (value === undefined) {
    if (slotOf === null) {
      const near = nearest(name, extra);
      const guess = near === undefined ? '' : `; it has ${JSON.stringify(near)}`;
      throw variableError(`it lacks ${JSON.stringify(name)}${guess}`, checkpoint);
    }
    if (slots === 'fresh') return;
    throw slotError(`it lacks ${JSON.stringify(name)}, which the optimizer keeps`);
  }
  if (value.dtype === source.dtype && compatible(value.shape, source.shape)) return;
  throw variableError(
    `${JSON.stringify(name)} is ${formatType(value)} in it, and ${formatType(source)} in the model`,
    checkpoint,
  );
}

function variableError(difference: string, { model, strategy, step }: Checkpoint): PlacewrightError {
  const what = `${JSON.stringify(model)} by ${strategy} after ${step} steps`;
  return new PlacewrightError(
    'PW_CHECKPOINT_VARIABLE',
    `the checkpoint is of another model than this: ${difference}`,
    { hint: `it is of ${what}; take that model, with the same input size and number of classes` },
  );
}

function slotError(difference: string): PlacewrightError {
  return new PlacewrightError(
    'PW_CHECKPOINT_SLOT',
    `the checkpoint is of another optimizer than this: ${difference}`,
    { hint: 'take the same optimizer, or begin it anew with `slots: "fresh"` (--fresh-slots)' },
  );
}

/**
 * Initialises a session and gives it a checkpoint. The module's `warmUp` is still to be run, unless `same`.
 * Nothing is changed where the checkpoint does not fit. Throws what `planRestore` throws, and the engine.
 */
export async function restoreCheckpoint(
  session: Session,
  module: Module,
  checkpoint: Checkpoint,
  options: RestoreOptions,
): Promise<Restoration> {
  const restoration = planRestore(module, checkpoint, options);
  await initialise(session, module);
  await session.writeState(restoration.state);
  return restoration;
}
