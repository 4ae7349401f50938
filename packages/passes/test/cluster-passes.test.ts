import {
  ancestors,
  buildModel,
  builtinRegistry,
  defineModel,
  edit,
  type Module,
  nodeOf,
  type QueueResource,
  type Resource,
  resourceName,
  type VariableResource,
} from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { type Case, tasks, upTo } from './fixture.js';

const worker = (index: number) => ({ job: 'worker', index });
const REPLICATED: Case = { strategy: 'distributed_replicated', cluster: tasks(2, 2) };
const SHARED: Case = { strategy: 'parameter_server', cluster: tasks(2, 2) };

const variablesOf = (module: Module): VariableResource[] =>
  [...module.resources.values()].filter((r): r is VariableResource => r.kind === 'variable');
const variable = (module: Module, name: string): VariableResource | undefined =>
  variablesOf(module).find((each) => resourceName(each) === name);
const kinds = (module: Module, kind: Resource['kind']): Resource[] =>
  [...module.resources.values()].filter((r) => r.kind === kind);
const queuesOf = (module: Module): QueueResource[] => kinds(module, 'queue') as QueueResource[];
const ops = (module: Module, op: string) => [...module.graph.nodes.values()].filter((node) => node.op === op);

/** A model of as many trainable variables, of one element each. */
const many = (count: number) =>
  defineModel({
    name: 'many',
    inputs: { x: { dtype: 'float32', shape: [] } },
    build(b, { x }) {
      const all = Array.from({ length: count }, (_, i) => b.variable(`w${i}`, { shape: [] }).value);
      return { loss: b.mean(all.reduce((sum, w) => b.add(sum, b.mul(w, x)), x)) };
    },
  });

describe('shadow-variables', () => {
  it('shadow-variables: what has no gradient has no shadow, and stays saved under its own key', () => {
    const { after } = upTo('shadow-variables', REPLICATED);
    expect(variable(after, 'ps_var/v0/seen')).toBeUndefined();
    expect(variable(after, 'v0/seen')?.savedAs).toBe('v0/seen');
    expect(variable(after, 'v1/seen')?.savedAs).toBeNull();
    expect(variable(after, 'global_step')?.savedAs).toBe('global_step');
  });

  it.each([
    [1, ['0', '0', '0', '0']],
    [2, ['0', '1', '0', '1']],
    [3, ['0', '1', '2', '0']],
  ])('goes on with the turns of %i servers after global_step, whatever the sizes', (servers, want) => {
    const cluster = tasks(servers, 1);
    const { after } = upTo('shadow-variables', { ...REPLICATED, cluster, module: buildModel(many(3)) });
    const placed = variablesOf(after).filter(({ replica }) => replica === null);
    expect(placed.map(resourceName)).toEqual(['global_step', 'ps_var/v0/w0', 'ps_var/v0/w1', 'ps_var/v0/w2']);
    expect(placed.map(({ device }) => /task:(\d)/.exec(device)?.[1])).toEqual(want);
  });

  it('starts from the tensor that tower 0 starts from, and is global and trainable', () => {
    const { after } = upTo('shadow-variables', REPLICATED);
    const values = after.roles.flatMap((role) =>
      role.kind === 'initializer' && role.variable === 'affine0/weights'
        ? [[role.replica, nodeOf(after.graph, role.node).inputs[0]] as const]
        : [],
    );
    const of = new Map(values);
    expect(of.get(null)).toEqual(of.get(0));
    expect(of.get(null)).not.toEqual(of.get(1));
    const shadow = variable(after, 'ps_var/v0/affine0/weights');
    expect(shadow).toMatchObject({ trainable: true, collection: 'global', savedAs: 'v0/affine0/weights' });
    expect(variable(after, 'v0/affine0/weights')?.savedAs).toBeNull();
  });

  it('refuses a variable outside of the towers that is called as a shadow would be', () => {
    const refused = () =>
      upTo('shadow-variables', REPLICATED, (module) => ({
        ...module,
        resources: new Map(
          [...module.resources].map(([id, r]) => [
            id,
            r.kind === 'variable' && r.name === 'global_step'
              ? { ...r, name: 'ps_var/v0/affine0/biases' }
              : r,
          ]),
        ),
      }));
    expect(refused).toThrowError(expect.objectContaining({ code: 'PW_VARIABLE_NAME', kind: 'user' }));
  });

  it('refuses a cluster without parameter servers', () => {
    const local = { strategy: 'distributed_replicated', choices: { counters: 'host' } } as const;
    expect(() => upTo('shadow-variables', local)).toThrowError(
      expect.objectContaining({ code: 'PW_CLUSTER_NO_PS' }),
    );
  });
});

