import { builtinRegistry, emptyModule, LOCAL_TASK, localCluster, type Module } from '@placewright/ir';
import { callPass, PASSES, type Pass, type PassRecord, runPipeline } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { FAULTS } from '../src/mutants/faults.js';

/** What a pass does with a module that has nothing for it: leaves nodes, resources and entries as they are, or refuses it. */
const ON_NOTHING: Readonly<Record<string, 'nothing' | `PW_${string}`>> = {
  autodiff: 'PW_MODEL_LOSS',
  'replicate-towers': 'nothing',
  'scope-variables': 'nothing',
  'place-variables': 'nothing',
  'cache-reads': 'nothing',
  'stage-variables': 'nothing',
  'stage-gradients': 'nothing',
  'shadow-variables': 'PW_CLUSTER_NO_PS',
  'aggregate-gradients': 'nothing',
  'rewrite-all-reduce': 'nothing',
  'clip-gradients': 'nothing',
  'apply-gradients': 'nothing',
  'copy-shadows': 'nothing',
  synchronise: 'nothing',
  'await-workers': 'nothing',
  'post-init': 'nothing',
  'initialise-once': 'nothing',
  'gate-updates': 'nothing',
  'place-rest': 'nothing',
  simplify: 'nothing',
  'expand-barriers': 'nothing',
  legalise: 'nothing',
  'insert-transfers': 'nothing',
};

function runOn(module: Module, pass: Pass): PassRecord | undefined {
  const context = { registry: builtinRegistry, cluster: localCluster({ numGpus: 2 }), task: LOCAL_TASK };
  return runPipeline(module, [callPass(pass)], context).records[0];
}

const refusal = (code: string, pass: string) => expect.objectContaining({ code, where: { pass } });

describe('every pass', () => {
  test('has a row for a module without anything to do', () => {
    expect(Object.keys(ON_NOTHING)).toEqual(PASSES.map(({ name }) => name));
  });

  test.for(PASSES)('$name leaves a module alone that has nothing for it, or says why it cannot', (pass) => {
    const module = { ...emptyModule('nothing'), established: pass.requires };
    const want = ON_NOTHING[pass.name] ?? '';
    if (want !== 'nothing') {
      expect(() => runOn(module, pass)).toThrow(refusal(want, pass.name));
      return;
    }
    const after = runOn(module, pass)?.after;
    expect([after?.graph.nodes.size, after?.resources.size, after?.entries]).toEqual([0, 0, {}]);
  });

  test.for(PASSES.filter(({ requires }) => requires.length > 0))('$name refuses to run too early', (pass) => {
    for (const name of pass.requires) {
      const established = pass.requires.filter((other) => other !== name);
      const early = () => runOn({ ...emptyModule('early'), established }, pass);
      expect(early).toThrow(refusal('PW_PASS_ORDER', pass.name));
      expect(early).toThrow(name);
    }
  });

  test.for(PASSES)('$name has a fault that is planted in it, for the laws to catch', ({ name }) => {
    const planted = FAULTS.flatMap(({ edits }) => edits.map(({ file }) => file));
    expect(planted).toContain(`passes/${name}.js`);
  });
});
