// `npm start`: install, build, then train a model on this machine and write a report page.
// Further arguments go to the command: `npm start -- --steps 50`.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { install } from './lib/install.mjs';
import { build, root } from './lib/run.mjs';

const COMMAND = [
  'train',
  ...['--model', 'lenet'],
  ...['--strategy', 'replicated'],
  ...['--num-gpus', '2'],
  // The mean keeps the learning rate right for any number of towers.
  ...['--reduction', 'mean'],
  ...['--out', 'out/lenet.pw'],
  ...['--report', 'out/report.html'],
];

if (!(await install()) || !(await build())) {
  process.exitCode = 1;
} else {
  mkdirSync(join(root, 'out'), { recursive: true });
  const args = [...COMMAND, ...process.argv.slice(2)];
  console.log(`Running placewright ${args.join(' ')}`);
  const child = spawn(process.execPath, ['packages/cli/bin/placewright.js', ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  // Ctrl-C reaches the command too: let it end in its own way.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('close', (code) => {
    process.exitCode = code ?? 1;
  });
}
