import { getAttr } from '../attr.js';
import { isFloat } from '../dtype.js';
import type { GraphEditor, Why } from '../editor.js';
import { PlacewrightError } from '../errors.js';
import { type Node, type NodeId, nodeName, type Phase, type TensorRef, tensorKey } from '../graph.js';
import { lookupOp, tensorTypeOf } from '../infer.js';
import type { AttrInput, GradientContext, OpRegistry } from '../op.js';
import { compatible, formatType, isStatic } from '../shape.js';
import { scalar } from '../tensor.js';
import { type GradientPath, gradientPath } from './path.js';
import { startTape, type Tape } from './tape.js';
import { unbroadcast } from './unbroadcast.js';

export interface GradientOptions {
  /** Phase of the new nodes; `backward` when left out. */
  readonly phase?: Phase;
  /** Put before the reason of every new node. */
  readonly reasonPrefix?: string;
  /** Logical variable that each of `xs` is the value of, written on the node that gives its gradient. */
  readonly variables?: readonly (string | null)[];
}

/** What one run of reverse mode keeps. */
interface Reverse {
  readonly tape: Tape;
  readonly path: GradientPath;
  readonly phase: Phase;
  readonly reason: string;
  /** Gradients by a tensor that its uses have given so far, by `tensorKey`; a single one once they are added up. */
  readonly contributions: Map<string, TensorRef[]>;
}

/**
 * Adds the gradients of the sum of all elements of `ys` by each of `xs`, in reverse mode, and gives them; null where
 * `ys` do not depend on an x. Gradients have the shapes of their `xs`. New nodes are called
 * `gradients/<forward name>_grad/<Op>`, have the replica and the group of the forward node, which is their origin, and
 * no device. Throws PW_GRADIENT_MISSING (all ops at once), PW_GRADIENT_DTYPE, PW_GRADIENT_SHAPE, PW_GRADIENT_ARITY.
 */
export function gradients(
  editor: GraphEditor,
  registry: OpRegistry,
  ys: readonly TensorRef[],
  xs: readonly TensorRef[],
  options: GradientOptions = {},
): (TensorRef | null)[] {
  for (const y of ys) checkFloat(editor, y);
  const reverse: Reverse = {
    tape: startTape(editor, registry),
    path: gradientPath(editor.graph, registry, ys, xs),
    phase: options.phase ?? 'backward',
    reason: options.reasonPrefix ?? '',
    contributions: new Map(),
  };
  ys.forEach((y, i) => {
    if (reverse.path.leads(y)) contribute(reverse, y, seed(reverse, y, i));
  });
  for (const node of reverse.path.nodes.toReversed()) differentiateNode(reverse, registry, node);
  const results = xs.map((x) => total(reverse, x));
  const wanted = results.filter((result) => result !== null);
  const names = variableNames(results, options.variables ?? []);
  const added = reverse.tape.commit(wanted, (id) => names.get(id) ?? null);
  return results.map((result) => (result === null ? null : added(result)));
}

function checkFloat(editor: GraphEditor, y: TensorRef): void {
  const type = editor.type(y);
  if (isFloat(type.dtype)) return;
  throw new PlacewrightError('PW_GRADIENT_DTYPE', `a tensor ${formatType(type)} has no gradients`, {
    where: { node: nodeName(editor.node(y.node)) },
    hint: 'only float tensors can be differentiated',
  });
}

/** Variable of each node that gives the gradient of one variable alone. */
function variableNames(
  results: readonly (TensorRef | null)[],
  variables: readonly (string | null)[],
): ReadonlyMap<NodeId, string | null> {
  const names = new Map<NodeId, string | null>();
  results.forEach((result, i) => {
    if (result === null) return;
    const name = variables[i] ?? null;
    names.set(result.node, names.has(result.node) && names.get(result.node) !== name ? null : name);
  });
  return names;
}

function nodeOnTape({ tape }: Reverse, id: NodeId): Node {
  const node = tape.graph.nodes.get(id);
  if (node === undefined) throw new PlacewrightError('PW_DANGLING_EDGE', `there is no node ${id}`);
  return node;
}

/** Adds a node that belongs to the gradient of `forward`; gives its outputs. */
function addNode(
  { tape, phase }: Reverse,
  forward: Node,
  name: string,
  op: string,
  call: { readonly inputs: readonly TensorRef[]; readonly attrs?: AttrInput },
  why: Why,
): readonly [TensorRef, ...TensorRef[]] {
  const { replica, group } = forward;
  const { inputs, attrs = {} } = call;
  const node = tape.add({ op, name, inputs, attrs, phase, replica, group }, why);
  const count = tape.graph.nodes.get(node)?.outputs.length ?? 0;
  return [{ node, port: 0 }, ...Array.from({ length: count - 1 }, (_, i) => ({ node, port: i + 1 }))];
}

