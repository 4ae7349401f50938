import type { Entry, EntryName, Module, Node, NodeId } from '@placewright/ir';
import { shortestFloat } from '../attr.js';
import { rowOf } from '../ops/table.js';
import type { SidecarEntry, SidecarModule, SidecarNode } from '../sidecar.js';
import { nameOf, tensorText, type Writing } from './writing.js';

/** Entries by the names of the graph: the module's, or those of one task of a linked one. */
export function describeEntries(
  writing: Writing,
  entries: Module['entries'],
): Partial<Record<EntryName, SidecarEntry>> {
  const out: Partial<Record<EntryName, SidecarEntry>> = {};
  for (const entry of Object.values(entries)) out[entry.name] = describeEntry(writing, entry);
  return out;
}

function describeEntry(writing: Writing, { feeds, fetches, rounds }: Entry): SidecarEntry {
  return {
    feeds: feeds.map(({ name, node }) => ({ name, tensor: `${nameOf(writing, node)}:0` })),
    fetches: fetches.map(({ name, tensor }) => {
      const [of, given] = [
        `${nameOf(writing, tensor.node)}:${tensor.port}`,
        withPort(tensorText(writing, tensor)),
      ];
      return { name, tensor: given, ...(given === of ? {} : { of }) };
    }),
    rounds: rounds.map((round) => round.map((id: NodeId) => nameOf(writing, id))),
  };
}

/** With its port in any case. */
export const withPort = (text: string): string => (/:\d+$/.test(text) ? text : `${text}:0`);

export function describeModule(writing: Writing): SidecarModule {
  const { module } = writing;
  const { towers, nextId, established, training, cluster, task, roles, decisions }: Module = module;
  return {
    ...{ towers, nextId, established, training, cluster, task, roles, decisions },
    resources: [...module.resources.values()],
    nodes: [...module.graph.nodes.values()].map((node) => describeNode(writing, node)),
  };
}

function describeNode(writing: Writing, node: Node): SidecarNode {
  const graph = nameOf(writing, node.id);
  const { id, name, replica, variable, phase, group, colocation, origin } = node;
  const floats = inexact(node);
  return {
    ...{ graph, id, origin },
    ...(name === graph ? {} : { name }),
    ...(replica === null ? {} : { replica }),
    ...(variable === null ? {} : { variable }),
    ...(phase === 'forward' ? {} : { phase }),
    ...(group === '' ? {} : { group }),
    ...(colocation === null ? {} : { colocation }),
    ...(floats.length === 0 ? {} : { floats }),
  };
}

/** Floats of one-op nodes that come back otherwise from the float32 that stands for them. */
function inexact(node: Node): { name: string; value: number }[] {
  if (rowOf(node.op)?.kind === 'expansion') return [];
  return [...node.attrs].flatMap(([name, attr]) =>
    attr.kind !== 'float' || Object.is(shortestFloat(Math.fround(attr.value)), attr.value)
      ? []
      : [{ name, value: attr.value }],
  );
}