describe('aggregate-gradients in a cluster', () => {
  const aggregated = (module: Module) =>
    module.roles.flatMap((role) => (role.kind === 'aggregated' ? [role] : []));
  const deviceOf = (module: Module, node: string): string =>
    [...module.graph.nodes.values()].find(({ id }) => id === node)?.device ?? '';

  it('gives one mean on the host of the worker for each shared variable', () => {
    const { after } = upTo('aggregate-gradients', { ...SHARED, task: worker(1) });
    expect(aggregated(after).map(({ replica }) => replica)).toEqual([null, null]);
    for (const { tensor } of aggregated(after))
      expect(deviceOf(after, tensor.node)).toBe('/job:worker/task:1/device:CPU:0');
  });

  it('gives one mean for each shadow, on the devices of the towers in turn', () => {
    const { after } = upTo('aggregate-gradients', REPLICATED);
    expect(aggregated(after).map(({ replica, tensor }) => [replica, deviceOf(after, tensor.node)])).toEqual([
      [null, '/job:worker/task:0/device:GPU:0'],
      [null, '/job:worker/task:0/device:GPU:1'],
    ]);
  });

  it('adds and divides nothing with one tower', () => {
    for (const strategy of ['parameter_server', 'distributed_replicated']) {
      const { changes } = upTo('aggregate-gradients', { strategy, cluster: tasks(2, 2, 1) });
      expect(changes.filter(({ subject }) => subject !== 'roles')).toEqual([]);
    }
  });
});

describe('clip-gradients in a cluster', () => {
  it.each(['parameter_server', 'distributed_replicated'])(
    'clips on the host of the worker, before the gradient goes to its variable: %s',
    (strategy) => {
      for (const kind of ['value', 'globalNorm'] as const) {
        const training = { clip: { kind, limit: 1 } };
        const { before, after } = upTo('clip-gradients', {
          strategy,
          cluster: tasks(2, 2),
          task: worker(1),
          training,
        });
        const added = [...after.graph.nodes.values()].filter(({ id }) => !before.graph.nodes.has(id));
        expect(new Set(added.map(({ device }) => device))).toEqual(
          new Set(['/job:worker/task:1/device:CPU:0']),
        );
      }
    },
  );
});

describe('apply-gradients on shadows', () => {
  it('makes slots beside the shadows after all of them, saved without the prefix', () => {
    const optimizer = { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true } as const;
    const { after } = upTo('apply-gradients', { ...REPLICATED, training: { optimizer } });
    const shadows = variablesOf(after).slice(-4);
    expect(shadows.map((each) => [resourceName(each), each.savedAs, each.device])).toEqual([
      ['ps_var/v0/affine0/weights', 'v0/affine0/weights', '/job:ps/task:1/device:CPU:0'],
      ['ps_var/v0/affine0/biases', 'v0/affine0/biases', '/job:ps/task:0/device:CPU:0'],
      ['ps_var/v0/affine0/weights/Momentum', 'v0/affine0/weights/Momentum', '/job:ps/task:1/device:CPU:0'],
      ['ps_var/v0/affine0/biases/Momentum', 'v0/affine0/biases/Momentum', '/job:ps/task:0/device:CPU:0'],
    ]);
    expect(shadows.slice(2).map(({ trainable, collection }) => [trainable, collection])).toEqual([
      [false, 'global'],
      [false, 'global'],
    ]);
  });
});

