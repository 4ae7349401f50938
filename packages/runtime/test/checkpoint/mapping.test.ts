import {
  builtinRegistry,
  edit,
  emptyModule,
  type Module,
  type ModuleState,
  type NewResource,
  type ResourceId,
  resourceName,
  scalar,
  type TensorValue,
  type VariableResource,
} from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import {
  captureCheckpoint,
  checkpointFile,
  mapState,
  parseCheckpoint,
  planRestore,
} from '../../src/checkpoint/index.js';
import { faultOf } from './support.js';

const WHY = { reason: 'test' };
const PS = '/job:ps/task:0/device:CPU:0';
const worker = (task: number, device = 'GPU:0'): string => `/job:worker/task:${task}/device:${device}`;

type Given = Partial<VariableResource> & { readonly name: string };

/** A module of float32 scalars; `slotOf` is the place of another in the list. */
function moduleOf(list: readonly (Given & { readonly of?: number })[]): Module {
  return edit(emptyModule('m'), builtinRegistry, 'test', (editor) => {
    const ids: ResourceId[] = [];
    for (const { of, ...given } of list) {
      const resource = {
        ...{ kind: 'variable', container: '', device: '', replica: null, scope: '', dtype: 'float32' },
        ...{ shape: [], trainable: true, collection: 'global', savedAs: null },
        ...given,
        slotOf: of === undefined ? null : (ids[of] ?? null),
      } as NewResource;
      ids.push(editor.addResource(resource, WHY));
    }
  }).module;
}

/** Values 1, 2, … of the variables in their order. */
function stateOf(module: Module): ModuleState {
  const ids = [...module.resources.keys()];
  return { variables: new Map(ids.map((id, i) => [id, scalar('float32', i + 1)])), buffers: new Map() };
}

const numbersOf = (values: ReadonlyMap<string, TensorValue>): unknown =>
  Object.fromEntries([...values].map(([name, { data }]) => [name, data[0]]));

const ID = { strategy: 's', choices: 'c' };

/** Two workers with a tower each, whose local copies hang on shadows of the parameter server. */
const SHADOWS = moduleOf([
  { name: 'w', scope: 'v0', replica: 0, device: worker(0), collection: 'local' },
  { name: 'mean', scope: 'v0', replica: 0, device: worker(0), savedAs: 'v0/mean', trainable: false },
  { name: 'w', scope: 'ps_var/v0', device: PS, savedAs: 'v0/w', trainable: false },
  { name: 'w/Momentum', scope: 'ps_var/v0', device: PS, savedAs: 'v0/w/Momentum', of: 2 },
  { name: 'w', scope: 'v0', replica: 1, device: worker(1), collection: 'local' },
  { name: 'mean', scope: 'v0', replica: 1, device: worker(1), savedAs: 'v0/mean', trainable: false },
  { name: 'global_step', device: PS, savedAs: 'global_step', trainable: false },
]);

/** The same model with one set of variables. */
const SHARED = moduleOf([
  { name: 'w', scope: 'v', savedAs: 'v/w' },
  { name: 'mean', scope: 'v', savedAs: 'v/mean' },
  { name: 'w/Momentum', scope: 'v', savedAs: 'v/w/Momentum', of: 0 },
  { name: 'global_step', savedAs: 'global_step' },
]);

describe('shadow variables', () => {
  test('are what is saved; the local copies of all tasks that differ are kept beside', () => {
    const checkpoint = captureCheckpoint({ ...ID, module: SHADOWS, state: stateOf(SHADOWS), step: 1 });
    expect(numbersOf(checkpoint.variables)).toEqual({ w: 3, mean: 2, 'w/Momentum': 4, global_step: 7 });
    expect(checkpoint.slots).toEqual(new Map([['w/Momentum', 'w']]));
    expect(numbersOf(checkpoint.resume.variables)).toEqual({
      [`v0/w@${worker(0)}`]: 1,
      [`v0/w@${worker(1)}`]: 5,
      [`v0/mean@${worker(1)}`]: 6,
    });
    const again = parseCheckpoint(checkpointFile(checkpoint));
    expect(again).toEqual(checkpoint);
    const plan = planRestore(SHADOWS, again, ID);
    expect(plan.same).toBe(true);
    expect(plan.state).toEqual(stateOf(SHADOWS));
  });

  test('and all copies of them take the value of another strategy', () => {
    const checkpoint = captureCheckpoint({ ...ID, module: SHARED, state: stateOf(SHARED), step: 1 });
    const { state, same } = planRestore(SHADOWS, checkpoint, ID);
    expect(same).toBe(false);
    const values = [...SHADOWS.resources.values()].map((r) => [
      resourceName(r),
      state.variables.get(r.id)?.data[0],
    ]);
    expect(values).toEqual([
      ['v0/w', 1],
      ['v0/mean', 2],
      ['ps_var/v0/w', 1],
      ['ps_var/v0/w/Momentum', 3],
      ['v0/w', 1],
      ['v0/mean', 2],
      ['global_step', 4],
    ]);
  });

  test('give the same variables the other way round', () => {
    const checkpoint = captureCheckpoint({ ...ID, module: SHADOWS, state: stateOf(SHADOWS), step: 1 });
    const { state } = planRestore(SHARED, checkpoint, ID);
    expect([...state.variables.values()].map(({ data }) => data[0])).toEqual([3, 2, 4, 7]);
  });
});

