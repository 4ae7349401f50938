import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeOf } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { compile, PASSES } from '../src/index.js';
import { type Case, describeRecord, namesOf, small, tasks, upTo } from './fixture.js';

/** One positive golden for each pass: what it changes in a strategy that asks for it. `vitest -u` writes them anew. */
const CASES: Readonly<Record<string, Case>> = {
  autodiff: { strategy: 'independent', towers: 1, training: { weightDecay: 0.01 } },
  'replicate-towers': { strategy: 'independent' },
  'scope-variables': { strategy: 'replicated' },
  'place-variables': { strategy: 'parameter_server', options: { localParameterDevice: 'gpu' } },
  'cache-reads': { strategy: 'parameter_server', cluster: tasks(2, 1) },
  'stage-variables': {
    strategy: 'parameter_server',
    options: { stagedVars: true, localParameterDevice: 'cpu' },
  },
  'stage-gradients': {
    strategy: 'parameter_server',
    options: { stagedVars: true, localParameterDevice: 'cpu' },
  },
  'shadow-variables': { strategy: 'distributed_replicated', cluster: tasks(2, 2) },
  'aggregate-gradients': { strategy: 'replicated', options: { useNccl: false, localParameterDevice: 'gpu' } },
  'rewrite-all-reduce': { strategy: 'replicated', options: { reduction: 'mean' } },
  'clip-gradients': { strategy: 'parameter_server', training: { clip: { kind: 'globalNorm', limit: 1 } } },
  'apply-gradients': {
    strategy: 'parameter_server',
    training: { optimizer: { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true } },
  },
  'copy-shadows': { strategy: 'distributed_replicated', cluster: tasks(2, 2) },
  synchronise: { strategy: 'parameter_server', options: { localParameterDevice: 'cpu' } },
  'await-workers': { strategy: 'parameter_server', cluster: tasks(2, 2) },
  'post-init': { strategy: 'replicated' },
  'initialise-once': {
    strategy: 'distributed_replicated',
    cluster: tasks(2, 2),
    task: { job: 'worker', index: 1 },
  },
  'gate-updates': { strategy: 'parameter_server', cluster: tasks(2, 2) },
  'place-rest': { strategy: 'replicated' },
  simplify: { strategy: 'replicated' },
  'expand-barriers': {
    strategy: 'parameter_server',
    cluster: tasks(2, 3, 1),
    task: { job: 'worker', index: 1 },
  },
  legalise: { strategy: 'replicated', collectives: 'copies' },
  'insert-transfers': { strategy: 'parameter_server', options: { localParameterDevice: 'cpu' } },
};

describe('each pass', () => {
  it('has a golden', () => {
    expect(Object.keys(CASES)).toEqual(PASSES.map(({ name }) => name));
  });

  for (const [pass, spec] of Object.entries(CASES)) {
    it(`${pass} changes what its golden shows`, async () => {
      const text = describeRecord(upTo(pass, spec));
      await expect(text).toMatchFileSnapshot(join(import.meta.dirname, 'goldens', `${pass}.txt`));
    });
  }
});

