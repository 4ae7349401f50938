import type { InitializeHook, ResolveHook } from 'node:module';

let passes = '';

export const initialize: InitializeHook<string> = (url) => {
  passes = url;
};

/** Every import of the passes gets the copy with the fault. */
export const resolve: ResolveHook = (specifier, context, next) =>
  specifier === '@placewright/passes' ? { url: passes, shortCircuit: true } : next(specifier, context);