describe('variables that are not saved', () => {
  const module = moduleOf([{ name: 'a', savedAs: 'a' }, { name: 'local' }]);

  test('are for the same strategy alone', () => {
    const checkpoint = captureCheckpoint({ ...ID, module, state: stateOf(module), step: 1 });
    expect(numbersOf(checkpoint.variables)).toEqual({ a: 1 });
    expect(planRestore(module, checkpoint, ID).state.variables.size).toBe(2);
    const other = planRestore(module, checkpoint, { ...ID, choices: 'd' });
    expect([...other.state.variables.values()].map(({ data }) => data[0])).toEqual([1]);
  });

  test('need no value; what is saved does', async () => {
    const [a, local] = [...module.resources.keys()] as [ResourceId, ResourceId];
    const only = (id: ResourceId): ModuleState => ({
      variables: new Map([[id, scalar('float32', 1)]]),
      buffers: new Map(),
    });
    const checkpoint = captureCheckpoint({ ...ID, module, state: only(a), step: 1 });
    expect(checkpoint.resume.variables.size).toBe(0);
    const fault = await faultOf(() => captureCheckpoint({ ...ID, module, state: only(local), step: 1 }));
    expect(fault.code).toBe('PW_VARIABLE_UNINITIALIZED');
  });
});

describe('names', () => {
  const saved = (name: string, more: Partial<VariableResource> = {}): Given => ({
    name,
    savedAs: name,
    ...more,
  });

  test.each([
    [
      'of a variable and of another one’s slot',
      [saved('w', { scope: 'v' }), { ...saved('w/Momentum', { scope: 'v' }), of: 0 }, saved('w/Momentum')],
      /"v\/w\/Momentum" and "w\/Momentum" would both be called "w\/Momentum"/,
    ],
    [
      'of another shape on another tower',
      [saved('w', { scope: 'v0' }), saved('w', { scope: 'v1', shape: [2] })],
      /would both be called "w"/,
    ],
    ['in two containers', [saved('w'), saved('w', { container: 'c' })], /would both be called "w@"/],
    ['that checkpoints use', [saved('placewright.resume/x')], /has a meaning of its own/],
    ['that the format uses', [saved('__metadata__')], /has a meaning of its own/],
    ['that are half a character', [saved('a\ud800')], /no whole text/],
  ] as const)('%s are refused', async (_, list, says) => {
    const fault = await faultOf(() => mapState(moduleOf(list)));
    expect(fault.code).toBe('PW_CHECKPOINT_NAME');
    expect(fault.message).toMatch(says);
  });

  test('of resources may be hostile', () => {
    const module = moduleOf(
      ['__proto__', '</script>', 'a@/device:CPU:0', 'constructor'].map((n) => saved(n)),
    );
    const checkpoint = captureCheckpoint({ ...ID, module, state: stateOf(module), step: 1 });
    expect(parseCheckpoint(checkpointFile(checkpoint))).toEqual(checkpoint);
    expect(planRestore(module, checkpoint, ID).state).toEqual(stateOf(module));
  });
});

test('a hundred thousand variables are no matter', () => {
  const list = Array.from({ length: 100_000 }, (_, i) => ({ name: `v${i}`, savedAs: `v${i}` }));
  const module = moduleOf(list);
  const checkpoint = captureCheckpoint({ ...ID, module, state: stateOf(module), step: 1 });
  expect(planRestore(module, checkpoint, ID).state.variables.size).toBe(100_000);
});