/** One negative case for each pass: where it must leave things alone, or say what is wrong. */
describe('each pass leaves alone', () => {
  it('has a case for every pass', () => {
    const files = ['passes.test.ts', 'cluster-passes.test.ts'];
    const text = files.map((file) => readFileSync(join(import.meta.dirname, file), 'utf8')).join('');
    for (const { name } of PASSES) expect(text, name).toMatch(new RegExp(`it\\('${name}: `));
  });

  it('autodiff: without weight decay the loss stays the one of the model', () => {
    const { before, after } = upTo('autodiff', { strategy: 'independent' });
    expect(after.roles.find(({ kind }) => kind === 'loss')).toEqual(
      before.roles.find(({ kind }) => kind === 'loss'),
    );
  });

  it('replicate-towers: one tower needs no split and no average', () => {
    const { after } = upTo('replicate-towers', { strategy: 'independent', towers: 1 });
    const ops = [...after.graph.nodes.values()].map(({ op }) => op);
    expect(ops).not.toContain('Split');
    expect(ops.filter((op) => op === 'AddN')).toEqual([]);
  });

  it('scope-variables: global_step stands outside of every scope', () => {
    const { after } = upTo('scope-variables', { strategy: 'replicated' });
    const outside = [...after.resources.values()].flatMap((r) =>
      r.kind === 'variable' && r.scope === '' ? [r.name] : [],
    );
    expect(outside).toEqual(['global_step']);
  });

  it('place-variables: a variable that came with a device keeps it, and does not count', () => {
    const spec: Case = { strategy: 'parameter_server', options: { localParameterDevice: 'gpu' } };
    const { after } = upTo('place-variables', spec, (module) => ({
      ...module,
      resources: new Map(
        [...module.resources].map(([id, r]) => [
          id,
          r.kind === 'variable' && r.name === 'affine0/weights' ? { ...r, device: '/device:CPU:0' } : r,
        ]),
      ),
    }));
    const homes = new Map([...after.resources.values()].map((r) => [r.name, r.device]));
    expect(homes.get('affine0/weights')).toBe('/device:CPU:0');
    expect(homes.get('affine0/biases')).toBe('/device:GPU:0');
  });

  it('stage-variables: inference reads variables directly', () => {
    const { after } = upTo('stage-variables', {
      strategy: 'parameter_server',
      options: { stagedVars: true },
    });
    const evaluating = [...after.graph.nodes.values()].filter(({ phase }) => phase === 'eval');
    expect(
      evaluating.flatMap(({ inputs }) => inputs.map(({ node }) => nodeOf(after.graph, node).op)),
    ).not.toContain('Unstage');
  });

  it('cache-reads: inference reads variables directly, and updates act on them', () => {
    const { before, after } = upTo('cache-reads', CASES['cache-reads'] as Case);
    const same = [...before.graph.nodes.values()].filter(
      ({ op, phase }) => phase === 'eval' || op.startsWith('Assign'),
    );
    expect(same.map(({ id }) => after.graph.nodes.get(id)?.resources)).toEqual(
      same.map(({ resources }) => resources),
    );
    const evaluating = [...after.graph.nodes.values()].filter(({ phase }) => phase === 'eval');
    const taken = evaluating.flatMap(({ inputs }) => inputs.map(({ node }) => nodeOf(after.graph, node)));
    expect(taken.every(({ phase }) => phase === 'eval')).toBe(true);
  });

  it('stage-gradients: what moving averages change by is left to the staging of variables', () => {
    const { before, after } = upTo('stage-gradients', {
      strategy: 'parameter_server',
      options: { stagedVars: true },
    });
    const updates = before.roles.flatMap((role) => (role.kind === 'update' ? [role.node] : []));
    expect(updates.map((id) => after.graph.nodes.get(id))).toEqual(
      updates.map((id) => before.graph.nodes.get(id)),
    );
  });

  it('aggregate-gradients: with one tower there is nothing to add', () => {
    const { changes } = upTo('aggregate-gradients', { strategy: 'parameter_server', towers: 1 });
    expect(changes.filter(({ subject }) => subject !== 'roles')).toEqual([]);
  });

  it('aggregate-gradients: towers with unequal lists are refused', () => {
    const unequal = () =>
      upTo('aggregate-gradients', { strategy: 'parameter_server' }, (module) => ({
        ...module,
        roles: module.roles.filter(
          (role) => role.kind !== 'gradient' || role.replica === 0 || role.variable !== 'affine0/biases',
        ),
      }));
    expect(unequal).toThrowError(
      expect.objectContaining({ code: 'PW_TOWERS_UNEQUAL', where: { pass: 'aggregate-gradients' } }),
    );
  });

  it('rewrite-all-reduce: a sum is not divided', () => {
    const { changes } = upTo('rewrite-all-reduce', { strategy: 'replicated', options: { reduction: 'sum' } });
    expect(changes.filter(({ kind, name }) => kind === 'add' && name.endsWith('/Mul'))).toEqual([]);
  });

  it('apply-gradients: plain gradient descent needs no slots', () => {
    const { before, after } = upTo('apply-gradients', { strategy: 'parameter_server' });
    expect(after.resources.size).toBe(before.resources.size);
  });

  it('synchronise: what a data edge orders gets no control edge', () => {
    const { after } = upTo('synchronise', {
      strategy: 'parameter_server',
      options: { localParameterDevice: 'cpu' },
    });
    for (const { inputs, controls } of after.graph.nodes.values()) {
      expect(controls.filter((id) => inputs.some(({ node }) => node === id))).toEqual([]);
    }
  });

  it('post-init: what stands outside of the towers is not copied', () => {
    const { after } = upTo('post-init', { strategy: 'replicated' });
    const assigned = after.entries.postInit?.rounds.flat().map((id) => nodeOf(after.graph, id).variable);
    expect(assigned).not.toContain('global_step');
    expect(assigned).toContain('seen');
  });

  it('clip-gradients: without a limit nothing is clipped', () => {
    const { module, records } = compile(small, { strategy: 'parameter_server', numGpus: 2 });
    expect(records.map(({ pass }) => pass)).not.toContain('clip-gradients');
    expect(namesOf(module, 'ClipByValue')).toEqual([]);
  });

  it('place-rest: a node that came with a full device keeps it', () => {
    const { after } = upTo('place-rest', { strategy: 'replicated' }, (module) => ({
      ...module,
      graph: {
        nodes: new Map(
          [...module.graph.nodes].map(([id, n]) => [
            id,
            n.op === 'MatMul' ? { ...n, device: '/device:CPU:0' } : n,
          ]),
        ),
      },
    }));
    const devices = [...after.graph.nodes.values()]
      .filter(({ op }) => op === 'MatMul')
      .map(({ device }) => device);
    expect(new Set(devices)).toEqual(new Set(['/device:CPU:0']));
  });

  it('simplify: what an entry runs stays', () => {
    const { before, after, changes } = upTo('simplify', { strategy: 'parameter_server' });
    expect(changes.filter(({ subject }) => subject !== 'roles').every(({ kind }) => kind === 'remove')).toBe(
      true,
    );
    expect(after.entries).toEqual(before.entries);
  });

  it('legalise: a target with collectives keeps them', () => {
    expect(upTo('legalise', { strategy: 'replicated' }).changes).toEqual([]);
  });

  it('insert-transfers: a tensor goes once to each device', () => {
    const { after } = upTo('insert-transfers', {
      strategy: 'parameter_server',
      options: { localParameterDevice: 'cpu' },
    });
    const moves = [...after.graph.nodes.values()]
      .filter(({ op }) => op === 'Transfer')
      .map(({ inputs: [ref], device }) => `${ref?.node}:${ref?.port} ${device}`);
    expect(new Set(moves).size).toBe(moves.length);
  });
});
