import {
  type Graph,
  type Node,
  nodeName,
  PlacewrightError,
  type TensorRef,
  tensorKey,
  tensorTypeOf,
} from '@placewright/ir';
import type { Accumulate } from '../../../engine.js';
import { graphBuilder } from '../onnx/builder.js';
import { encodeModel } from '../onnx/proto.js';
import {
  type EmitContext,
  type Emitter,
  emitContext,
  type Guard,
  plainName,
  REGION_DTYPES,
  Refused,
  type RegionValues,
} from './context.js';
import { inFloat64 } from './precise.js';
import { throwRefused } from './refuse.js';
import { emitterOf } from './table.js';

/** Pure ops of one device that run in one call, in topological order, and the tensors that go in and out. */
export interface RegionBody {
  readonly nodes: readonly Node[];
  readonly inputs: readonly TensorRef[];
  readonly outputs: readonly TensorRef[];
}

/** A region as ONNX: inputs are named `i0`, `i1`, …, outputs `o0`, …, in the order of the body and then of the guards. */
export interface RegionModel {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly guards: readonly Guard[];
}

/** Emitters of ops that are not built in, or in the place of those that are, by op. */
export type OwnEmitters = ReadonlyMap<string, Emitter>;

/** Writes a region. The guards' tensors are outputs too where they are no inputs. Throws PW_ENGINE_OP, PW_ATTR_*. */
export function emitRegion(
  graph: Graph,
  body: RegionBody,
  accumulate: Accumulate,
  own: OwnEmitters,
): RegionModel {
  const builder = graphBuilder();
  const values: RegionValues = {
    builder,
    graph,
    accumulate,
    makers: soleMakers(body),
    forms: new Map(),
    derived: new Map(),
    guards: [],
    refusals: new Map(),
  };
  body.inputs.forEach((ref, i) => {
    const { dtype, shape } = tensorTypeOf(graph, ref);
    builder.input(`i${i}`, dtype, shape);
    values.forms.set(tensorKey(ref), { plain: `i${i}` });
  });
  for (const node of body.nodes) emitNode(values, node, own);
  throwRefused(values.refusals);
  [...body.outputs, ...unseenGuards(body, values.guards)].forEach((ref, i) => {
    const { dtype, shape } = tensorTypeOf(graph, ref);
    builder.output(plainName(values, ref), `o${i}`, dtype, shape);
  });
  return { model: encodeModel(builder.finish('region')), guards: values.guards };
}

/** Tensors of guards that are neither inputs nor outputs of the region. */
export function unseenGuards(body: RegionBody, guards: readonly Guard[]): TensorRef[] {
  const seen = new Set([...body.inputs, ...body.outputs].map(tensorKey));
  return guards.flatMap(({ tensor }) => {
    const key = tensorKey(tensor);
    if (seen.has(key)) return [];
    seen.add(key);
    return [tensor];
  });
}

/** A node that is refused gets outputs all the same, so that those after it can be looked at too. */
function emitNode(values: RegionValues, node: Node, own: OwnEmitters): void {
  const found = own.get(node.op) ?? emitterOf(node.op);
  try {
    if (found === undefined || 'refused' in found) throw new Refused(`${node.op} has no form in ONNX`);
    emitWith(found, emitContext(values, node), values.accumulate);
  } catch (error) {
    if (!(error instanceof Refused))
      throw error instanceof PlacewrightError ? error.at({ node: nodeName(node) }) : error;
    const reason = `${node.op}: ${error.message}`;
    values.refusals.set(reason, [...(values.refusals.get(reason) ?? []), nodeName(node)]);
    node.outputs.forEach((_, port) => {
      values.forms.set(tensorKey({ node: node.id, port }), { plain: '', image: '', wide: '' });
    });
  }
}

/** For each tensor that one node of the region makes and one other takes, once, the node that makes it. */
function soleMakers({ nodes, outputs }: RegionBody): Map<string, Node> {
  const uses = new Map<string, number>();
  const use = (ref: TensorRef): void => {
    uses.set(tensorKey(ref), (uses.get(tensorKey(ref)) ?? 0) + 1);
  };
  for (const node of nodes) node.inputs.forEach(use);
  outputs.forEach(use);
  const makers = new Map<string, Node>();
  for (const node of nodes) {
    node.outputs.forEach((_, port) => {
      const key = tensorKey({ node: node.id, port });
      if (uses.get(key) === 1) makers.set(key, node);
    });
  }
  return makers;
}

function emitWith(found: Emitter, context: EmitContext, accumulate: Accumulate): void {
  if (accumulate === 'float64' && found.precise !== undefined) found.precise(inFloat64(context));
  else found.emit(context);
}

/** Why a node cannot be in a region; undefined when it can, as far as its op and types say. */
export function whyNot(graph: Graph, node: Node, own: OwnEmitters): string | undefined {
  const found = own.get(node.op) ?? emitterOf(node.op);
  if (found === undefined) return `the embedded engine does not know ${node.op}`;
  if ('refused' in found) return `${node.op}: ${found.refused}`;
  const inputs = node.inputs.map((ref) => tensorTypeOf(graph, ref).dtype);
  const outputs = node.outputs.map(({ dtype }) => dtype);
  const foreign = [...inputs, ...outputs].find((dtype) => !REGION_DTYPES.includes(dtype));
  if (foreign !== undefined) return `${node.op} on ${foreign}`;
  const operand = found.operand === -1 ? outputs[0] : inputs[found.operand ?? 0];
  return operand === undefined || found.dtypes.includes(operand) ? undefined : `${node.op} on ${operand}`;
}
