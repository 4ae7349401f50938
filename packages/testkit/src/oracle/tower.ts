import { createInterpreter } from '@placewright/interp';
import {
  type Attr,
  edit,
  entryNodes,
  type GraphEditor,
  gradients,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  type OpRegistry,
  PlacewrightError,
  type TensorRef,
  type TensorValue,
  type VariableResource,
} from '@placewright/ir';
import type { Feeds } from '../lowered.js';
import { towerVariables } from '../wishes.js';

/** What one tower computes in one step, of the variables it is given. */
export interface TowerResult {
  /** The model's own loss, without weight decay. */
  readonly loss: number;
  /** Of the loss, without weight decay, by logical name. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** What moving averages change by: `variable −= delta`. */
  readonly deltas: ReadonlyMap<string, Float32Array>;
  /** The model's other fetches. */
  readonly fetches: ReadonlyMap<string, TensorValue>;
}

/** A model on one device: no passes, no towers, no placement. */
export interface TowerModel {
  /** All variables that the step acts on, in the order in which they were made. */
  readonly variables: readonly VariableResource[];
  /** Those that the loss is differentiated by. */
  readonly trainable: readonly string[];
  readonly fetchNames: readonly string[];
  /** Which of the fetches is the loss that is trained. */
  readonly isLoss: (fetch: string) => boolean;
  readonly run: (variables: ReadonlyMap<string, TensorValue>, feeds: Feeds) => TowerResult;
}

/** The training step of a source module as a function of its variables. Throws PW_MODEL_LOSS. */
export function towerModel(source: Module, registry: OpRegistry): TowerModel {
  const loss = lossOf(source);
  const trainable = trainableNames(source);
  const deltas = movingUpdates(source);
  const fetches = source.entries.step?.fetches ?? [];
  const parts: VariableTensor[] = [];
  const module = edit(source, registry, 'oracle', (editor) => {
    parts.push(...gradientParts(editor, registry, loss, readsOf(source, trainable)));
    const wanted = [loss, ...[...parts, ...deltas, ...fetches].map(({ tensor }) => tensor)];
    editor.setEntry({
      name: 'step',
      feeds: source.entries.step?.feeds ?? [],
      fetches: wanted.map((tensor, i) => ({ name: String(i), tensor })),
      rounds: [[]],
    });
  }).module;
  const session = createInterpreter(module, { registry });
  return {
    variables: towerVariables(source),
    trainable,
    fetchNames: fetches.map(({ name }) => name),
    isLoss: (fetch) => fetches.some(({ name, tensor }) => name === fetch && sameTensor(tensor, loss)),
    run: (variables, feeds) => {
      session.writeVariables(variables);
      const [total, ...rest] = [...session.run('step', feeds).values()];
      const floats = (value: TensorValue | undefined): Float32Array =>
        (value?.data ?? new Float32Array()) as Float32Array;
      const after = parts.length + deltas.length;
      return {
        loss: floats(total)[0] ?? Number.NaN,
        gradients: sumsByVariable(parts, rest.map(floats)),
        deltas: new Map(deltas.map(({ variable }, i) => [variable, floats(rest[parts.length + i])])),
        fetches: new Map(fetches.map(({ name }, i) => [name, rest[after + i] as TensorValue])),
      };
    },
  };
}

/** Gradients of the loss by each read of a variable; none where it does not depend on it. */
function gradientParts(
  editor: GraphEditor,
  registry: OpRegistry,
  loss: TensorRef,
  reads: readonly VariableTensor[],
): VariableTensor[] {
  const xs = reads.map(({ tensor }) => tensor);
  const found = gradients(editor, registry, [loss], xs);
  return reads.flatMap(({ variable }, i) => {
    const tensor = found[i];
    return tensor === null || tensor === undefined ? [] : [{ variable, tensor }];
  });
}

function sumsByVariable(
  parts: readonly VariableTensor[],
  values: readonly Float32Array[],
): Map<string, Float32Array> {
  const sums = new Map<string, Float32Array>();
  parts.forEach(({ variable }, i) => {
    const sum = sums.get(variable);
    const value = values[i] ?? new Float32Array();
    sums.set(variable, sum === undefined ? value : sum.map((x, k) => x + (value[k] ?? 0)));
  });
  return sums;
}

/** Initial values by logical name: those of a tower draw with its number as the second seed. */
export function initialValues(source: Module, registry: OpRegistry, tower: number): Map<string, TensorValue> {
  const nodes = new Map<NodeId, Node>();
  for (const [id, node] of source.graph.nodes) nodes.set(id, withSecondSeed(node, tower));
  const session = createInterpreter({ ...source, graph: { nodes } }, { registry });
  session.run('init');
  return session.readVariables();
}

function withSecondSeed(node: Node, tower: number): Node {
  if (!node.attrs.has('seed2')) return node;
  const attrs = new Map<string, Attr>([...node.attrs, ['seed2', { kind: 'int', value: tower }]]);
  return { ...node, attrs };
}

function lossOf(source: Module): TensorRef {
  for (const role of source.roles) if (role.kind === 'loss') return role.tensor;
  throw new PlacewrightError('PW_MODEL_LOSS', `module ${JSON.stringify(source.name)} has no loss`, {
    hint: 'build the model for training',
  });
}

interface VariableTensor {
  readonly variable: string;
  readonly tensor: TensorRef;
}

/** Trainable variables that the step reads, in the order in which they were made. */
function trainableNames(source: Module): string[] {
  const read = new Set(stepReads(source).map(({ resources }) => resources[0]));
  return [...source.resources.values()].flatMap((resource) =>
    resource.kind === 'variable' && resource.trainable && read.has(resource.id) ? [resource.name] : [],
  );
}

function stepReads(source: Module): Node[] {
  const { step } = source.entries;
  const running = step === undefined ? [] : [...entryNodes(source, step)];
  return running.map((id) => nodeOf(source.graph, id)).filter(({ op }) => op === 'ReadVariableOp');
}

/** Every reading of these variables by the step; a variable may be read more than once. */
function readsOf(source: Module, names: readonly string[]): VariableTensor[] {
  return stepReads(source).flatMap(({ id, resources: [resource] }) => {
    const variable = resource === undefined ? undefined : source.resources.get(resource);
    if (variable?.kind !== 'variable' || !names.includes(variable.name)) return [];
    return [{ variable: variable.name, tensor: { node: id, port: 0 } }];
  });
}

/** Updates that are no gradient's, as what is taken away. Throws PW_ORACLE_UPDATE for another op than `AssignSubVariableOp`. */
function movingUpdates(source: Module): VariableTensor[] {
  return source.roles.flatMap((role) => {
    if (role.kind !== 'update') return [];
    const node = nodeOf(source.graph, role.node);
    const [delta] = node.inputs;
    if (node.op === 'AssignSubVariableOp' && delta !== undefined)
      return [{ variable: role.variable, tensor: delta }];
    throw new PlacewrightError('PW_ORACLE_UPDATE', `the oracle does not know updates by ${node.op}`, {
      hint: 'write the update as variable -= delta',
    });
  });
}

function sameTensor(a: TensorRef, b: TensorRef): boolean {
  return a.node === b.node && a.port === b.port;
}
