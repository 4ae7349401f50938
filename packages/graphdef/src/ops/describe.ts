import type { OpRow, Row } from './row.js';
import { OP_ROWS } from './table.js';

/** How one of our ops stands in a GraphDef, for people. */
export interface OpNote {
  readonly op: string;
  /** TensorFlow's op; null where it is several, or none. */
  readonly tensorflow: string | null;
  /** Attributes of ours that are constant inputs there, as `axis → reduction_indices`. */
  readonly constants: readonly string[];
  /** Attributes with other names there. */
  readonly renamed: readonly string[];
  /** What else there is to say. */
  readonly note: string;
}

/** The table of ops, in its order. */
export function opNotes(): OpNote[] {
  return Object.entries<Row>(OP_ROWS).map(([op, row]) => noteOf(op, row));
}

function noteOf(op: string, row: Row): OpNote {
  const none = { op, tensorflow: null, constants: [], renamed: [] };
  switch (row.kind) {
    case 'expansion':
      return { ...none, note: row.how };
    case 'refusal':
      return { ...none, note: `refused: ${row.why}` };
    case 'op':
      return { op, tensorflow: row.op ?? op, ...changesOf(row), note: NOTES.get(op) ?? '' };
  }
}

const arrow = (from: string, to: string): string => (from === to ? from : `${from} → ${to}`);

function changesOf({ inputs, attrs }: OpRow): Pick<OpNote, 'constants' | 'renamed'> {
  return {
    constants: inputs.flatMap((each) => (each.kind === 'constant' ? [arrow(each.attr, each.name)] : [])),
    renamed: attrs.flatMap((each) =>
      each.kind === 'attr' && each.attr !== each.name ? [arrow(each.attr, each.name)] : [],
    ),
  };
}

const NOTES: ReadonlyMap<string, string> = new Map([
  ['ConcatV2', 'of one tensor: `Identity`'],
  ['Transfer', 'on the destination; marked, so that it is told from an `Identity`'],
  ['NcclAllReduce', 'or `CollectiveReduceV2`, where asked for'],
  [
    'FusedBatchNormV3',
    'in inference, its outputs 3 and 4 are its inputs 3 and 4, which TensorFlow leaves undefined',
  ],
  ['FusedBatchNormGradV3', 'takes output 5 of the `FusedBatchNormV3` besides'],
  ['Stage', 'found by container, shared name and device; there is no handle'],
  ['Unstage', 'as `Stage`'],
]);
