import { createInterpreter } from '@placewright/interp';
import {
  type Attr,
  differentiate,
  edit,
  entryNodes,
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
  const reads = trainableReads(source);
  const deltas = movingUpdates(source);
  const fetches = source.entries.step?.fetches ?? [];
  const gradients: TensorRef[] = [];
  const module = edit(source, registry, 'oracle', (editor) => {
    gradients.push(...differentiate(editor, registry, loss, reads).map(({ tensor }) => tensor));
    const wanted = [
      loss,
      ...gradients,
      ...deltas.map(({ tensor }) => tensor),
      ...fetches.map(({ tensor }) => tensor),
    ];
    editor.setEntry({
      name: 'step',
      feeds: source.entries.step?.feeds ?? [],
      fetches: wanted.map((tensor, i) => ({ name: String(i), tensor })),
      rounds: [[]],
    });
  }).module;
  const session = createInterpreter(module, { registry });
  const sameAsLoss = new Set(fetches.flatMap(({ name, tensor }) => (sameTensor(tensor, loss) ? [name] : [])));
  return {
    variables: towerVariables(source),
    trainable: reads.map(({ variable }) => variable),
    fetchNames: fetches.map(({ name }) => name),
    isLoss: (fetch) => sameAsLoss.has(fetch),
    run: (variables, feeds) => {
      session.writeVariables(variables);
      const values = [...session.run('step', feeds).values()];
      const [total, ...rest] = values;
      const floats = (value: TensorValue | undefined): Float32Array =>
        (value?.data ?? new Float32Array()) as Float32Array;
      return {
        loss: floats(total)[0] ?? Number.NaN,
        gradients: new Map(reads.map(({ variable }, i) => [variable, floats(rest[i])])),
        deltas: new Map(deltas.map(({ variable }, i) => [variable, floats(rest[reads.length + i])])),
        fetches: new Map(
          fetches.map(({ name }, i) => [name, rest[reads.length + deltas.length + i] as TensorValue]),
        ),
      };
    },
  };
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

/** Values of the trainable variables as the step reads them, one for each variable, in the order in which they were made. */
function trainableReads(source: Module): VariableTensor[] {
  const { step } = source.entries;
  const running = step === undefined ? new Set<NodeId>() : entryNodes(source, step);
  return [...source.resources.values()].flatMap((resource) => {
    if (resource.kind !== 'variable' || !resource.trainable) return [];
    const read = [...source.graph.nodes.values()].find(
      ({ id, op, resources }) => op === 'ReadVariableOp' && resources[0] === resource.id && running.has(id),
    );
    return read === undefined ? [] : [{ variable: resource.name, tensor: { node: read.id, port: 0 } }];
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
