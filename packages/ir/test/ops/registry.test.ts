import { describe, expect, test } from 'vitest';
import { completeAttrs } from '../../src/infer.js';
import { builtinOps, builtinRegistry } from '../../src/registry.js';

test('the registry holds every built-in op under its own name', () => {
  expect([...builtinRegistry.ops.keys()]).toEqual(Object.keys(builtinOps));
  for (const [name, { op }] of Object.entries(builtinOps)) expect(op).toBe(name);
});

describe.each(Object.values(builtinOps))('$op', (decl) => {
  test('is said in one line', () => {
    expect(decl.summary).toMatch(/^\S[^\n]*[^.]$/);
  });

  test('takes only its last input as the rest', () => {
    expect(decl.inputs.slice(0, -1).some(({ rest }) => rest === true)).toBe(false);
  });

  test('has defaults that fit their attributes', () => {
    const optional = Object.fromEntries(
      Object.entries(decl.attrs).filter(([, attr]) => attr.default !== undefined),
    );
    expect(completeAttrs({ ...decl, attrs: optional }, {}).size).toBe(Object.keys(optional).length);
  });
});
