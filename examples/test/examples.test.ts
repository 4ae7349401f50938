import { builtinRegistry, verify } from 'placewright';
import { describe, expect, it } from 'vitest';
import { trainOwnModel } from '../src/own-model.js';
import { ownOps, trainOwnOp } from '../src/own-op.js';
import { checkOwnPass, compileWithPass } from '../src/own-pass.js';

describe('the examples', () => {
  it('a model of one’s own learns handwritten digits on two devices', async () => {
    const said: string[] = [];
    const accuracy = await trainOwnModel(150, (line) => said.push(line));
    expect(accuracy).toBeGreaterThan(0.85);
    expect(said.join('\n')).toMatch(/\/device:GPU:1 → /);
  });

  it('an op of one’s own trains alike on both engines', async () => {
    const [reference, embedded] = [await trainOwnOp('reference', 60), await trainOwnOp('embedded', 60)];
    expect(reference).toHaveLength(60);
    expect(reference.at(-1)).toBeLessThan((reference[0] ?? 0) / 2);
    embedded.forEach((loss, i) => {
      expect(loss).toBeCloseTo(reference[i] ?? Number.NaN, 5);
    });
  });

  it('an op of one’s own is refused where an engine does not know how to run it', async () => {
    const { registry } = ownOps;
    await expect(trainOwnOp('reference', 1, { registry })).rejects.toThrow(/no kernel for Softplus/);
    await expect(trainOwnOp('embedded', 1, { registry })).rejects.toThrow(/Softplus, an op of your own/);
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