describe('copy-shadows', () => {
  it('copy-shadows: an update of what all towers share needs no copy', () => {
    const { after } = upTo('copy-shadows', REPLICATED, (module) => ({
      ...module,
      // As if the towers had no variables of their own.
      resources: new Map(
        [...module.resources].filter(([, r]) => r.kind !== 'variable' || r.replica === null),
      ),
      graph: { nodes: new Map() },
      entries: {},
      roles: module.roles.filter(({ kind }) => kind === 'apply'),
    }));
    expect(after.graph.nodes.size).toBe(0);
  });

  it('reads each shadow once, after its barrier, onto the host, and gives it to every tower', () => {
    const { before, after } = upTo('copy-shadows', REPLICATED);
    const barriers = ops(after, 'Barrier');
    expect(barriers.map(({ name }) => name)).toEqual([
      'barrier/replicate_variable_0',
      'barrier/replicate_variable_1',
    ]);
    const reads = ops(after, 'ReadVariableOp').filter(({ id }) => !before.graph.nodes.has(id));
    expect(reads.map(({ controls }) => controls)).toEqual(barriers.map(({ id }) => [id]));
    const kept = ops(after, 'Identity').filter(({ id }) => !before.graph.nodes.has(id));
    expect(kept.map(({ device }) => device)).toEqual(Array(2).fill('/job:worker/task:0/device:CPU:0'));
    const assigns = after.entries.step?.rounds.flat().filter((id) => !before.graph.nodes.has(id)) ?? [];
    const written = assigns.map((id) => {
      const [resource] = nodeOf(after.graph, id).resources;
      return resource === undefined ? '' : resourceName(after.resources.get(resource) as Resource);
    });
    expect(written).toEqual([
      'v0/affine0/weights',
      'v1/affine0/weights',
      'v0/affine0/biases',
      'v1/affine0/biases',
    ]);
  });
});

describe('synchronise', () => {
  it('lets the towers read before they take what was copied, and leaves reads after writes where they are', () => {
    const { before, after } = upTo('synchronise', REPLICATED);
    for (const node of ops(after, 'ReadVariableOp'))
      expect(node.controls).toEqual(before.graph.nodes.get(node.id)?.controls);
    const forward = ops(after, 'ReadVariableOp').filter(
      ({ replica, phase }) => replica !== null && phase !== 'eval',
    );
    expect(forward.length).toBeGreaterThan(3);
    for (const read of forward) {
      const writes = [...after.graph.nodes.values()].filter(
        ({ op, phase, resources, replica }) =>
          op === 'AssignVariableOp' &&
          phase === 'update' &&
          replica === read.replica &&
          resources[0] === read.resources[0],
      );
      for (const { controls, inputs } of writes)
        expect([...controls, ...inputs.map(({ node }) => node)]).toContain(read.id);
    }
  });

  it('orders a read after the write that it must follow for another reason', () => {
    const { after } = upTo('synchronise', { strategy: 'parameter_server', towers: 1 }, (module) => {
      const apply = module.roles.find(({ kind }) => kind === 'apply');
      const done = apply !== undefined && 'node' in apply ? apply.node : undefined;
      const seen = variablesOf(module).find(({ name }) => name === 'seen');
      if (done === undefined || seen === undefined) throw new Error('there is nothing to read');
      return edit(module, builtinRegistry, 'test', (editor) => {
        const read = editor.addNode(
          { op: 'ReadVariableOp', name: 'late', resources: [seen.id], device: seen.device, controls: [done] },
          { reason: 'test' },
        );
        const step = editor.entries.step;
        if (step !== undefined) editor.setEntry({ ...step, rounds: [[...step.rounds.flat(), read]] });
      }).module;
    });
    const [late] = ops(after, 'ReadVariableOp').filter(({ name }) => name === 'late');
    const [write] = ops(after, 'AssignSubVariableOp');
    expect(late?.controls).toContain(write?.id);
  });
});

describe('await-workers', () => {
  it('await-workers: alone on its machine, a task waits for nobody', () => {
    const local: Case = {
      strategy: 'parameter_server',
      towers: 2,
      choices: { synchronisation: 'synchronous' },
    };
    expect(upTo('await-workers', local).changes).toEqual([]);
  });

  it('ends a step when all workers have done all of it', () => {
    const { before, after } = upTo('await-workers', REPLICATED);
    const [barrier] = ops(after, 'Barrier').filter(({ name }) => name === 'barrier/sync_queues_step_end_');
    const targets = before.entries.step?.rounds.flat() ?? [];
    expect(barrier?.controls).toEqual(expect.arrayContaining(targets));
    expect(after.entries.step?.rounds.flat()).toEqual([...targets, barrier?.id]);
    const fetched = before.entries.step?.fetches.map(({ tensor }) => tensor.node) ?? [];
    expect(barrier?.controls).toEqual(expect.arrayContaining(fetched));
  });

  it('asynchronous: waits in an entry of its own, and in no step', () => {
    const { before, after } = upTo('await-workers', { ...SHARED, options: { crossReplicaSync: false } });
    expect(after.entries.step).toEqual(before.entries.step);
    const [barrier] = ops(after, 'Barrier');
    expect(after.entries.barrier?.rounds).toEqual([[barrier?.id]]);
    expect(kinds(after, 'barrier').map(({ name, device }) => [name, device])).toEqual([
      ['execution_barrier_', '/job:ps/task:1/device:CPU:0'],
    ]);
  });
});

