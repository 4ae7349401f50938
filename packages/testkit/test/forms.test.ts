import { isDeepStrictEqual } from 'node:util';
import {
  builtinRegistry,
  moduleFromJson,
  moduleToJson,
  printModule,
  type TensorValue,
} from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkTextForm, graphOf, graphPlans, prepare, sameModule, trainingCases } from '../src/index.js';

describe('text form', () => {
  test('reads back any graph, whatever its names and values', () => {
    fc.assert(
      fc.property(graphPlans(), (plan) => checkTextForm(graphOf(plan))),
      { seed: 1, numRuns: 250 },
    );
  });

  test('reads back what every pass gives', () => {
    fc.assert(
      fc.property(trainingCases(), (plan) => {
        for (const { after, pass } of prepare(plan).compilation.records) checkTextForm(after, pass);
      }),
      { seed: 2, numRuns: 4 },
    );
  });
});

describe('JSON form', () => {
  test('reads back any graph, constants within and beside it', () => {
    fc.assert(
      fc.property(graphPlans(), (plan) => {
        const module = graphOf(plan);
        const through = (constants?: Map<string, TensorValue>) => {
          const options = constants === undefined ? {} : { constants };
          const json: unknown = JSON.parse(JSON.stringify(moduleToJson(module, options)));
          return moduleFromJson(json, { registry: builtinRegistry, ...options });
        };
        expect(isDeepStrictEqual(through(), module)).toBe(true);
        expect(isDeepStrictEqual(through(new Map()), module)).toBe(true);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  test('reads back lowered modules, and says the same as the text', () => {
    fc.assert(
      fc.property(trainingCases(), (plan) => {
        const { module } = prepare(plan).compilation;
        const back = moduleFromJson(JSON.parse(JSON.stringify(moduleToJson(module))), {
          registry: builtinRegistry,
        });
        expect(sameModule(back, module)).toBe(true);
        expect(printModule(back).text).toBe(printModule(module).text);
      }),
      { seed: 4, numRuns: 10 },
    );
  });
});
