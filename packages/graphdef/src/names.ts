/** Letters of TensorFlow's names of nodes; the first one is a letter, a digit or a dot. */
const ILLEGAL = /[^A-Za-z0-9_./-]/g;
const ILLEGAL_START = /^[^A-Za-z0-9.]/;

/** The nearest name that TensorFlow takes: `_` for letters that it does not, and something before a first `_`. */
export function legalName(name: string): string {
  const letters = name.replace(ILLEGAL, '_').replace(/\/+$/, '');
  return letters === '' || ILLEGAL_START.test(letters) ? `node${letters}` : letters;
}

/** Gives names that TensorFlow takes, each once. */
export interface NameTable {
  /** The name itself where it is legal and free, else one that is like it. */
  claim(name: string): string;
}

export function nameTable(): NameTable {
  const taken = new Set<string>();
  // Next suffix to try, so that many nodes of one name stay linear.
  const suffixes = new Map<string, number>();
  return {
    claim(name) {
      const wished = legalName(name);
      let free = wished;
      let suffix = suffixes.get(wished) ?? 1;
      while (taken.has(free)) {
        free = `${wished}_${suffix}`;
        suffix += 1;
      }
      suffixes.set(wished, suffix);
      taken.add(free);
      return free;
    },
  };
}

/**
 * The shared name of a resource as TensorFlow takes it: it refuses those that begin with `_`. Every task renders it alike.
 */
export function sharedName(name: string): string {
  return name.startsWith('_') ? `.${name}` : name;
}
