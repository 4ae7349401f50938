import { describe, expect, it } from 'vitest';
import type { NewNode } from '../../src/editor.js';
import type { Module, Node, NodeId } from '../../src/graph.js';
import { builtinRegistry } from '../../src/registry.js';
import { INVARIANTS, verify, verifyLinked } from '../../src/verify/registry.js';
import { broken, edited, GPU0, GPU1, resourceIn, towerNode, withResource } from '../support/broken.js';
import { ESTABLISHED, lowered } from '../support/lowered.js';
import { addConst, addVariable, build, nodeCalled, out, why, withNode } from '../support/modules.js';
import { ops } from '../support/ops.js';
import { BREAKERS } from './breakers.js';

/** Messages of the one invariant that is broken; fails when others are, too, but for a hang that comes of it. */
function messages(module: Module, invariant: string): string[] {
  const violations = verify(module, ops).filter(({ invariant: name }) => name !== 'no-hang');
  expect(new Set(violations.map((violation) => violation.invariant))).toEqual(new Set([invariant]));
  for (const violation of violations) expect(violation.hint).not.toBe('');
  return violations.map(({ message }) => message);
}

/** The module before anything was established. */
const bare = (module: Module): Module => ({ ...module, established: [] });

function expectOnly(module: Module, invariant: string, message: RegExp): void {
  const found = messages(module, invariant);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(message);
}

describe('a sound module', () => {
  it('breaks no invariant', () => {
    expect(verify(lowered(), ops)).toEqual([]);
    expect(verify(lowered(), ops, { only: INVARIANTS.map(({ name }) => name) })).toEqual([]);
  });

  it('has every invariant that can be established', () => {
    const names = INVARIANTS.filter(({ from }) => from === 'established').map(({ name }) => name);
    expect(names).toEqual(ESTABLISHED);
  });
});

describe('each invariant', () => {
  it('has a module that breaks it', () => {
    expect([...BREAKERS.keys()]).toEqual(INVARIANTS.map(({ name }) => name));
  });

  it.each([...BREAKERS])('%s is broken by a module made for it', (name, breaks) => {
    const module = breaks();
    const only = { only: [name] };
    const all = 'tasks' in module ? verifyLinked(module, builtinRegistry, only) : verify(module, ops, only);
    const found = all.filter(({ invariant }) => invariant === name);
    expect(found).not.toEqual([]);
    for (const { message, hint } of found) for (const text of [message, hint]) expect(text).not.toBe('');
  });
});

describe('edges-exist', () => {
  it('finds an input that was removed', () => {
    const module = broken('gradient', () => ({ inputs: [out('n999'), out('n0', 3)] }));
    const found = messages(module, 'edges-exist');
    expect(found).toEqual([
      '"tower_0/gradient" takes %n999:0 as input 0, which does not exist',
      '"tower_0/gradient" takes %n0:3 as input 1, which does not exist',
    ]);
  });

  it('finds a node under another id', () => {
    const module = lowered();
    const nodes = new Map(module.graph.nodes);
    nodes.set('n900', { ...nodeCalled(module, 'x'), name: 'other' });
    expectOnly({ ...module, graph: { nodes } }, 'edges-exist', /is kept as n900, but calls itself n0/);
  });
});

describe('acyclic', () => {
  it('finds each knot of cycles', () => {
    const module = build((editor) => {
      const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) =>
        editor.addNode({ op: 'NoOp', name }, why),
      ) as [NodeId, NodeId, NodeId, NodeId, NodeId];
      for (const [node, before] of [
        [a, b],
        [b, a],
        [c, b],
        [d, c],
        [d, d],
        [e, d],
      ] as const) {
        editor.addControl(node, before, why);
      }
    });
    const found = messages(module, 'acyclic');
    expect(found).toHaveLength(2);
    expect(found.join()).toMatch(/a → b → a|b → a → b/);
    expect(found.join()).toMatch(/d → d/);
  });

  it('finds a cycle of 100,000 nodes', () => {
    const module = build((editor) => {
      let at = editor.addNode({ op: 'NoOp', name: 'n' }, why);
      const first = at;
      for (let i = 1; i < 100_000; i++) at = editor.addNode({ op: 'NoOp', name: 'n', controls: [at] }, why);
      editor.addControl(first, at, why);
    });
    expectOnly(module, 'acyclic', /cycle: n_1 → .* → … → n_1$/);
  });
});

