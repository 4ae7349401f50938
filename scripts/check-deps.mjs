// Checks that imports follow the direction in which the packages depend on each other.
// The tables below are the rules; everything after them only applies them.
//   node scripts/check-deps.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';

/** What the sources of a package may import of this workspace. A new package needs a row here. */
export const PACKAGES = {
  ir: [],
  interp: ['ir'],
  passes: ['ir'],
  models: ['ir'],
  graphdef: ['ir'],
  cluster: ['ir'],
  runtime: ['ir', 'interp'],
  testkit: ['ir', 'interp', 'passes', 'models'],
  cli: ['ir', 'interp', 'passes', 'models', 'graphdef', 'cluster', 'runtime'],
};

/** What the tests of a package may import on top of that. The property tests of ir live in testkit. */
export const TESTS = {
  interp: ['testkit'],
  passes: ['testkit'],
  graphdef: ['testkit', 'interp', 'passes', 'models'],
  runtime: ['testkit', 'passes', 'models'],
};

/** An import that only one part of a package may have: [package, imported package, the part, why]. */
export const ONLY_FROM = [
  [
    'runtime',
    'interp',
    'src/engines/reference',
    'only the adapter of the reference engine runs the interpreter',
  ],
];

/**
 * Layers inside a package, lowest first: a file of a layer imports, of its own package, only that layer and the ones
 * below it. A file in no layer stands above all of them.
 */
export const LAYERS = {
  ir: [
    ['src/errors', 'src/dtype', 'src/shape', 'src/tensor', 'src/attr', 'src/device', 'src/cluster'],
    ['src/training', 'src/graph', 'src/op'],
  ],
};

const below = (path, part) => path.startsWith(`${part}/`) || path.replace(/\.\w+$/, '') === part;
const list = (names) => (names.length === 0 ? 'no other package' : names.join(', '));

/** Every module specifier that a source file names, in any form of import, with its line. */
export function importsOf(file, text) {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) return [{ line: 1, error: `cannot be parsed: ${errors[0].message}` }];
  const found = [];
  const lineAt = (offset) => text.slice(0, offset).split('\n').length;
  const add = (node) => {
    if (typeof node?.value === 'string') found.push({ line: lineAt(node.start), specifier: node.value });
  };
  const visit = (node) => {
    if (Array.isArray(node)) node.forEach(visit);
    if (typeof node?.type !== 'string') return;
    if (node.source) add(node.source);
    if (node.type === 'TSExternalModuleReference') add(node.expression);
    if (node.type === 'CallExpression' && node.callee.name === 'require') add(node.arguments[0]);
    for (const child of Object.values(node)) if (child && typeof child === 'object') visit(child);
  };
  visit(program);
  return found;
}

function filesBelow(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path);
    return /\.[cm]?[jt]sx?$/.test(entry.name) ? [path] : [];
  });
}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** The packages on disk, by directory name. */
function readWorkspace(root) {
  const names = readdirSync(join(root, 'packages')).filter((dir) =>
    existsSync(join(root, 'packages', dir, 'package.json')),
  );
  return new Map(
    names.map((dir) => {
      const home = join(root, 'packages', dir);
      return [dir, { dir, home, manifest: readJson(join(home, 'package.json')) }];
    }),
  );
}

/** `@scope/name/deep/path` belongs to the package `@scope/name`. */
const packageNameOf = (specifier) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** The complaint about one import of a path inside the workspace, if there is one. */
function checkRelative({ pkg, file, inTest, specifier }) {
  const target = posix.join(posix.dirname(file), specifier);
  if (target.startsWith('../') || target === '..') {
    return `reaches out of the package; import the other package by its name`;
  }
  if (!inTest && !below(target, 'src') && target !== 'package.json') {
    return `sources import only sources; move what is shared into src`;
  }
  const layers = LAYERS[pkg.dir] ?? [];
  const level = layers.findIndex((parts) => parts.some((part) => below(file, part)));
  const reachable = layers.slice(0, level + 1).flat();
  if (level >= 0 && !reachable.some((part) => below(target, part))) {
    return `is above the layer of this file, which may import ${list(reachable)}; move the shared piece down`;
  }
  return undefined;
}

/** The complaint about one import of a package of this workspace, if there is one. */
function checkInternal({ pkg, file, inTest, target }) {
  if (target === pkg.dir) {
    return inTest ? undefined : 'imports its own package by name; use a relative path';
  }
  const allowed = [...PACKAGES[pkg.dir], ...(inTest ? (TESTS[pkg.dir] ?? []) : [])];
  if (!allowed.includes(target)) {
    const who = `${inTest ? 'tests of ' : ''}${pkg.dir}`;
    return `goes against the arrow: ${who} may import ${list(allowed)}; move the code to a package that may, or what it needs down`;
  }
  for (const [owner, imported, part, why] of ONLY_FROM) {
    if (!inTest && owner === pkg.dir && imported === target && !below(file, part)) {
      return `${why}; move this into ${part}`;
    }
  }
  return undefined;
}

