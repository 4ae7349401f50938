import {
  DTYPES,
  type DType,
  type Entry,
  entryNodes,
  type Module,
  type Node,
  nodeName,
  nodeOf,
  type OpRegistry,
} from '@placewright/ir';
import type { OpSupport } from '../../engine.js';
import { REGION_DTYPES } from './emit/context.js';
import { throwRefused } from './emit/refuse.js';
import { type OwnEmitters, whyNot } from './emit/region.js';
import { emitters } from './emit/table.js';
import { isRuntimeOp, runtimeOps } from './op-kinds.js';

/** Types that nothing here takes; the other ones are those of regions. */
const REFUSED_TYPES: readonly DType[] = DTYPES.filter((dtype) => !REGION_DTYPES.includes(dtype));

/** How each built-in op runs, by name, and on which types of its operand. */
export function opSupport(): OpSupport[] {
  const regions = Object.entries(emitters).map(([op, found]) => ({
    op,
    how: 'refused' in found ? `refused: ${found.refused}` : `${found.how} (${typeList(found.dtypes)})`,
  }));
  const runtime = Object.entries(runtimeOps).map(([op, how]) => ({
    op,
    how: op === 'NoOp' || op === 'Barrier' ? how : `${how} (${typeList(REGION_DTYPES)})`,
  }));
  return [...regions, ...runtime].sort((a, b) => (a.op < b.op ? -1 : 1));
}

function typeList(dtypes: readonly DType[]): string {
  const all = REGION_DTYPES.every((dtype) => dtypes.includes(dtype));
  return all ? `not ${REFUSED_TYPES.join(', ')}` : dtypes.join(', ');
}

/** The ops that a module may have, and how those that are not built in are written. */
export interface KnownOps {
  readonly registry: OpRegistry;
  readonly emitters: OwnEmitters;
}

/** Throws PW_ENGINE_OP with every op of the module's entries that cannot run here, and the first nodes that have it. */
export function checkSupport(module: Module, known: KnownOps): void {
  const nodes = new Set(
    Object.values(module.entries).flatMap((entry: Entry) => [...entryNodes(module, entry)]),
  );
  const reasons = new Map<string, string[]>();
  for (const id of nodes) {
    const node = nodeOf(module.graph, id);
    const why = refusal(module, known, node);
    if (why !== undefined) reasons.set(why, [...(reasons.get(why) ?? []), nodeName(node)]);
  }
  throwRefused(reasons);
}

function refusal(module: Module, known: KnownOps, node: Node): string | undefined {
  if (node.op === 'Barrier') return 'Barrier: one process has no tasks to wait for';
  if (!isRuntimeOp(node.op)) return regionRefusal(module, known, node);
  const half = node.outputs.find(({ dtype }) => REFUSED_TYPES.includes(dtype));
  return half === undefined ? undefined : `${node.op} on ${half.dtype}`;
}

function regionRefusal(
  { graph }: Module,
  { registry, emitters: own }: KnownOps,
  node: Node,
): string | undefined {
  const { op } = node;
  const decl = registry.ops.get(op);
  if (decl === undefined) return `the unknown op ${op}`;
  if (!own.has(op) && !Object.hasOwn(emitters, op))
    return `${op}, an op of your own without an ONNX emitter: give one with the option emitters`;
  if (own.has(op) && decl.effect.kind !== 'pure') return `${op}: an emitter is for pure ops alone`;
  return whyNot(graph, node, own);
}