describe('unique-names', () => {
  it('finds two nodes that are shown under one name', () => {
    expectOnly(
      broken('copy', () => ({ name: 'get' })),
      'unique-names',
      /both called "tower_0\/get"/,
    );
  });

  it('finds two resources of one identity, and lets other tasks have theirs', () => {
    const module = edited((editor) => addVariable(editor, 'v0/w', { device: GPU1 }));
    expectOnly(module, 'unique-names', /the same variable: "v0\/w"/);
    const tasks = build((editor) => {
      for (const task of [0, 1])
        addVariable(editor, 'w', { device: `/job:worker/task:${task}/device:GPU:0` });
    });
    expect(verify(tasks, ops)).toEqual([]);
  });
});

describe('types-match', () => {
  it('finds outputs that the op does not give', () => {
    const module = broken('rate', () => ({ outputs: [{ dtype: 'float32', shape: [null] }] }));
    expectOnly(module, 'types-match', /gives float32\[2\], but is said to give float32\[\?\]/);
  });

  it('finds a wrong number of inputs', () => {
    expectOnly(bare(broken('gradient', () => ({ inputs: [] }))), 'types-match', /takes 2 inputs/);
  });

  it('finds attributes that are missing or of another kind', () => {
    expectOnly(bare(broken('c1', () => ({ attrs: new Map() }))), 'types-match', /lacks its attribute/);
  });
});

describe('legal-devices', () => {
  it('finds devices that the cluster does not have', () => {
    const module = broken('rate', () => ({ device: '/device:GPU:2' }));
    const found = verify(module, ops).filter(({ invariant }) => invariant === 'legal-devices');
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      name: 'tower_0/rate',
      hint: 'it has /device:CPU:0, /device:GPU:0, /device:GPU:1',
    });
  });

  it('finds names that are not canonical or none at all', () => {
    const module = build((editor) => {
      const a = editor.addNode({ op: 'NoOp', name: 'a' }, why);
      addVariable(editor, 'v', { device: 'gpu' });
      editor.updateNode(a, {}, why);
    });
    const found = messages(withNode(module, 'n0', { device: '/gpu:0' }), 'legal-devices');
    expect(found).toEqual([
      '"a" is on "/gpu:0", which is not in canonical form',
      '"v" is on "gpu", which is no device',
    ]);
  });
});

describe('resources-well-formed', () => {
  it('finds an op without its resource', () => {
    expectOnly(
      bare(broken('stage', () => ({ resources: [] }))),
      'resources-well-formed',
      /acts on 0 resources, but Stage takes 1/,
    );
  });

  it('finds a resource of another kind', () => {
    const module = edited((editor, { graph }) => {
      const area = [...editor.resources.values()].find(({ kind }) => kind === 'stagingArea');
      const rate = [...graph.nodes.values()].find(({ name }) => name === 'rate');
      const assign: NewNode = {
        op: 'AssignVariableOp',
        name: 'wrong',
        inputs: [out(rate?.id ?? 'n0')],
        resources: [area?.id ?? 'r0'],
        device: GPU0,
      };
      editor.addNode(assign, why);
    });
    expectOnly(module, 'resources-well-formed', /acts on the stagingArea "area0"/);
  });

  it('finds a value that does not fit its variable or staging area', () => {
    const module = lowered();
    const wide = withResource(module, resourceIn(towerNode(module, 'init')), { shape: [3] });
    const found = verify(wide, ops).map(({ message }) => message);
    expect(found).toContain('"tower_0/init" puts float32[2] into "v0/w", which is float32[3]');
    const area = withResource(module, resourceIn(towerNode(module, 'stage')), { types: [] });
    expect(verify(area, ops).map(({ message }) => message)).toContain(
      '"tower_0/stage" puts (float32[2]), but "area0" holds ()',
    );
  });

  it('finds a slot of something else than a variable, and a capacity of nothing', () => {
    const module = edited((editor) => {
      const area = [...editor.resources.values()].find(({ kind }) => kind === 'stagingArea');
      addVariable(editor, 'slot', { slotOf: area?.id ?? null, device: GPU0 });
    });
    expectOnly(module, 'resources-well-formed', /is a slot of "area0", which is a stagingArea/);
    const empty = withResource(lowered(), resourceIn(towerNode(lowered(), 'stage')), { capacity: 0 });
    expect(verify(empty, ops).map(({ message }) => message)).toContain('"area0" has capacity 0');
  });
});

