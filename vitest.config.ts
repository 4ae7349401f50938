import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string | { readonly default?: string }>>;
}

const packages = readdirSync(join(root, 'packages'))
  .filter((dir) => existsSync(join(root, 'packages', dir, 'package.json')))
  .map((dir) => ({ dir, home: join(root, 'packages', dir) }));

/** Tests run from the sources: each entry in a package's "exports" is read from src instead of dist. */
const alias = packages.flatMap(({ home }) => {
  const { name, exports = {} } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Manifest;
  return Object.entries(exports).flatMap(([entry, target]) => {
    const built = typeof target === 'string' ? target : target.default;
    const source = built?.match(/^\.\/dist\/(.+)\.js$/)?.[1];
    if (source === undefined) return [];
    const specifier = name + entry.slice(1);
    return [{ find: new RegExp(`^${specifier}$`), replacement: join(home, 'src', `${source}.ts`) }];
  });
});

const project = (name: string, home: string, include: string[]) => ({
  resolve: { alias },
  test: { name, root: home, include, testTimeout: 30_000, hookTimeout: 30_000 },
});

export default defineConfig({
  test: {
    projects: [
      ...packages.map(({ dir, home }) => project(dir, home, ['test/**/*.test.ts'])),
      project('examples', root, ['examples/**/*.test.ts']),
      project('tooling', root, ['scripts/test/**/*.test.mjs']),
    ],
    coverage: {
      include: ['packages/*/src/**/*.ts'],
      reportsDirectory: 'coverage',
      reporter: ['text-summary', 'html'],
    },
  },
});
