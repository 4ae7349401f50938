/** One edit of a file of `packages/passes/dist`: `find` must be in it exactly once. */
export interface FaultEdit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A fault that the laws must catch, or the rules of placement. */
export interface Fault {
  readonly name: string;
  readonly summary: string;
  readonly edits: readonly FaultEdit[];
  /** `rules` for what the laws' small models cannot show: large variables, other types, names and devices at the edges. */
  readonly shownBy?: 'laws' | 'rules';
}

/** A fault of one edit of a pass's file. */
export const fault = (name: string, summary: string, file: string, find: string, replace: string): Fault => ({
  name,
  summary,
  edits: [{ file: `passes/${file}.js`, find, replace }],
});

/** As `fault`, for the rules of placement to show. */
export const edgeFault = (...spec: Parameters<typeof fault>): Fault => ({
  ...fault(...spec),
  shownBy: 'rules',
});