describe('entries-well-formed', () => {
  const entry = (change: object): Module => {
    const module = lowered();
    return {
      ...module,
      entries: { ...module.entries, step: { ...module.entries.step, ...change } },
    } as Module;
  };

  it('finds a placeholder that is not fed', () => {
    expectOnly(entry({ feeds: [] }), 'entries-well-formed', /entry step needs "x", which is not fed/);
  });

  it('finds feeds that are no placeholders, not needed, or there twice', () => {
    const x = { name: 'x', node: nodeCalled(lowered(), 'x').id };
    const init = { name: 'y', node: towerNode(lowered(), 'init').id };
    expect(messages(entry({ feeds: [x, x, init] }), 'entries-well-formed')).toEqual([
      'entry step has two feeds called "x"',
      'entry step feeds "x" twice',
      'entry step feeds "tower_0/init", which is a AssignVariableOp',
      'entry step feeds "tower_0/init", which nothing in it needs',
    ]);
  });

  it('finds an entry without rounds, or under another name', () => {
    const found = messages(entry({ name: 'eval', rounds: [], feeds: [] }), 'entries-well-formed');
    expect(found).toEqual(['entry eval is kept as "step"', 'entry eval has no round']);
  });

  it('finds a round with nothing to do', () => {
    const step = lowered().entries.step?.rounds ?? [];
    expectOnly(entry({ rounds: [...step, []] }), 'entries-well-formed', /nothing to do in round 2/);
  });
});

describe('every-node-placed', () => {
  it('finds nodes and resources without a full device', () => {
    const module = edited((editor) => {
      addConst(editor, 'lost');
      addConst(editor, 'vague', { device: '/device:GPU:*' });
      addVariable(editor, 'nowhere');
    });
    expect(messages(module, 'every-node-placed')).toEqual([
      '"lost" is on no device',
      '"vague" is only said to be on /device:GPU:*, which is not one device',
      '"nowhere" is on no device',
    ]);
  });
});

describe('resource-colocated', () => {
  it('finds an op away from its resource', () => {
    const module = broken('init', () => ({ device: GPU1 }));
    const found = verify({ ...module, established: ['resource-colocated'] }, ops);
    expect(found.map(({ message }) => message)).toEqual([
      `"tower_0/init" (AssignVariableOp) is on ${GPU1}, but its variable "v0/w" on ${GPU0}`,
    ]);
  });
});

describe('colocation', () => {
  it('finds a group on two devices', () => {
    const module = broken('rate', () => ({ colocation: 'group1' }), 0);
    expectOnly(module, 'colocation', /of the colocation group "group1", "tower_0\/rate" is on .*GPU:0, but/);
  });
});

describe('transfers-explicit', () => {
  it('finds an edge across devices', () => {
    const module = broken('gradient', (_, { graph }) => {
      const x = [...graph.nodes.values()].find(({ op }) => op === 'Placeholder');
      return { inputs: [out(x?.id ?? 'n0'), out(x?.id ?? 'n0')] };
    });
    const found = messages(withStepOf(module), 'transfers-explicit');
    expect(found[0]).toMatch(/"tower_0\/gradient" on .*GPU:0 takes "x" from .*CPU:0 without a Transfer/);
  });

  it('finds a copy to where the tensor is, and one made twice', () => {
    const module = edited((editor, before) => {
      const inputs = [out(towerNode(before, 'rate').id)];
      editor.addNode({ op: 'Transfer', name: 'idle', inputs, device: GPU0 }, why);
      editor.addNode({ op: 'Transfer', name: 'once', inputs, device: GPU1 }, why);
      editor.addNode({ op: 'Transfer', name: 'twice', inputs, device: GPU1 }, why);
    });
    expect(messages(module, 'transfers-explicit')).toEqual([
      `"idle" copies "tower_0/rate" to ${GPU0}, where it already is`,
      `"once" and "twice" both copy "tower_0/rate":0 to ${GPU1}`,
    ]);
  });
});

/** The step without the staging areas, whose gets the change has left unused. */
function withStepOf(module: Module): Module {
  return { ...module, established: module.established.filter((name) => !name.startsWith('staging-')) };
}

