import { ENTRY_NAMES, type Entry, type Node, type NodeId } from '../graph.js';
import { entryNodes } from '../traverse.js';
import {
  type Invariant,
  moduleViolation,
  nodeViolation,
  shown,
  shownNode,
  type VerifyContext,
  type Violation,
} from './invariant.js';

const NAME = 'entries-well-formed';

/** Each entry has rounds with something to do, and is fed just what it needs. */
export const entriesWellFormed: Invariant = {
  name: NAME,
  summary: 'each entry has its own name, rounds, distinct feeds and fetches, and feeds for all it needs',
  from: 'always',
  needs: ['edges-exist'],
  check: (context) =>
    Object.entries(context.module.entries).flatMap(([key, entry]) => [
      ...frameFaults(key, entry),
      ...feedFaults(context, entry),
    ]),
};

function frameFaults(key: string, entry: Entry): Violation[] {
  const faults: (readonly [what: string, hint: string])[] = [];
  if (key !== entry.name) faults.push([`is kept as ${shown(key)}`, 'keep an entry under its own name']);
  if (!ENTRY_NAMES.includes(entry.name)) {
    faults.push(['is no entry of a module', `one of ${ENTRY_NAMES.join(', ')}`]);
  }
  if (entry.rounds.length === 0) faults.push(['has no round', 'give it one, with its targets']);
  entry.rounds.forEach((round, i) => {
    const fetches = i === entry.rounds.length - 1 ? entry.fetches.length : 0;
    if (entry.rounds.length > 1 && round.length + fetches === 0) {
      faults.push([`has nothing to do in round ${i + 1}`, 'leave the round out']);
    }
  });
  for (const name of repeated(entry.feeds.map((feed) => feed.name))) {
    faults.push([`has two feeds called ${shown(name)}`, 'name each feed once']);
  }
  for (const name of repeated(entry.fetches.map((fetch) => fetch.name))) {
    faults.push([`has two fetches called ${shown(name)}`, 'name each fetch once']);
  }
  return faults.map(([what, hint]) => moduleViolation(NAME, `entry ${entry.name} ${what}`, hint));
}

function repeated(names: readonly string[]): Set<string> {
  const seen = new Set<string>();
  return new Set(names.filter((name) => seen.size === seen.add(name).size));
}

function feedFaults(context: VerifyContext, entry: Entry): Violation[] {
  const { nodes } = context.module.graph;
  const needed = entryNodes(context.module, entry);
  const out: Violation[] = [];
  const report = (node: Node, what: string, hint: string): void => {
    out.push(nodeViolation(NAME, node, `entry ${entry.name} ${what}`, hint));
  };
  const fed = new Set<NodeId>();
  for (const feed of entry.feeds) {
    const node = nodes.get(feed.node);
    if (node === undefined) continue;
    if (!isFed(context, node)) {
      report(node, `feeds ${shownNode(node)}, which is a ${node.op}`, 'feed placeholders only');
    }
    if (!needed.has(node.id)) {
      report(node, `feeds ${shownNode(node)}, which nothing in it needs`, 'leave the feed out');
    }
    if (fed.has(node.id)) report(node, `feeds ${shownNode(node)} twice`, 'feed each placeholder once');
    fed.add(node.id);
  }
  for (const id of needed) {
    const node = nodes.get(id);
    if (node !== undefined && isFed(context, node) && !fed.has(id)) {
      report(node, `needs ${shownNode(node)}, which is not fed`, 'add it to the feeds of the entry');
    }
  }
  return out;
}

function isFed(context: VerifyContext, node: Node): boolean {
  return context.decl(node)?.effect.kind === 'feed';
}
