import { expect, test } from 'vitest';
import type { NewResource } from '../../src/editor.js';
import { PlacewrightError } from '../../src/errors.js';
import type { AttrInput } from '../../src/op.js';
import { type Given, infer } from './support.js';

/** Op, inputs, attributes, and the outputs or what the error says; then resources. */
export type Row = readonly [
  op: string,
  inputs: readonly Given[],
  attrs: AttrInput,
  want: readonly string[] | RegExp,
  resources?: readonly NewResource[],
];

/** One test for each row. Errors must have a stable code and name the node. */
export function inferenceTable(rows: readonly Row[]): void {
  for (const [op, inputs, attrs, want, resources] of rows) {
    const title = `${op}(${JSON.stringify(inputs).slice(1, -1)}) ${JSON.stringify(attrs)}`;
    if (want instanceof RegExp) {
      test(`${title} is refused`, () => {
        const error = caught(() => infer(op, inputs, attrs, resources));
        expect(error.message).toMatch(want);
        expect(error.code).toMatch(/^PW_(OP|ATTR|SHAPE)_/);
        expect(error.where.node).toBe(op);
      });
    } else {
      test(`${title} gives ${want.join(', ') || 'nothing'}`, () => {
        expect(infer(op, inputs, attrs, resources)).toEqual(want);
      });
    }
  }
}

function caught(body: () => unknown): PlacewrightError {
  try {
    body();
  } catch (error) {
    if (error instanceof PlacewrightError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
