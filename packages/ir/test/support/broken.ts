import { edit, type GraphEditor } from '../../src/editor.js';
import type { Module, Node, Resource, ResourceId } from '../../src/graph.js';
import { lowered } from './lowered.js';
import { withNode } from './modules.js';
import { ops } from './ops.js';

export const GPU0 = '/device:GPU:0';
export const GPU1 = '/device:GPU:1';

/** The node of a tower in the lowered module. */
export function towerNode(module: Module, name: string, replica = 0): Node {
  const found = [...module.graph.nodes.values()].find(
    (node) => node.name === name && node.replica === replica,
  );
  if (found === undefined) throw new Error(`the test has no node ${name}`);
  return found;
}

/** The lowered module with one of its nodes changed past the editor. */
export function broken(
  name: string,
  change: (node: Node, module: Module) => Partial<Node>,
  replica = 0,
): Module {
  const module = lowered();
  const node = towerNode(module, name, replica);
  return withNode(module, node.id, change(node, module));
}

export function edited(body: (editor: GraphEditor, module: Module) => void): Module {
  const module = lowered();
  return edit(module, ops, 'break', (editor) => body(editor, module)).module;
}

export function withResource(module: Module, id: ResourceId, change: Partial<Resource>): Module {
  const resources = new Map(module.resources);
  resources.set(id, { ...resources.get(id), ...change } as Resource);
  return { ...module, resources };
}

export const resourceIn = (node: Node): ResourceId => node.resources[0] ?? 'r0';
