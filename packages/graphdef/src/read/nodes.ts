import { nearest, PlacewrightError } from '@placewright/ir';
import { textOf } from '../attr.js';
import type { AttrCase, GraphDef, NodeDef } from '../proto/messages.js';
import { MOST_REPEATED, repeatedElements } from '../tensor.js';

/** A tensor of the graph: output `port` of a node. */
export interface GraphTensor {
  readonly node: string;
  readonly port: number;
}

/** A node of the graph with its edges taken apart. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly device: string;
  readonly inputs: readonly GraphTensor[];
  readonly controls: readonly string[];
  readonly attrs: ReadonlyMap<string, AttrCase>;
}

const PORT = /^(.+):(\d{1,7})$/s;

/** `node` or `node:1`. */
export function tensorOfText(text: string): GraphTensor {
  const [, node, port] = PORT.exec(text) ?? [];
  return node === undefined ? { node: text, port: 0 } : { node, port: Number(port) };
}

function graphNode({ name, op, device, input, attr }: NodeDef): GraphNode {
  const inputs = input.filter((text) => !text.startsWith('^')).map(tensorOfText);
  const controls = [...new Set(input.flatMap((text) => (text.startsWith('^') ? [text.slice(1)] : [])))];
  const attrs = new Map<string, AttrCase>();
  for (const { key, value } of attr) {
    if (attrs.has(key))
      throw graphError('PW_GRAPHDEF_ATTR', name, `has the attribute ${JSON.stringify(key)} twice`);
    attrs.set(key, value?.value ?? { case: undefined });
  }
  return { name, op, device, inputs, controls, attrs };
}

const HINTS = {
  PW_GRAPHDEF_ATTR: 'keep one of the two',
  PW_GRAPHDEF_NODE: 'the file is damaged: every node has a name of its own, and an op',
  PW_GRAPHDEF_DANGLING: 'the file is damaged, or only a part of a graph: write the whole graph',
} as const;

export function graphError(
  code: keyof typeof HINTS,
  node: string,
  what: string,
  hint = '',
): PlacewrightError {
  return new PlacewrightError(code, `node ${shown(node)} ${what}`, {
    where: { node },
    hint: hint === '' ? HINTS[code] : hint,
  });
}

export const shown = (name: string): string =>
  JSON.stringify(name.length > 120 ? `${name.slice(0, 119)}…` : name);

/**
 * The nodes of a graph by name. Throws PW_GRAPHDEF_NODE for names that are missing or stand twice, PW_GRAPHDEF_DANGLING for
 * edges from nodes that are not there, PW_GRAPHDEF_ATTR, PW_GRAPHDEF_TENSOR.
 */
export function graphNodes({ node: defs }: GraphDef): Map<string, GraphNode> {
  const nodes = new Map<string, GraphNode>();
  let repeated = 0;
  for (const def of defs) {
    repeated += repeatedIn(def);
    if (repeated > MOST_REPEATED) throw tooManyRepeated(def);
    const node = graphNode(def);
    if (def.name === '') throw graphError('PW_GRAPHDEF_NODE', def.op, 'has no name');
    if (def.op === '') throw graphError('PW_GRAPHDEF_NODE', def.name, 'has no op');
    if (nodes.has(def.name)) throw graphError('PW_GRAPHDEF_NODE', def.name, 'stands twice');
    nodes.set(def.name, node);
  }
  for (const { name, inputs, controls } of nodes.values()) {
    for (const before of [...inputs.map(({ node }) => node), ...controls]) {
      if (!nodes.has(before)) throw dangling(name, before, nodes);
    }
  }
  return nodes;
}

function repeatedIn({ attr }: NodeDef): number {
  let sum = 0;
  for (const { value } of attr) {
    if (value?.value.case === 'tensor') sum += repeatedElements(value.value.value);
  }
  return sum;
}

/** A file of a few bytes must not ask for all memory. */
function tooManyRepeated({ name }: NodeDef): PlacewrightError {
  return new PlacewrightError(
    'PW_GRAPHDEF_TENSOR',
    'the constants of the graph repeat numbers too many times',
    {
      where: { node: name },
      hint: `${MOST_REPEATED} elements may be repetitions: fill large tensors with Fill, or store their bytes`,
    },
  );
}

function dangling(name: string, missing: string, nodes: ReadonlyMap<string, GraphNode>): PlacewrightError {
  // Only a look at the first of them: a graph can have many.
  const near = nearest(missing, [...nodes.keys()].slice(0, 10_000));
  const guess = near === undefined ? '' : `; did you mean ${shown(near)}?`;
  return graphError(
    'PW_GRAPHDEF_DANGLING',
    name,
    `comes after ${shown(missing)}, which is not there${guess}`,
  );
}

/** A string attribute; undefined where it is missing or something else. */
export function textAttrOf({ attrs }: GraphNode, name: string): string | undefined {
  const value = attrs.get(name);
  return value?.case === 's' ? (textOf(value.value) ?? undefined) : undefined;
}

/** A list of strings; undefined where it is missing or something else. */
export function textsAttrOf({ attrs }: GraphNode, name: string): string[] | undefined {
  const value = attrs.get(name);
  if (value?.case !== 'list') return undefined;
  return value.value.s.map((bytes) => textOf(bytes) ?? '');
}
