import type { Kernel } from '../kernel.js';

/** Waits for the shared generator. */
export const statelessRandom: Kernel = (context) => context.fail('random numbers are not drawn yet');
