#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) await import(main.href);
else {
  console.error(
    'error[PW_NOT_BUILT]: placewright is not built yet\n  do: run `npm start` in the project, which installs, builds and trains a first model',
  );
  process.exitCode = 1;
}
