import { type DeviceName, type Node, resourceName, type VariableResource } from '@placewright/ir';
import type { AccessFacts, Facts, StagingFacts } from './form.js';
import { sourceOf, type View, variableOf } from './view.js';

/** A staging area that a variable's value goes through. */
interface StagedVariable extends StagingFacts {
  readonly resource: VariableResource;
}

/** Staging areas of variables, in order of the graph. */
export function stagedVariables(view: View): StagedVariable[] {
  return stages(view, 'staging').flatMap((stage) => {
    const [input] = stage.inputs;
    const unstage = unstageOf(view, stage);
    if (input === undefined || unstage === undefined || stage.replica === null) return [];
    const source = sourceOf(view, input);
    const resource = variableBehind(view, source);
    if (resource === undefined) return [];
    return [
      {
        tower: stage.replica,
        variable: resourceName(resource),
        stageDevice: stage.device,
        unstageDevice: unstage.device,
        sourceOp: source.op,
        sourceDevice: source.device,
        resource,
      },
    ];
  });
}

/** Stage nodes of one phase: variables are staged in phase `staging`, the changes of moving averages in `update`. */
function stages({ module }: View, phase: Node['phase']): Node[] {
  return [...module.graph.nodes.values()].filter((node) => node.op === 'Stage' && node.phase === phase);
}

function unstageOf({ acting }: View, { resources: [area] }: Node): Node | undefined {
  return area === undefined ? undefined : acting.get(area)?.find(({ op }) => op === 'Unstage');
}

/** The variable whose value a node has, read or kept. */
function variableBehind(view: View, node: Node): VariableResource | undefined {
  const [input] = node.inputs;
  const reading = node.op === 'Identity' && input !== undefined ? sourceOf(view, input) : node;
  return reading.op === 'ReadVariableOp' ? variableOf(view, reading) : undefined;
}

export function stagingFacts(staged: readonly StagedVariable[]): StagingFacts[] {
  return staged.map(({ resource: _, ...facts }) => facts);
}

/** How many areas there are for updates that are no gradient's, and the devices of what puts into them. */
export function deltaFacts(view: View): Facts['stagingDeltas'] {
  const deltas = stages(view, 'update');
  return { count: deltas.length, devices: [...new Set(deltas.map(({ device }) => device))] };
}

/** What each tower reads of the trainable variables, and what it may write. */
export function trainableFacts(view: View, staged: readonly StagedVariable[]): Facts['trainableOnDevice'] {
  const unstages = new Map<string, DeviceName>();
  for (const { tower, resource, unstageDevice } of staged)
    unstages.set(`${tower} ${resource.id}`, unstageDevice);
  const trainable = view.variables.filter((variable) => variable.trainable);
  const owned = trainable.some(({ replica }) => replica !== null);
  const towers = Array.from({ length: view.module.towers }, (_, tower) => tower);
  return Object.fromEntries(
    towers.map((tower) => {
      const mine = trainable.filter(({ replica }) => replica === (owned ? tower : null));
      const read = mine.map((variable) => {
        const device = unstages.get(`${tower} ${variable.id}`);
        return device === undefined ? handle(variable) : { ...handle(variable), op: 'Unstage', device };
      });
      return [String(tower), { read, write: mine.map(handle) }];
    }),
  );
}

function handle(variable: VariableResource): AccessFacts {
  return { op: 'VarHandleOp', variable: resourceName(variable), device: variable.device };
}