describe('post-init with shadows', () => {
  it('gives every trainable variable of every tower its shadow, and nothing else', () => {
    const { after } = upTo('post-init', REPLICATED);
    const copies = (after.entries.postInit?.rounds.flat() ?? []).map((id) => {
      const { resources, inputs } = nodeOf(after.graph, id);
      const source = nodeOf(after.graph, inputs[0]?.node ?? id).resources;
      return [resources[0], source[0]].map((r) => resourceName(after.resources.get(r ?? 'r0') as Resource));
    });
    expect(copies).toEqual(
      ['affine0/weights', 'affine0/biases'].flatMap((name) =>
        ['v0', 'v1'].map((tower) => [`${tower}/${name}`, `ps_var/v0/${name}`]),
      ),
    );
  });
});

describe('initialise-once', () => {
  const initialised = (spec: Case): string[] => {
    const { after } = upTo('initialise-once', spec);
    return (after.entries.init?.rounds.flat() ?? []).map((id) => {
      const [resource] = nodeOf(after.graph, id).resources;
      return resource === undefined ? '' : resourceName(after.resources.get(resource) as Resource);
    });
  };

  it('initialise-once: the first worker initialises all that there is', () => {
    expect(upTo('initialise-once', REPLICATED).changes).toEqual([]);
  });

  it('leaves global variables to the first worker', () => {
    expect(initialised({ ...SHARED, task: worker(1) })).toEqual([]);
    const local = initialised({ ...REPLICATED, task: worker(1) });
    expect(local.length).toBe(6);
    expect(local.every((name) => /^v[01]\//.test(name))).toBe(true);
  });
});

describe('gate-updates', () => {
  it('gate-updates: one worker waits for nobody, and shadows are read after their updates', () => {
    expect(upTo('gate-updates', { ...SHARED, cluster: tasks(2, 1) }).changes).toEqual([]);
    const { before, after } = upTo('gate-updates', REPLICATED);
    expect(after.entries.step).toEqual(before.entries.step);
    expect(before.graph.nodes.size + 1).toBe(after.graph.nodes.size);
  });

  it('lets every update of what is read wait for one barrier, which waits for all reads', () => {
    for (const stagedVars of [false, true]) {
      const { before, after } = upTo('gate-updates', { ...SHARED, options: { stagedVars } });
      const [gate] = ops(after, 'Barrier').filter(({ id }) => !before.graph.nodes.has(id));
      if (gate === undefined) throw new Error('there is no gate');
      const resource = after.resources.get(gate.resources[0] ?? 'r0');
      expect(resource).toMatchObject({ name: 'gate_updates_', parties: 2, origin: { pass: 'gate-updates' } });
      const step = ancestors(after.graph, after.entries.step?.rounds.flat() ?? []);
      const shared = new Set(variablesOf(after).flatMap(({ id, scope }) => (scope === 'v' ? [id] : [])));
      const acting = [...step]
        .map((id) => nodeOf(after.graph, id))
        .filter(
          ({ resources }) => resources[0] !== undefined && shared.has(resources[0] as VariableResource['id']),
        );
      const waited = ancestors(after.graph, [gate.id]);
      const reads = acting.filter(({ op }) => op === 'ReadVariableOp');
      const writes = acting.filter(({ op }) => op !== 'ReadVariableOp');
      expect(reads.length).toBeGreaterThan(2);
      expect(writes.length).toBe(3);
      expect(reads.every(({ id }) => waited.has(id))).toBe(true);
      expect(writes.every(({ controls }) => controls.includes(gate.id))).toBe(true);
    }
  });

  it('lets no worker train before all have copied what they start from', () => {
    const { before, after } = upTo('gate-updates', REPLICATED);
    const [gate] = ops(after, 'Barrier').filter(({ id }) => !before.graph.nodes.has(id));
    expect(gate?.controls).toEqual(before.entries.postInit?.rounds.flat());
    expect(after.entries.postInit?.rounds.flat()).toEqual([...(gate?.controls ?? []), gate?.id]);
  });
});

describe('expand-barriers', () => {
  it('expand-barriers: what waits for a barrier and what it waits for stay', () => {
    const { before, after } = upTo('expand-barriers', SHARED);
    expect(after.entries).toEqual(before.entries);
    expect(kinds(after, 'barrier')).toEqual([]);
    for (const node of before.graph.nodes.values()) {
      const now = nodeOf(after.graph, node.id);
      if (node.op !== 'Barrier') expect(now).toEqual(node);
      else expect([...ancestors(after.graph, [node.id])]).toEqual(expect.arrayContaining([...node.controls]));
    }
  });

  it('puts a token into the queue of every other worker, and takes one of each from its own', () => {
    const { after } = upTo('expand-barriers', { ...SHARED, cluster: tasks(2, 3), task: worker(1) });
    const puts = ops(after, 'QueueEnqueueV2').map(({ resources }) => resources[0]);
    const gets = ops(after, 'QueueDequeueManyV2');
    const name = (id: string | undefined) =>
      resourceName(after.resources.get((id ?? 'r0') as 'r0') as Resource);
    expect(puts.map(name)).toEqual([
      'sync_queues_step_end_0',
      'sync_queues_step_end_2',
      'gate_updates_0',
      'gate_updates_2',
    ]);
    expect(gets.map(({ resources, attrs }) => [name(resources[0]), attrs.get('n')?.value])).toEqual([
      ['sync_queues_step_end_1', 2],
      ['gate_updates_1', 2],
    ]);
    expect(new Set(queuesOf(after).map(({ capacity }) => capacity))).toEqual(new Set([3]));
  });

  it('one worker has its queue, and takes no token', () => {
    const { after } = upTo('expand-barriers', { ...SHARED, cluster: tasks(1, 1) });
    expect(queuesOf(after).map(({ name, capacity }) => [name, capacity])).toEqual([
      ['sync_queues_step_end_0', 1],
    ]);
    expect(ops(after, 'QueueEnqueueV2')).toEqual([]);
    expect(ops(after, 'QueueDequeueManyV2').map(({ attrs }) => attrs.get('n')?.value)).toEqual([0]);
  });

  it('puts the barriers on the servers in turn, from the second on, past the gate', () => {
    const module = buildModel(many(4));
    const { after } = upTo('expand-barriers', { ...REPLICATED, cluster: tasks(3, 1), module });
    expect(queuesOf(after).map(({ name, device }) => `${name} ${/task:(\d)/.exec(device)?.[1]}`)).toEqual([
      'replicate_variable_00 1',
      'replicate_variable_10 2',
      'replicate_variable_20 0',
      'replicate_variable_30 1',
      'sync_queues_step_end_0 2',
    ]);
  });

  it('says of each queue and node which pass has asked for it', () => {
    const { after } = upTo('expand-barriers', REPLICATED);
    const askedBy = (name: string) => queuesOf(after).find((queue) => queue.name === name)?.origin.pass;
    expect(askedBy('replicate_variable_00')).toBe('copy-shadows');
    expect(askedBy('sync_queues_step_end_1')).toBe('await-workers');
    expect(askedBy('gate_updates_start_1')).toBe('gate-updates');
    const gates = [...after.graph.nodes.values()].filter(({ name }) => name.includes('gate_updates'));
    expect(new Set(gates.map(({ origin }) => origin.pass))).toEqual(new Set(['gate-updates']));
  });

  it.each([
    [10, 12, 'replicate_variable_110'],
    [11, 8, 'replicate_variable_110'],
    [12, 12, 'replicate_variable_1_10'],
  ])('%i workers, %i variables: keeps names where all differ', (workers, count, name) => {
    const module = buildModel(many(count));
    const { after } = upTo('expand-barriers', { ...REPLICATED, cluster: tasks(2, workers, 1), module });
    const names = queuesOf(after).map((queue) => queue.name);
    expect(names).toHaveLength((count + 2) * workers);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain(name);
  });

  it('names its queues the same in the modules of all workers', () => {
    const identity = (index: number) =>
      queuesOf(
        upTo('expand-barriers', { ...REPLICATED, cluster: tasks(2, 3), task: worker(index) }).after,
      ).map(({ container, name, device, capacity, types }) => ({ container, name, device, capacity, types }));
    expect(identity(1)).toEqual(identity(0));
    expect(identity(2)).toEqual(identity(0));
  });
});
