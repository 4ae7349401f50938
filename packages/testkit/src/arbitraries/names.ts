import fc from 'fast-check';

/**
 * Names that have broken graph tools: keys of `Object.prototype`, ends of scripts, names that look like a scope, a
 * tensor, an internal id or an optimizer's slot, quotes and line ends.
 */
export const HOSTILE_NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  '</script>',
  'v0/x',
  'v/x',
  'vocab/x',
  'tower_0/x',
  'ps_var/v0/x',
  'n1',
  'r0',
  'x:0',
  '^x',
  'global_step',
  'Momentum',
  'eval/x',
  'été',
  '層',
  '🙂',
  'a b',
  'a"b\\c',
  "a'b",
  'a\nb',
  'a\u0001b',
  '%d',
  '.',
  '-',
];

const PLAIN_NAMES = ['a', 'b', 'c', 'conv', 'fc', 'dense', 'block', 'w'];

/** A name as a user gives one: mostly plain, sometimes hostile. Shrinks to `a`. */
export function names(options: { readonly hostile?: boolean } = {}): fc.Arbitrary<string> {
  const plain = fc.constantFrom(...PLAIN_NAMES);
  if (options.hostile === false) return plain;
  return fc.oneof(
    { weight: 3, arbitrary: plain },
    { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_NAMES) },
  );
}

/** Any string: for forms that must quote whatever they meet. */
export function anyNames(): fc.Arbitrary<string> {
  return fc.oneof(names(), fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }));
}
