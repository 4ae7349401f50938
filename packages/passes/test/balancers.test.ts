import { builtinRegistry, edit, emptyModule, type VariableResource } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import {
  addLoad,
  BALANCING,
  balance,
  balanceCache,
  inTurn,
  leastLoaded,
  SMALL_ELEMENTS,
  turnsEach,
  turnsTaken,
  variableBytes,
  variableElements,
} from '../src/index.js';

function variable(shape: VariableResource['shape'], dtype: VariableResource['dtype']): VariableResource {
  const { module } = edit(emptyModule('m'), builtinRegistry, 'test', (editor) => {
    editor.addResource(
      {
        kind: 'variable',
        container: '',
        device: '',
        replica: null,
        name: 'w',
        scope: 'v',
        dtype,
        shape,
        trainable: true,
        collection: 'global',
        slotOf: null,
        savedAs: null,
      },
      { reason: 'test' },
    );
  });
  return [...module.resources.values()][0] as VariableResource;
}

describe('the balancer', () => {
  it('takes the first of the least loaded', () => {
    expect(leastLoaded([3, 1, 2, 1])).toBe(1);
    expect(leastLoaded([0, 0, 0])).toBe(0);
    expect(leastLoaded([7])).toBe(0);
    expect(leastLoaded([])).toBe(-1);
  });

  it('adds where it has put something, and changes no list of its callers', () => {
    const loads = [2, 1];
    expect(balance(loads, 5)).toEqual({ at: 1, loads: [2, 6] });
    expect(addLoad(loads, 0, 1)).toEqual([3, 1]);
    expect(loads).toEqual([2, 1]);
  });

  it('leaves the next at the same place after something of size 0', () => {
    const first = balance([0, 0], 0);
    expect([first.at, balance(first.loads, 4).at]).toEqual([0, 0]);
  });
});

describe('the balancer of caches', () => {
  it('counts from 65,536 elements on', () => {
    expect(SMALL_ELEMENTS).toBe(2 ** 16);
    expect(balanceCache([0, 0], SMALL_ELEMENTS - 1)).toEqual({ at: null, loads: [0, 0] });
    expect(balanceCache([0, 0], SMALL_ELEMENTS)).toEqual({ at: 0, loads: [SMALL_ELEMENTS, 0] });
  });
});

describe('turns', () => {
  it('go around', () => {
    expect([0, 1, 2, 3].map((turns) => inTurn(turns, 3))).toEqual([0, 1, 2, 0]);
    expect(turnsEach(0, 2)).toEqual([0, 0]);
    expect(turnsEach(1, 2)).toEqual([1, 0]);
    expect(turnsEach(5, 3)).toEqual([2, 2, 1]);
  });

  it('are counted over all passes, by their rule', () => {
    const decision = { about: 'device', subject: 'r0', chosen: '', candidates: [], option: '' } as const;
    const taken = { ...decision, pass: 'place-variables', rule: BALANCING.inTurn };
    expect(turnsTaken([taken, { ...taken, pass: 'other' }, { ...taken, rule: 'another' }])).toBe(2);
  });
});

describe('the size of a variable', () => {
  it('is counted in elements and in bytes of its type', () => {
    expect(variableElements(variable([2, 3], 'float32'))).toBe(6);
    expect(variableBytes(variable([2, 3], 'float32'))).toBe(24);
    expect(variableBytes(variable([], 'int64'))).toBe(8);
    expect(variableBytes(variable([4], 'bfloat16'))).toBe(8);
    expect(variableElements(variable([5, 0], 'float32'))).toBe(0);
  });

  it('must be known', () => {
    const unknown = () => variableBytes(variable([null, 3], 'float32'));
    expect(unknown).toThrow(
      expect.objectContaining({ code: 'PW_VARIABLE_SHAPE', message: expect.stringContaining('"v/w"') }),
    );
  });
});
