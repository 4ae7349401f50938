import {
  type LinkedModule,
  type LinkedTask,
  type Module,
  type ModuleState,
  type Node,
  nodeName,
  nodeOf,
  PlacewrightError,
  type Resource,
  type ResourceId,
  resourceName,
  type TensorRef,
  taskPrefix,
  taskText,
  type VariableResource,
  variableNames,
} from '@placewright/ir';
import { type FindTensor, tensorFinder } from './names.js';

/**
 * What one caller sees of a loaded module: its entries, and the names and ids that it knows. The caller of a module by
 * itself sees all of it; a task of a linked one sees what its own module had.
 */
export interface View {
  /** Number of the task; 0 where there is one alone. */
  readonly task: number;
  /** How messages call the task; empty where there is one alone. */
  readonly who: string;
  /** The loaded module, with the entries and resources of this view. */
  readonly module: Module;
  readonly variables: ReadonlyMap<string, VariableResource>;
  readonly findTensor: FindTensor;
  /** The shown name of a tensor, as `findTensor` takes it: `tower_0/conv0/Conv2D:0`. */
  readonly tensorName: (ref: TensorRef) => string;
  /** A state of the loaded module in this view's ids, without what it does not know. */
  readonly toOwn: (state: ModuleState) => ModuleState;
  /** Throws PW_STATE_RESOURCE. */
  readonly fromOwn: (state: ModuleState) => ModuleState;
}

export function wholeView(module: Module): View {
  const tensorName = ({ node, port }: TensorRef): string => `${nodeName(nodeOf(module.graph, node))}:${port}`;
  return {
    task: 0,
    who: '',
    module,
    variables: variableNames(module),
    findTensor: tensorFinder(module),
    tensorName,
    toOwn: (state) => state,
    fromOwn: (state) => state,
  };
}

export function taskViews(linked: LinkedModule): View[] {
  return linked.tasks.map((_, task) => taskView(linked, task));
}

function taskView({ module, tasks }: LinkedModule, index: number): View {
  const task = tasks[index] as LinkedTask;
  const ownName = (node: Node): string => nodeName(ownNode(task, node));
  const nodes = new Set(task.nodes.values());
  const own = [...module.graph.nodes].filter(([id]) => nodes.has(id));
  const resources = ownResources(module, task);
  return {
    task: index,
    who: taskText(task.task),
    module: { ...module, resources, entries: task.entries },
    // Unique, as they were in the task's own module.
    variables: variablesOf(resources),
    findTensor: tensorFinder({ graph: { nodes: new Map(own) } }, ownName),
    tensorName: ({ node, port }) => `${ownName(nodeOf(module.graph, node))}:${port}`,
    toOwn: (state) => mapState(state, new Map([...task.resources].map(([own, id]) => [id, own])), false),
    fromOwn: (state) => mapState(state, task.resources, true),
  };
}

/** A node as the task's own module calls it. */
function ownNode({ task, towers }: LinkedTask, { name, replica }: Node): Pick<Node, 'name' | 'replica'> {
  if (replica !== null) return { name, replica: towers.indexOf(replica) };
  const prefix = taskPrefix(task);
  return { name: prefix === '' ? name : name.slice(prefix.length + 1), replica };
}

function ownResources(module: Module, task: LinkedTask): Map<ResourceId, Resource> {
  const own = new Map<ResourceId, Resource>();
  for (const id of task.resources.values()) {
    const resource = module.resources.get(id);
    if (resource !== undefined) own.set(id, resource);
  }
  return own;
}

function variablesOf(resources: ReadonlyMap<ResourceId, Resource>): Map<string, VariableResource> {
  const named = new Map<string, VariableResource>();
  for (const resource of resources.values())
    if (resource.kind === 'variable') named.set(resourceName(resource), resource);
  return named;
}

function mapState(
  { variables, buffers }: ModuleState,
  ids: ReadonlyMap<ResourceId, ResourceId>,
  strict: boolean,
): ModuleState {
  const mapped = <T>(values: ReadonlyMap<ResourceId, T>): Map<ResourceId, T> => {
    const out = new Map<ResourceId, T>();
    for (const [id, value] of values) {
      const to = ids.get(id);
      if (to !== undefined) out.set(to, value);
      else if (strict) throw foreign(id);
    }
    return out;
  };
  return { variables: mapped(variables), buffers: mapped(buffers) };
}

function foreign(id: ResourceId): PlacewrightError {
  return new PlacewrightError('PW_STATE_RESOURCE', `the module of this task has no resource ${id}`, {
    hint: 'give the state of a session of the same lowered graph',
  });
}

/** The view of a task. Throws PW_LINK_TASK. */
export function viewOf(views: readonly View[], task: number): View {
  const found = views[task];
  if (found !== undefined) return found;
  throw new PlacewrightError('PW_LINK_TASK', `the cluster has no task number ${task}`, {
    hint: `its tasks are 0 to ${views.length - 1}: ${views.map(({ who }) => who).join(', ')}`,
  });
}
