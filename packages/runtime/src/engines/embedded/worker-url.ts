import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PlacewrightError } from '@placewright/ir';

/**
 * The file that a device's thread runs: `worker.js` beside this file. A thread runs JavaScript only, so where this file
 * itself is run from its TypeScript source (by vitest), it is the one that the last build made of the same sources.
 * Throws PW_ENGINE_WORKER when that build is missing or older than they are.
 */
export function workerUrl(here = fileURLToPath(import.meta.url)): URL {
  const beside = join(dirname(here), 'worker.js');
  if (existsSync(beside)) return pathToFileURL(beside);
  const [source, inside] = splitSource(here);
  const built = join(source, '..', 'dist', inside, 'worker.js');
  if (!existsSync(built)) throw unbuilt(`${built} is missing`);
  const late = newerThan(source, statSync(join(source, '..', 'dist', '.tsbuildinfo')).mtimeMs);
  if (late !== undefined) throw unbuilt(`${late} has changed since the last build`);
  return pathToFileURL(built);
}

function unbuilt(why: string): PlacewrightError {
  return new PlacewrightError(
    'PW_ENGINE_WORKER',
    `the program of a device's thread is not up to date: ${why}`,
    {
      kind: 'internal',
      hint: 'run npm run build',
    },
  );
}

/** The package's `src` folder, and the folder of a file in it, relative to that. */
function splitSource(file: string): [string, string] {
  const at = file.lastIndexOf(`${sep}src${sep}`);
  if (at < 0) throw unbuilt(`there is no worker.js beside ${file}`);
  const source = file.slice(0, at + 4);
  return [source, dirname(file.slice(at + 5))];
}

/** A TypeScript file in a folder that is newer than a time. */
function newerThan(folder: string, time: number): string | undefined {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return files.map((name) => join(folder, name)).find((file) => statSync(file).mtimeMs > time);
}
