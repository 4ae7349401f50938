import { buildModel, type Module, printModule } from '@placewright/ir';
import { lookupModel } from '@placewright/models';
import { compile } from '@placewright/passes';
import {
  hasBackward,
  opCases,
  opModule,
  prepare,
  sameModule,
  TESTED_OPS,
  trainingCases,
} from '@placewright/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeGraphDef,
  encodeGraphDef,
  fromGraphDef,
  type GraphDefOptions,
  parseGraphDef,
  printGraphDef,
  printSidecar,
  sidecarFromJson,
  toGraphDef,
} from '../src/index.js';
import { cpuDevices } from './tensorflow/session.js';

/** Through a file of either form, with its sidecar beside it. */
function throughFiles(module: Module, form: 'pb' | 'pbtxt' = 'pb', options: GraphDefOptions = {}): Module {
  const { graph, sidecar } = toGraphDef(module, options);
  const read = form === 'pb' ? decodeGraphDef(encodeGraphDef(graph)) : parseGraphDef(printGraphDef(graph));
  return fromGraphDef(read, { sidecar: sidecarFromJson(JSON.parse(printSidecar(sidecar))) });
}

function mustBeWhole(back: Module, module: Module): void {
  expect(printModule(back).text).toBe(printModule(module).text);
  expect(sameModule(back, module)).toBe(true);
}

describe('a module comes back from its GraphDef as it was', () => {
  test.for(TESTED_OPS)('with %s', (op) => {
    fc.assert(
      fc.property(opCases(op), fc.boolean(), (plan, backward) => {
        const { module } = opModule(plan, { backward: backward && hasBackward(plan) });
        mustBeWhole(throughFiles(module), module);
      }),
      { seed: 3, numRuns: 6 },
    );
  });

  test('of random models, lowered for random clusters by every strategy', () => {
    fc.assert(
      fc.property(trainingCases(), (plan) => {
        const { module } = prepare(plan).compilation;
        mustBeWhole(throughFiles(module), module);
      }),
      { seed: 4, numRuns: 40 },
    );
  });

  test('in the text form, with devices renamed, collectives, and nodes for access', () => {
    const { module } = compile(buildModel(lookupModel('tinybn').factory()), {
      strategy: 'replicated',
      numGpus: 3,
      target: { collectives: 'nccl' },
    });
    const options = { devices: cpuDevices(module), collectives: 'collective', access: true } as const;
    mustBeWhole(throughFiles(module, 'pbtxt', options), module);
  });
});
