import { randomValues } from '@placewright/ir';
import type { Kernel } from '../kernel.js';

/** The numbers that every engine draws, from the one generator in ir. */
export const statelessRandom: Kernel = (context) => [randomValues(context, context.inputs)];
