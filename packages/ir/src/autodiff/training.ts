import type { GraphEditor, Why } from '../editor.js';
import { PlacewrightError } from '../errors.js';
import { nodeName, type TensorRef, tensorKey } from '../graph.js';
import type { AttrInput, OpRegistry } from '../op.js';
import { formatType } from '../shape.js';
import { scalar } from '../tensor.js';
import { gradients } from './reverse.js';

/** The value of a variable as it was read, or the gradient by it. */
export interface VariableTensor {
  /** Logical name. */
  readonly variable: string;
  readonly tensor: TensorRef;
}

/**
 * Adds the gradients of a scalar loss by variables and gives one for each variable, in the order in which they first
 * come in `reads`; of a variable that is read more than once, the sum over its reads. Throws PW_MODEL_LOSS,
 * PW_VARIABLE_NO_GRADIENT, and what `gradients` throws.
 */
export function differentiate(
  editor: GraphEditor,
  registry: OpRegistry,
  loss: TensorRef,
  reads: readonly VariableTensor[],
): VariableTensor[] {
  checkLoss(editor, loss);
  const unique = [...new Map(reads.map((read) => [tensorKey(read.tensor), read])).values()];
  const grads = gradients(
    editor,
    registry,
    [loss],
    unique.map(({ tensor }) => tensor),
    { variables: unique.map(({ variable }) => variable) },
  );
  const byVariable = new Map<string, TensorRef[]>();
  unique.forEach(({ variable }, i) => {
    const grad = grads[i] ?? null;
    const list = byVariable.get(variable) ?? [];
    byVariable.set(variable, grad === null ? list : [...list, grad]);
  });
  checkAllReached(editor, loss, byVariable);
  return [...byVariable].flatMap(([variable, parts]) => sumOf(editor, loss, variable, parts));
}

function checkLoss(editor: GraphEditor, loss: TensorRef): void {
  const type = editor.type(loss);
  if (type.shape.length === 0) return;
  throw new PlacewrightError('PW_MODEL_LOSS', `the loss is ${formatType(type)}, not a scalar`, {
    where: { node: nodeName(editor.node(loss.node)) },
    hint: 'take its mean over the batch',
  });
}

function checkAllReached(
  editor: GraphEditor,
  loss: TensorRef,
  byVariable: ReadonlyMap<string, readonly TensorRef[]>,
): void {
  const without = [...byVariable].filter(([, parts]) => parts.length === 0).map(([name]) => name);
  if (without.length === 0) return;
  const node = nodeName(editor.node(loss.node));
  throw new PlacewrightError(
    'PW_VARIABLE_NO_GRADIENT',
    `the loss ${JSON.stringify(node)} does not depend on ${without.map((name) => JSON.stringify(name)).join(', ')}`,
    {
      where: { node },
      hint: 'use the variable in the loss, or declare it with trainable: false',
    },
  );
}

function sumOf(
  editor: GraphEditor,
  loss: TensorRef,
  variable: string,
  parts: readonly TensorRef[],
): VariableTensor[] {
  const [first] = parts;
  if (first === undefined) return [];
  if (parts.length === 1) return [{ variable, tensor: first }];
  const { replica, group } = editor.node(first.node);
  const node = editor.addNode(
    {
      op: 'AddN',
      name: `gradients/${variable}/AddN`,
      inputs: parts,
      phase: 'backward',
      replica,
      group,
      variable,
    },
    { reason: `sum of the gradients by ${parts.length} reads of ${variable}`, from: [loss.node] },
  );
  return [{ variable, tensor: { node, port: 0 } }];
}

/**
 * Adds weight decay to a loss and gives the new loss: `loss + λ·Σ‖w‖²/2` over the variables, each counted once.
 * The nodes are called `l2_loss/…` and belong to the forward pass. Gives `loss` itself when there is nothing to add.
 */
export function addWeightDecay(
  editor: GraphEditor,
  loss: TensorRef,
  reads: readonly VariableTensor[],
  lambda: number,
): TensorRef {
  const first = new Map<string, TensorRef>();
  for (const { variable, tensor } of reads) if (!first.has(variable)) first.set(variable, tensor);
  if (first.size === 0 || lambda === 0) return loss;
  const { replica } = editor.node(loss.node);
  const add = (
    op: string,
    name: string,
    inputs: readonly TensorRef[],
    more: { readonly attrs?: AttrInput; readonly variable?: string } = {},
  ): TensorRef => {
    const why: Why = { reason: `weight decay of ${lambda}`, from: inputs.map(({ node }) => node) };
    const spec = { op, name: `l2_loss/${name}`, inputs, replica, group: 'l2_loss', ...more };
    return { node: editor.addNode({ ...spec, phase: 'forward' }, why), port: 0 };
  };
  const squares = [...first].map(([variable, tensor]) =>
    add('L2Loss', `${variable}/L2Loss`, [tensor], { variable }),
  );
  const factor = add('Const', 'mul/x', [], { attrs: { value: scalar(editor.type(loss).dtype, lambda) } });
  const term = add('Mul', 'mul', [factor, add('AddN', 'AddN', squares)]);
  return add('AddV2', 'add', [loss, term]);
}
