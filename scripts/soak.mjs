// `npm run soak`: all laws on ever new random cases, then training that is killed over and over. Runs what is built.
//   npm run soak -- [--seconds N] [--seed S] [--kills N]
import { KILL_CASES, killAndResume } from './lib/kills.mjs';
import { run } from './lib/run.mjs';

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? Number.NaN : Number(process.argv[at + 1]);
  return Number.isFinite(value) ? value : fallback;
};

async function soakKills() {
  const kills = option('kills', 30);
  const seed = option('seed', Date.now() % 1_000_000);
  if (kills === 0) return;
  console.log(`${kills} kills of each of ${KILL_CASES.length} runs, from seed ${seed}`);
  const tty = process.stdout.isTTY === true;
  for (const [i, kind] of KILL_CASES.entries()) {
    const log = (text) => tty && process.stdout.write(`\r${text}   `);
    const { midway, ends } = await killAndResume(kind, { kills, seed: seed + i, log });
    console.log(
      `${tty ? '\r' : ''}${kind.name}: ${kills} kills, ${midway} of them midway; ${ends} runs ended as undisturbed`,
    );
  }
}

const laws = await run(process.execPath, ['packages/testkit/dist/soak/main.js', ...process.argv.slice(2)]);
try {
  await soakKills();
  process.exitCode = laws.code;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
