// What `npm install placewright` would give: the packed packages in a project of their own, outside of the workspace.
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../lib/run.mjs';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const { packageManager } = readJson(join(root, 'package.json'));
const home = mkdtempSync(join(tmpdir(), 'placewright-install-'));
const project = join(home, 'project');
const OURS = /^(placewright$|@placewright\/)/;

/** Nothing is fetched, and nothing is found in a cache: all that is installed comes from the tarballs. */
const OFFLINE = {
  npm_config_offline: 'true',
  npm_config_cache: join(home, 'cache'),
  npm_config_update_notifier: 'false',
};

async function run(command, args, { cwd = project, env = {} } = {}) {
  const shell = process.platform === 'win32';
  const { stdout } = await promisify(execFile)(command, args, {
    ...{ cwd, shell, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 },
  });
  return stdout;
}

/** Packs every package of the workspace; gives, by name, its directory, its tarball and what is in that. */
async function pack() {
  const out = await run(
    'npx',
    [
      ...['--yes', packageManager, '--recursive', '--filter', './packages/*'],
      ...['pack', '--json', '--pack-destination', join(home, 'tarballs')],
    ],
    { cwd: root },
  );
  const dirs = new Map(
    readdirSync(join(root, 'packages')).map((dir) => {
      const path = join(root, 'packages', dir);
      return [readJson(join(path, 'package.json')).name, path];
    }),
  );
  return new Map(
    JSON.parse(out).map(({ name, filename, files }) => [
      name,
      { dir: dirs.get(name), tarball: filename, files: files.map(({ path }) => path) },
    ]),
  );
}

/** Third-party packages that ours depend on, each with the directory that the workspace has it in. */
function thirdParties(packed) {
  return new Map(
    [...packed.values()].flatMap(({ dir }) =>
      Object.keys(readJson(join(dir, 'package.json')).dependencies ?? {})
        .filter((name) => !OURS.test(name))
        .map((name) => [name, realpathSync(join(dir, 'node_modules', name))]),
    ),
  );
}

/**
 * Stands in for the registry: npm installs an empty package in the place of each third-party one that is declared, which
 * then becomes a link to the one of the workspace. What is not declared is not installed.
 */
async function install(packed) {
  const parties = thirdParties(packed);
  const overrides = {};
  for (const [name, dir] of parties) {
    const stub = join(home, 'stubs', name);
    mkdirSync(stub, { recursive: true });
    const { version } = readJson(join(dir, 'package.json'));
    writeFileSync(join(stub, 'package.json'), JSON.stringify({ name, version }));
    overrides[name] = `file:${stub}`;
  }
  const direct = ['placewright', '@placewright/testkit'];
  for (const [name, { tarball }] of packed) if (!direct.includes(name)) overrides[name] = `file:${tarball}`;
  const dependencies = Object.fromEntries(direct.map((name) => [name, `file:${packed.get(name)?.tarball}`]));
  mkdirSync(project);
  const manifest = { name: 'mine', private: true, type: 'module', dependencies, overrides };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { env: OFFLINE });
  for (const [name, dir] of parties) {
    const link = join(project, 'node_modules', name);
    if (!existsSync(link)) continue;
    rmSync(link, { recursive: true });
    symlinkSync(dir, link, 'junction');
  }
}

/** The first block of TypeScript in the README, which is JavaScript as well. */
function readmeSnippet() {
  const [, code] = /^```ts\n([\s\S]*?)^```/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  return code;
}

/** pnpm is fetched through npx, unless an install of the workspace has left it in the cache. */
const pnpm = await run('npx', ['--yes', packageManager, '--version'], { cwd: root }).catch(() => undefined);

describe.skipIf(pnpm === undefined)('needs pnpm: an npm install', () => {
  let packed;
  beforeAll(async () => {
    expect(existsSync(join(root, 'packages/cli/dist/main.js')), 'run `npm run build` first').toBe(true);
    packed = await pack();
    await install(packed);
  }, 120_000);
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const installed = (name) => join(project, 'node_modules', name);
  const names = readdirSync(join(root, 'packages')).map(
    (dir) => readJson(join(root, 'packages', dir, 'package.json')).name,
  );

  test.each(names)('of %s has all that it names, a license and a text about it', (name) => {
    const files = packed.get(name)?.files;
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']));
    const { exports, bin = {} } = readJson(join(installed(name), 'package.json'));
    const named = [
      ...Object.values(exports).flatMap((entry) => Object.values(entry.default ? entry : [entry])),
    ];
    for (const path of [...named, ...Object.values(bin)]) {
      expect(files, path).toContain(path.replace(/^\.\//, ''));
    }
    expect(readFileSync(join(installed(name), 'README.md'), 'utf8')).toMatch(new RegExp(`^# ${name}\n`));
    expect(
      files.filter((path) => !/^(bin|dist|python|src)\/|^(LICENSE|README\.md|package\.json)$/.test(path)),
    ).toEqual([]);
    expect(files.filter((path) => path.endsWith('.tsbuildinfo') || path.includes('.test.'))).toEqual([]);
  });

  test.each(names)('of %s depends on exact versions of what is published', (name) => {
    const { dependencies = {}, version } = readJson(join(installed(name), 'package.json'));
    for (const [dependency, range] of Object.entries(dependencies)) {
      expect(range, dependency).toMatch(/^\d+\.\d+\.\d+$/);
      if (OURS.test(dependency)) expect([...packed.keys()]).toContain(dependency);
      if (OURS.test(dependency)) expect(range).toBe(version);
    }
  });

  test.each(names)('of %s has the sources that its maps lead to', (name) => {
    const files = packed.get(name)?.files ?? [];
    const maps = files.filter((path) => path.endsWith('.map'));
    expect(maps.length).toBeGreaterThan(0);
    for (const map of maps) {
      const { sources } = readJson(join(installed(name), map));
      for (const source of sources.map((path) => join(dirname(map), path))) {
        // What is left of an older build has no source here, either.
        if (existsSync(join(packed.get(name).dir, source))) expect(files, map).toContain(source);
      }
    }
  });

  test.each(names)('of %s can be imported', async (name) => {
    const code = `console.log(Object.keys(await import(${JSON.stringify(name)})).length)`;
    expect(Number(await run(process.execPath, ['--input-type=module', '-e', code]))).toBeGreaterThan(0);
  });

  test('runs the first snippet of the README', async () => {
    writeFileSync(join(project, 'first.js'), readmeSnippet());
    const out = await run(process.execPath, ['first.js']);
    expect(out).toContain('NcclAllReduce');
    expect(out).toContain('@/device:GPU:1');
  });

  test('brings the command, which lists, compiles and trains', async () => {
    const placewright = (...args) => run('npx', ['placewright', ...args], { env: OFFLINE });
    const { strategies } = JSON.parse(await placewright('strategies', '--json'));
    expect(strategies.map(({ name }) => name)).toContain('replicated');
    const trained = JSON.parse(await placewright('train', '--model', 'mlp', '--steps', '2', '--json'));
    expect(trained).toMatchObject({ engine: 'embedded', data: 'mnist', steps: 2 });
  });
});
