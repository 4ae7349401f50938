import fc from 'fast-check';

/** Plain objects: with a prototype, as anybody writes them, so that what reads back is equal to them. */
export function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
}