function checkDeclared({ pkg, rootManifest, inTest, name }) {
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = pkg.manifest;
  const declared = { ...dependencies, ...peerDependencies, ...optionalDependencies };
  if (inTest) Object.assign(declared, devDependencies, rootManifest.devDependencies);
  if (name in declared || name === pkg.manifest.name) return undefined;
  const where = inTest ? 'devDependencies' : 'dependencies';
  return `${name} is not declared; add it to "${where}" in packages/${pkg.dir}/package.json`;
}

function checkImport(context) {
  const { specifier, workspace } = context;
  if (isBuiltin(specifier)) return undefined;
  if (specifier.startsWith('.')) return checkRelative(context);
  const name = packageNameOf(specifier);
  const target = [...workspace.values()].find(({ manifest }) => manifest.name === name)?.dir;
  const complaint = target && checkInternal({ ...context, target });
  return complaint || checkDeclared({ ...context, name });
}

/** The arrow holds for package.json and for the project references of tsconfig.json, too. */
function checkManifest(pkg, workspace) {
  const byName = new Map([...workspace.values()].map(({ dir, manifest }) => [manifest.name, dir]));
  const declared = Object.keys(pkg.manifest.dependencies ?? {}).flatMap((name) => byName.get(name) ?? []);
  const tsconfig = join(pkg.home, 'tsconfig.json');
  const references = (existsSync(tsconfig) ? (readJson(tsconfig).references ?? []) : []).map(({ path }) =>
    posix.basename(path),
  );
  const at = `packages/${pkg.dir}`;
  return [
    ...declared
      .filter((dir) => !PACKAGES[pkg.dir].includes(dir))
      .map(
        (dir) => `${at}/package.json: depends on ${dir}, against the arrow; remove it from "dependencies"`,
      ),
    ...declared
      .filter((dir) => !references.includes(dir))
      .map((dir) => `${at}/tsconfig.json: add { "path": "../${dir}" } to "references"`),
    ...references
      .filter((dir) => !declared.includes(dir))
      .map(
        (dir) => `${at}/tsconfig.json: references ${dir}, which package.json does not depend on; remove it`,
      ),
  ];
}

/** A package of this workspace that no source imports is at most a dependency of the tests. */
function checkUnused(pkg, workspace, imported) {
  const names = new Set([...workspace.values()].map(({ manifest }) => manifest.name));
  return Object.keys(pkg.manifest.dependencies ?? {})
    .filter((name) => names.has(name) && !imported.has(name))
    .map(
      (name) =>
        `packages/${pkg.dir}/package.json: depends on ${name}, which no source imports; ` +
        'remove it from "dependencies", or move it to "devDependencies" where tests import it',
    );
}

/** All complaints about a workspace, each "file:line: what is wrong; what to do". */
export function checkWorkspace(root) {
  const workspace = readWorkspace(root);
  const rootManifest = readJson(join(root, 'package.json'));
  return [...workspace.values()].flatMap((pkg) => {
    if (!PACKAGES[pkg.dir]) {
      return [
        `packages/${pkg.dir}: has no row in PACKAGES of scripts/check-deps.mjs; add what it may import`,
      ];
    }
    const complaints = checkManifest(pkg, workspace);
    const imported = new Set();
    for (const path of ['src', 'test'].flatMap((dir) => filesBelow(join(pkg.home, dir)))) {
      const file = relative(pkg.home, path).split(sep).join('/');
      const inTest = below(file, 'test');
      for (const { line, specifier, error } of importsOf(path, readFileSync(path, 'utf8'))) {
        if (!inTest && specifier !== undefined) imported.add(packageNameOf(specifier));
        const context = { pkg, workspace, rootManifest, file, inTest, specifier };
        const complaint = error ?? checkImport(context);
        if (!complaint) continue;
        const what = specifier === undefined ? complaint : `'${specifier}' ${complaint}`;
        complaints.push(`packages/${pkg.dir}/${file}:${line}: ${what}`);
      }
    }
    return [...complaints, ...checkUnused(pkg, workspace, imported)];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const complaints = checkWorkspace(resolve(process.argv[2] ?? join(import.meta.dirname, '..')));
  for (const complaint of complaints) console.log(complaint);
  if (complaints.length > 0) {
    console.log(
      `${complaints.length} ${complaints.length === 1 ? 'import or entry' : 'imports or entries'} to mend`,
    );
    process.exitCode = 1;
  }
}
