import { STRATEGIES } from '@placewright/passes';
import { beforeAll, describe, expect, test } from 'vitest';
import { countCases, type Distribution, shareOf } from '../src/distribution/count.js';

describe('the random cases are not trivial', () => {
  let distribution: Distribution = new Map();
  beforeAll(() => {
    distribution = countCases({ seed: 1, numRuns: 400 });
  });
  const atLeast = (share: number, question: string, ...answers: readonly string[]) => {
    for (const answer of answers)
      expect(shareOf(distribution, question, answer), `${question}: ${answer}`).toBeGreaterThan(share);
  };

  test('every strategy, option, optimizer and clipping comes often', () => {
    atLeast(0.1, 'strategy', ...STRATEGIES.map(({ name }) => name));
    atLeast(0.25, 'option stagedVars', 'true', 'false');
    atLeast(0.25, 'option useNccl', 'true', 'false');
    atLeast(0.25, 'option reduction', 'sum', 'mean');
    atLeast(0.25, 'option localParameterDevice', 'cpu', 'gpu');
    atLeast(0.2, 'optimizer', 'sgd', 'momentum', 'rmsprop');
    atLeast(0.2, 'clipping', 'none', 'value', 'globalNorm');
    atLeast(0.2, 'weight decay', '0', '0.1');
  });

  test('every number of towers, layout and layer comes often', () => {
    atLeast(0.1, 'towers', '1', '2', '3', '4');
    atLeast(0.05, 'tower type', 'GPU', 'CPU');
    atLeast(0.15, 'input', 'NHWC', 'NCHW', 'vector');
    atLeast(0.08, 'layer', 'conv', 'pool', 'affine', 'batchNorm', 'residual', 'diamond', 'shared');
    atLeast(0.1, 'layers', '1', '2', '3', '4');
  });

  test('variables of equal size, shared ones, hostile names and wishes of the user come often', () => {
    atLeast(0.15, 'variables of equal size', 'true', 'false');
    atLeast(0.03, 'shared variable', 'used once', 'perhaps used again');
    atLeast(0.3, 'hostile names', 'true');
    atLeast(0.2, 'wishes of the user', 'some', 'none');
    atLeast(0.05, 'trainable variables', '2', '4', '6');
  });
});
