import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkWorkspace, importsOf, PACKAGES } from '../check-deps.mjs';

let root;

function write(path, content) {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content));
}

/** A workspace in which every package depends on just what it may, and imports it where it may. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'check-deps-'));
  write('package.json', { devDependencies: { vitest: '1' } });
  for (const [dir, allowed] of Object.entries(PACKAGES)) {
    write(`packages/${dir}/package.json`, {
      name: `@placewright/${dir}`,
      dependencies: Object.fromEntries(allowed.map((name) => [`@placewright/${name}`, 'workspace:*'])),
      devDependencies: { '@placewright/testkit': 'workspace:*' },
    });
    write(`packages/${dir}/tsconfig.json`, { references: allowed.map((name) => ({ path: `../${name}` })) });
    const imports = allowed.map((name) => `import '@placewright/${name}';`);
    write(`packages/${dir}/src/engines/reference/all.ts`, imports.join('\n'));
  }
});

afterEach(() => rmSync(root, { recursive: true }));

test('every form of import is found, with its line', () => {
  const text = [
    "import type { A } from 'a';",
    "import 'b';",
    "export * from 'c';",
    "export { d } from 'd';",
    "type E = import('e').E;",
    "const f = await import('f');",
    "import g = require('g');",
    "const h = require('h');",
    "// import 'comment';",
    "const code = `import 'template';`;",
  ].join('\n');
  expect(importsOf('x.ts', text).map(({ line, specifier }) => `${line}${specifier}`)).toEqual(
    '1a 2b 3c 4d 5e 6f 7g 8h'.split(' '),
  );
});

describe('what is allowed', () => {
  test.each([
    ['packages/passes/src/a.ts', "import '@placewright/ir';"],
    ['packages/passes/src/a.ts', "import 'node:fs';"],
    ['packages/passes/src/deep/a.ts', "import '../b.js';"],
    ['packages/passes/test/a.test.ts', "import '@placewright/testkit';"],
    ['packages/ir/test/a.test.ts', "import '../src/a.js'; import '@placewright/ir'; import 'vitest';"],
    ['packages/runtime/src/engines/reference.ts', "import '@placewright/interp';"],
    ['packages/runtime/src/engines/reference/a.ts', "import '@placewright/interp';"],
    ['packages/ir/src/tensor.ts', "import './dtype.js';"],
    ['packages/ir/src/graph.ts', "import './tensor.js';"],
    ['packages/ir/src/editor.ts', "import './graph.js'; import './tensor.js';"],
  ])('%s: %s', (file, text) => {
    write(file, text);
    expect(checkWorkspace(root)).toEqual([]);
  });
});

describe('what is refused', () => {
  test.each([
    [
      'packages/ir/src/a.ts',
      "import '@placewright/passes';",
      'against the arrow: ir may import no other package',
    ],
    ['packages/passes/src/a.ts', "import '@placewright/testkit';", 'against the arrow: passes may import ir'],
    ['packages/cli/src/a.ts', "import '@placewright/testkit/laws';", 'against the arrow'],
    ['packages/ir/test/a.test.ts', "import '@placewright/testkit';", 'against the arrow: tests of ir'],
    [
      'packages/runtime/src/session.ts',
      "import '@placewright/interp';",
      'move this into src/engines/reference',
    ],
    ['packages/ir/src/tensor.ts', "import './graph.js';", 'is above the layer of this file'],
    ['packages/ir/src/graph.ts', "import './editor.js';", 'is above the layer of this file'],
    ['packages/ir/src/a.ts', "import 'immer';", 'immer is not declared; add it to "dependencies"'],
    ['packages/ir/src/a.ts', "import 'vitest';", 'vitest is not declared'],
    ['packages/ir/src/a.ts', "import '../../passes/src/b.js';", 'reaches out of the package'],
    ['packages/ir/src/a.ts', "import '../test/b.js';", 'sources import only sources'],
    ['packages/ir/src/a.ts', "import '@placewright/ir';", 'use a relative path'],
    ['packages/ir/src/a.ts', 'import {', 'cannot be parsed'],
  ])('%s: %s', (file, text, message) => {
    write(file, `\n${text}`);
    const complaints = checkWorkspace(root);
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toContain(message);
    expect(complaints[0]).toMatch(new RegExp(`^${file}:\\d+: `));
  });

  test('a package without a row in the table', () => {
    write('packages/extra/package.json', { name: 'extra' });
    expect(checkWorkspace(root)).toEqual([expect.stringContaining('packages/extra: has no row')]);
  });

  test('a dependency or a project reference against the arrow', () => {
    write('packages/ir/package.json', {
      name: '@placewright/ir',
      dependencies: { '@placewright/passes': '*' },
    });
    write('packages/ir/tsconfig.json', { references: [{ path: '../models' }] });
    expect(checkWorkspace(root)).toEqual([
      expect.stringContaining('package.json: depends on passes, against the arrow'),
      expect.stringContaining('tsconfig.json: add { "path": "../passes" }'),
      expect.stringContaining('tsconfig.json: references models, which package.json does not depend on'),
      expect.stringContaining('package.json: depends on @placewright/passes, which no source imports'),
    ]);
  });

  test('a dependency that only tests import', () => {
    write('packages/interp/src/engines/reference/all.ts', '');
    write('packages/interp/test/a.test.ts', "import '@placewright/ir';");
    expect(checkWorkspace(root)).toEqual([
      'packages/interp/package.json: depends on @placewright/ir, which no source imports; remove it from "dependencies", or move it to "devDependencies" where tests import it',
    ]);
  });
});