describe('collectives-complete', () => {
  it('finds a missing member', () => {
    const module = broken('c1', ({ attrs }) => ({
      attrs: new Map([...attrs, ['shared_name', { kind: 'string', value: 'alone' } as const]]),
    }));
    expect(messages(module, 'collectives-complete')).toEqual([
      'the collective "alone" has 1 of 2 members: "tower_0/c1"',
      'the collective "c1" has 1 of 2 members: "tower_1/c1"',
    ]);
  });

  it('finds members that differ, and two on one device', () => {
    const module = broken('c1', ({ attrs }) => ({
      device: GPU1,
      attrs: new Map([...attrs, ['reduction', { kind: 'string', value: 'mean' } as const]]),
    }));
    const only = verify(module, ops, { only: ['collectives-complete'] }).map(({ message }) => message);
    expect(only).toHaveLength(2);
    expect(only[0]).toMatch(/has two members on .*GPU:1: "tower_0\/c1" and "tower_1\/c1"/);
    expect(only[1]).toMatch(/is mean over 2 of float32\[2\], "tower_1\/c1" sum over 2/);
  });

  it('finds a member that a round leaves out', () => {
    const module = lowered();
    const step = { ...module.entries.step, rounds: [[towerNode(module, 'update').id]] };
    const cut = { ...module, entries: { ...module.entries, step } } as Module;
    const only = verify(cut, ops, { only: ['collectives-complete'] }).map(({ message }) => message);
    expect(only).toEqual([
      'in step, the collective "c0" would wait for ever for "tower_1/c0"',
      'in step, the collective "c1" would wait for ever for "tower_1/c1"',
    ]);
  });

  it('finds collectives in different orders on two devices', () => {
    const swap = (name: string): Partial<Node> => ({
      attrs: new Map(towerNode(lowered(), name).attrs),
    });
    const once = broken('c0', () => swap('c1'));
    const module = withNode(once, towerNode(once, 'c1').id, swap('c0'));
    expectOnly(
      module,
      'collectives-complete',
      /"c0", "c1" wait for each other|"c1", "c0" wait for each other/,
    );
  });

  it('finds a member that waits for another of its collective', () => {
    const module = edited((editor, before) => {
      editor.addControl(towerNode(before, 'c0', 1).id, towerNode(before, 'c0').id, why);
    });
    expectOnly(module, 'collectives-complete', /one member of the collective "c0" waits for another/);
  });
});

describe('staging-balanced', () => {
  it('finds a get without a put', () => {
    const module = lowered();
    const update = [0, 1].map((replica) => towerNode(module, 'update', replica).id);
    const step = { ...module.entries.step, rounds: [update] };
    const found = messages({ ...module, entries: { ...module.entries, step } } as Module, 'staging-balanced');
    expect(found).toEqual([
      'in step, "tower_0/get" gets from "area0", but nothing puts into it',
      'in step, "tower_1/get" gets from "area1", but nothing puts into it',
    ]);
  });

  it('finds two producers', () => {
    const module = edited((editor, before) => {
      const stage = towerNode(before, 'stage');
      const { op, inputs, resources, device } = stage;
      const again = editor.addNode({ op, name: 'again', inputs, resources, device }, why);
      const warmUp = before.entries.warmUp?.rounds[0] ?? [];
      editor.setEntry({ name: 'warmUp', feeds: [], fetches: [], rounds: [[...warmUp, again]] });
    });
    expectOnly(module, 'staging-balanced', /in warmUp, "tower_0\/stage", "again" all put into "area0"/);
  });

  it('finds a warm-up that overfills or finds nothing', () => {
    const module = lowered();
    const round = module.entries.warmUp?.rounds[0] ?? [];
    const warmUp = (rounds: NodeId[][]): Module => ({
      ...module,
      entries: { ...module.entries, warmUp: { name: 'warmUp', feeds: [], fetches: [], rounds } },
    });
    expect(messages(warmUp([[...round], [...round]]), 'staging-balanced')[0]).toMatch(
      /in warmUp round 2, "area0" is full, at 1/,
    );
    const get = towerNode(module, 'get').id;
    expectOnly(warmUp([[get]]), 'staging-balanced', /in warmUp, "area0" is empty/);
  });
});

describe('no-race', () => {
  it('finds a read that an update does not wait for', () => {
    const module = broken('update', () => ({ controls: [] }));
    const [violation, ...more] = verify(module, ops);
    expect(more).toEqual([]);
    const [read, update] = [towerNode(module, 'read'), towerNode(module, 'update')];
    expect(violation).toMatchObject({ invariant: 'no-race', subject: update.id });
    expect(violation?.message).toBe(
      `in step, the read by "tower_0/read" (%${read.id}, ReadVariableOp) and the write by "tower_0/update" ` +
        `(%${update.id}, ResourceApplyGradientDescent) are not ordered, and both act on "v0/w"`,
    );
    expect(violation?.hint).toMatch(`add the control edge ^%${read.id} to "tower_0/update"`);
  });

  it('finds two writes, also in init', () => {
    const module = edited((editor, before) => {
      const { op, inputs, resources, device } = towerNode(before, 'init', 1);
      const again = editor.addNode({ op, name: 'again', inputs, resources, device }, why);
      const round = before.entries.init?.rounds[0] ?? [];
      editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [[...round, again]] });
    });
    expectOnly(module, 'no-race', /in init, the write by "tower_1\/init" .* and the write by "again"/);
  });

  it('takes any path for an order, through data, controls and many nodes', () => {
    const module = broken('update', ({ inputs }, before) => ({
      controls: [],
      inputs: [inputs[0] ?? out('n0'), out(towerNode(before, 'read').id)],
    }));
    expect(verify(module, ops, { only: ['no-race'] })).toEqual([]);
  });
});
