// The benchmarks: ratios in one run on one machine, against what a user would use instead. Nothing here is asserted.
//   npm run bench [-- NAME …]
import { clusterBench } from './cluster.mjs';
import { compileBench } from './compile.mjs';
import { trainBench } from './train.mjs';

const BENCHES = { compile: compileBench, train: trainBench, cluster: clusterBench };

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length === 0 || wanted.includes(name)) await bench();
}
