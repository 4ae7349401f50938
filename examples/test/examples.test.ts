import { builtinRegistry, verify } from 'placewright';
import { describe, expect, it } from 'vitest';
import { trainOwnModel } from '../src/own-model.js';
import { checkOwnPass, compileWithPass } from '../src/own-pass.js';

describe('the examples', () => {
  it('a model of one’s own learns handwritten digits on two devices', async () => {
    const said: string[] = [];
    const accuracy = await trainOwnModel(150, (line) => said.push(line));
    expect(accuracy).toBeGreaterThan(0.85);
    expect(said.join('\n')).toMatch(/\/device:GPU:1 → /);
  });

  it('a pass of one’s own merges constants and keeps the module valid', () => {
    const { module, merged } = compileWithPass();
    expect(merged).toBeGreaterThan(0);
    expect(verify(module, builtinRegistry)).toEqual([]);
  });

  it('a pass of one’s own keeps the meaning of random models', () => {
    expect(() => checkOwnPass(15)).not.toThrow();
  });
});
