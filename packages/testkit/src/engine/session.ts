import type { EntryName, Module, TensorValue } from '@placewright/ir';

type Maybe<T> = T | Promise<T>;

/** What the suite needs of an engine's session: the runtime's own has this form, and so may a user's. */
export interface SessionLike {
  run(
    entry: EntryName,
    feeds?: ReadonlyMap<string, TensorValue>,
    options?: { readonly fetch?: readonly string[] },
  ): Maybe<ReadonlyMap<string, TensorValue>>;
  readVariables(): Maybe<ReadonlyMap<string, TensorValue>>;
  writeVariables(values: ReadonlyMap<string, TensorValue>): Maybe<void>;
  close?(): Maybe<void>;
}

/** Loads a lowered module, with whatever options the engine knows. */
export type Load<O = unknown> = (module: Module, options?: O) => Maybe<SessionLike>;

/** Loads, runs `body`, and closes whatever happens. */
export async function withSession<T>(
  load: Load,
  module: Module,
  body: (session: SessionLike) => Promise<T>,
): Promise<T> {
  const session = await load(module);
  try {
    return await body(session);
  } finally {
    await session.close?.();
  }
}
