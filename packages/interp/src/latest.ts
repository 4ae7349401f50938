/** Values by key, made when first asked for; beyond `limit` the one whose last use is longest ago is forgotten. */
export type Latest<T> = (key: string, make: () => T) => T;

export function keepLatest<T>(limit: number): Latest<T> {
  const kept = new Map<string, { readonly value: T }>();
  return (key, make) => {
    const found = kept.get(key) ?? { value: make() };
    // The last one used is the last one in the map.
    kept.delete(key);
    kept.set(key, found);
    const [oldest] = kept.keys();
    if (kept.size > limit && oldest !== undefined) kept.delete(oldest);
    return found.value;
  };
}
