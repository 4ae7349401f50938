import { ClusterDraft } from './draft.js';
import { FAULTS } from './faults.js';
import { PATTERNS } from './patterns.js';
import { createRandom, type Random } from './random.js';
import type { ClusterSpec, Step } from './spec.js';

/** How many of the clusters get a fault. */
const FAULTY = 0.6;

/** A small cluster: some patterns side by side, edges between them, and perhaps a fault. The same for the same seed. */
export function drawCluster(seed: number): ClusterSpec {
  const random = createRandom(seed);
  const workers = 1 + random.below(3);
  const draft = new ClusterDraft(random.below(3), workers);
  const count = workers === 3 ? 1 : 1 + random.below(2);
  for (let i = 0; i < count; i++) random.pick(PATTERNS)?.(draft, 'pqr'.charAt(i), random);
  if (random.chance(0.2)) addAccess(draft, random);
  const sound = withEdges(draft.spec(), random);
  if (!random.chance(FAULTY)) return sound;
  const faulty = withFault(sound, random);
  return random.chance(0.2) ? withFault(faulty, random) : faulty;
}

/** Reads or updates a variable somewhere. */
function addAccess({ workers, variables }: ClusterDraft, random: Random): void {
  const worker = random.pick(workers);
  const variable = random.pick([...variables]);
  if (worker === undefined || variable === undefined) return;
  const places = worker.lists.step.length;
  worker.add(
    'step',
    { kind: random.chance(0.7) ? 'read' : 'add', variable },
    places === 0 ? [] : [random.below(places)],
  );
}

/** Edges between patterns, as models have them. */
function withEdges(spec: ClusterSpec, random: Random): ClusterSpec {
  const more = (step: Step, place: number): Step => {
    if (place === 0 || !random.chance(0.15)) return step;
    return { ...step, after: [...new Set([...step.after, random.below(place)])].sort((a, b) => a - b) };
  };
  return { ...spec, workers: spec.workers.map((worker) => ({ ...worker, step: worker.step.map(more) })) };
}

function withFault(spec: ClusterSpec, random: Random): ClusterSpec {
  for (let turn = 0; turn < 10; turn++) {
    const [name, fault] = random.pick([...FAULTS]) ?? [];
    const found = fault?.(spec, random) ?? null;
    if (found !== null && name !== undefined) return { ...found, faults: [...spec.faults, name] };
  }
  return spec;
}
