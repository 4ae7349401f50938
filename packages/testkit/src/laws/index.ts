import { clusterLaw } from './cluster.js';
import { contractLaw } from './contract.js';
import { patchLaw } from './edits.js';
import { textLaw } from './form.js';
import type { Law } from './law.js';
import { liveLaw } from './live.js';
import { meaningLaw } from './meaning.js';
import { initialCopyLaw, placementLaw, transferLaw } from './placement.js';
import { proofsLaw } from './proofs.js';
import { scheduleLaw } from './schedule.js';
import { stagingLaw } from './staging.js';
import { trafficLaw } from './traffic.js';
import { workersLaw } from './workers.js';

/** Every law of compilations, cheap ones first. A new law is its file and a line here. */
export const LAWS: readonly Law[] = [
  liveLaw,
  placementLaw,
  initialCopyLaw,
  transferLaw,
  stagingLaw,
  trafficLaw,
  workersLaw,
  proofsLaw,
  meaningLaw,
  contractLaw,
  scheduleLaw,
  clusterLaw,
  textLaw,
  patchLaw,
];
