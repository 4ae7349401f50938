import { nearest, PlacewrightError } from '@placewright/ir';
import type { Engine } from '../engine.js';
import { embeddedEngine } from './embedded/engine.js';
import { referenceEngine } from './reference/engine.js';

/** All engines, the default one first. A new engine is one line here. */
export const engines: readonly Engine[] = [embeddedEngine, referenceEngine];

/** The engine with that name. Throws PW_ENGINE_UNKNOWN. */
export function findEngine(name: string): Engine {
  const found = engines.find((engine) => engine.name === name);
  if (found !== undefined) return found;
  const names = engines.map((engine) => engine.name);
  const near = nearest(name, names);
  throw new PlacewrightError('PW_ENGINE_UNKNOWN', `there is no engine ${JSON.stringify(name)}`, {
    hint: near === undefined ? `one of ${names.join(', ')}` : `did you mean ${near}?`,
  });
}
