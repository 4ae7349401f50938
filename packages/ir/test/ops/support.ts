import { type DType, isDType } from '../../src/dtype.js';
import { type EditResult, edit, type GraphEditor, type NewResource } from '../../src/editor.js';
import { emptyModule, type NodeId, type ResourceId, type TensorRef } from '../../src/graph.js';
import type { AttrInput } from '../../src/op.js';
import { builtinRegistry } from '../../src/registry.js';
import { formatType, type TensorType } from '../../src/shape.js';
import { type TensorValue, tensorOf } from '../../src/tensor.js';

/** `float32[?, 2]`, or a list of numbers: an int32 constant, or a value. */
export type Given = string | readonly number[] | TensorValue;

export function parseType(text: string): TensorType {
  const match = /^(\w+)\[(.*)\]$/.exec(text);
  const [, dtype = '', dims = ''] = match ?? [];
  if (!isDType(dtype)) throw new Error(`bad type ${text}`);
  const shape = dims === '' ? [] : dims.split(',').map((dim) => (dim.trim() === '?' ? null : Number(dim)));
  return { dtype, shape };
}

const WHY = { reason: 'test' };

export function addNode(
  editor: GraphEditor,
  op: string,
  inputs: readonly TensorRef[],
  attrs: AttrInput = {},
  resources: readonly ResourceId[] = [],
  name: string = op,
): NodeId {
  return editor.addNode({ op, name, inputs, attrs, resources }, WHY);
}

export function addInput(editor: GraphEditor, given: Given, name = 'x'): TensorRef {
  if (typeof given === 'string') {
    const { dtype, shape } = parseType(given);
    return { node: addNode(editor, 'Placeholder', [], { dtype, shape }, [], name), port: 0 };
  }
  const value = 'dtype' in given ? given : tensorOf('int32', [given.length], given);
  return { node: addNode(editor, 'Const', [], { value }, [], name), port: 0 };
}

const BASE = { container: '', device: '', replica: null };

export function variable(type: string, name = 'w'): NewResource {
  const { dtype, shape } = parseType(type);
  return {
    ...BASE,
    kind: 'variable',
    name,
    scope: '',
    dtype: dtype as DType,
    shape,
    trainable: true,
    collection: 'global',
    slotOf: null,
    savedAs: null,
  };
}

export function stagingArea(...types: readonly string[]): NewResource {
  return { ...BASE, kind: 'stagingArea', name: 'area', types: types.map(parseType), capacity: 1 };
}

export const barrier: NewResource = { ...BASE, kind: 'barrier', name: 'done', parties: 2 };

/** Types of the outputs of an op, as text. */
export function infer(
  op: string,
  inputs: readonly Given[],
  attrs: AttrInput = {},
  resources: readonly NewResource[] = [],
): string[] {
  let types: string[] = [];
  build((editor) => {
    const refs = inputs.map((given) => addInput(editor, given));
    const ids = resources.map((resource) => editor.addResource(resource, WHY));
    types = editor.node(addNode(editor, op, refs, attrs, ids)).outputs.map(formatType);
  });
  return types;
}

export function build(body: (editor: GraphEditor) => void): EditResult {
  return edit(emptyModule('test'), builtinRegistry, 'test', body);
}
