// `npm run clean`: removes what builds and tests wrote, and leaves node_modules.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/run.mjs';

const built = readdirSync(join(root, 'packages')).map((dir) => join('packages', dir, 'dist'));
for (const dir of [...built, 'coverage', 'reports', 'out']) {
  rmSync(join(root, dir), { recursive: true, force: true });
}
