import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { placewright, temporaryFolder } from './support.js';

const at = temporaryFolder();
/** What no terminal must get from a file: all controls but the end of a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come
const CONTROLS = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;
const EVIL = '\x1b[2J\x07\x9b31m';

describe('escape sequences in a file', () => {
  it.each([
    ['an options file', ['train', '--options', 'FILE'], `{"model": ${EVIL}}`, 'PW_OPTIONS_JSON'],
    [
      'the name of an option',
      ['train', '--options', 'FILE'],
      '{"mo\\u001b[2J\\u009bdel": "tiny"}',
      'PW_OPTION_UNKNOWN',
    ],
    [
      'the name of a model',
      ['train', '--options', 'FILE'],
      '{"model": "\\u001b[2J\\u009b"}',
      'PW_MODEL_UNKNOWN',
    ],
    [
      'recorded tensors',
      ['train', '--model', 'tiny', '--tensors', 'FILE'],
      `\0\x01${EVIL}`,
      'PW_TENSORS_JSON',
    ],
    ['a graph', ['verify', 'FILE'], `placewright 1\nmodule m ${EVIL}`, 'PW_PARSE'],
    [
      'the name of an op',
      ['verify', 'FILE'],
      'placewright 1\nmodule m\n%n0 = "\\u001b[2J\\u009b"() "a"\nend\n',
      'OP_OPAQUE|opaqueOps',
    ],
  ])('do not reach the terminal: %s', async (_what, argv, text, code) => {
    const file = at('hostile');
    writeFileSync(file, text);
    for (const form of [[], ['--json'], ['--debug']]) {
      const { out, err } = await placewright(...argv.map((word) => (word === 'FILE' ? file : word)), ...form);
      expect(out + err).toMatch(new RegExp(code));
      expect(out + err).toMatch(/\\x1b|\\x9b|\\u001b|·/);
      expect(out + err).not.toMatch(CONTROLS);
    }
  });
});

it('a byte order mark before JSON is skipped', async () => {
  const file = at('options.json');
  writeFileSync(file, '\ufeff{"model": "tiny"}');
  const { code, err } = await placewright('compile', '--options', file, '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
});

it.each(['out', 'report', 'trace', 'tensors'])(
  'says that %s stands on the command line, not in a file',
  async (name) => {
    const file = at('options.json');
    writeFileSync(file, JSON.stringify({ model: 'tiny', [name]: 'x' }));
    const { code, err } = await placewright('compile', '--options', file);
    expect(code).toBe(1);
    expect(err).toContain(`there is no option "${name}" in an options file`);
    expect(err).toContain(`--${name} FILE`);
  },
);