function whyOf({ reason }: Reverse, what: string, forward: Node): Why {
  return { reason: `${reason}${what} ${forward.op} ${nodeName(forward)}`, from: [forward.id] };
}

/** Ones of the type and shape of y. */
function seed(reverse: Reverse, y: TensorRef, index: number): TensorRef {
  const forward = nodeOnTape(reverse, y.node);
  const { dtype, shape } = tensorTypeOf(reverse.tape.graph, y);
  const name = `gradients/grad_ys_${index}`;
  const why = whyOf(reverse, 'gradient by itself of', forward);
  const [ones] =
    isStatic(shape) && shape.length === 0
      ? addNode(reverse, forward, name, 'Const', { inputs: [], attrs: { value: scalar(dtype, 1) } }, why)
      : addNode(reverse, forward, name, 'OnesLike', { inputs: [y] }, why);
  return ones;
}

function contribute({ contributions }: Reverse, tensor: TensorRef, grad: TensorRef): void {
  const key = tensorKey(tensor);
  const list = contributions.get(key);
  if (list === undefined) contributions.set(key, [grad]);
  else list.push(grad);
}

/** The gradient by a tensor once all its uses have given theirs; null where none has. */
function total(reverse: Reverse, tensor: TensorRef): TensorRef | null {
  const list = reverse.contributions.get(tensorKey(tensor)) ?? [];
  const [first = null] = list;
  if (list.length < 2) return first;
  const forward = nodeOnTape(reverse, tensor.node);
  const why = whyOf(reverse, `sum of ${list.length} gradients by`, forward);
  const name = `gradients/${forward.name}_grad/AddN`;
  const [sum] = addNode(reverse, forward, name, 'AddN', { inputs: list }, why);
  reverse.contributions.set(tensorKey(tensor), [sum]);
  return sum;
}

function differentiateNode(reverse: Reverse, registry: OpRegistry, node: Node): void {
  const { gradient } = lookupOp(registry, node.op);
  if (typeof gradient !== 'function') return;
  const grads = node.outputs.map((_, port) => total(reverse, { node: node.id, port }));
  if (grads.every((grad) => grad === null)) return;
  try {
    const results = gradient(contextOf(reverse, node, grads));
    checkResults(reverse, node, results);
    results.forEach((grad, i) => {
      const input = node.inputs[i];
      if (grad !== null && input !== undefined && reverse.path.leads(input)) contribute(reverse, input, grad);
    });
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ node: nodeName(node) }) : error;
  }
}

function checkResults({ tape, path }: Reverse, node: Node, results: readonly (TensorRef | null)[]): void {
  if (results.length !== node.inputs.length) {
    throw new PlacewrightError(
      'PW_GRADIENT_ARITY',
      `the gradient function of ${node.op} gives ${results.length} gradients for ${node.inputs.length} inputs`,
      { hint: 'give one for each input, null where none flows' },
    );
  }
  results.forEach((grad, i) => {
    const input = node.inputs[i];
    if (grad === null || input === undefined || !path.leads(input)) return;
    const [have, want] = [tensorTypeOf(tape.graph, grad), tensorTypeOf(tape.graph, input)];
    if (have.dtype === want.dtype && compatible(have.shape, want.shape)) return;
    throw new PlacewrightError(
      'PW_GRADIENT_SHAPE',
      `the gradient of ${node.op} by input ${i} is ${formatType(have)}, but the input ${formatType(want)}`,
      { hint: 'a gradient has the type and shape of what it is by; see unbroadcast' },
    );
  });
}

function contextOf(reverse: Reverse, node: Node, grads: readonly (TensorRef | null)[]): GradientContext {
  const outputs = node.outputs.map((_, port): TensorRef => ({ node: node.id, port }));
  const why = whyOf(reverse, 'gradient of', node);
  const op: GradientContext['op'] = (name, inputs, attrs = {}) =>
    addNode(reverse, node, `gradients/${node.name}_grad/${name}`, name, { inputs, attrs }, why);
  const type: GradientContext['type'] = (tensor) => tensorTypeOf(reverse.tape.graph, tensor);
  return {
    inputs: node.inputs,
    outputs,
    attrs: node.attrs,
    grads,
    grad: (index) => {
      const output = outputs[index];
      if (output === undefined) {
        throw new PlacewrightError('PW_GRADIENT_ARITY', `${node.op} has no output ${index}`);
      }
      return grads[index] ?? op('ZerosLike', [output])[0];
    },
    type,
    attr: (name, kind) => getAttr(node, name, kind),
    op,
    constant: (dtype, value) => op('Const', [], { value: scalar(dtype, value) })[0],
    unbroadcast: (grad, like) => unbroadcast({ op, type }, grad, like),
  };
}
