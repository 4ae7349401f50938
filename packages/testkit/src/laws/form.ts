import { isDeepStrictEqual } from 'node:util';
import { builtinRegistry, type Module, parseModule, printModule } from '@placewright/ir';
import { type Law, must } from './law.js';

/** Throws PW_LAW unless the text form of a module reads back as the same module, and prints the same again. */
export function checkTextForm(module: Module, label = 'the module'): void {
  const { text, constants } = printModule(module);
  const back = parseModule(text, { constants, registry: builtinRegistry });
  must(printModule(back).text === text, () => `the text of ${label} prints otherwise when it is read back`);
  must(sameModule(back, module), () => `the text of ${label} does not read back as the same module`);
}

/** Whether two modules are the same to the bit; `nextId` is no part of what they mean. */
export function sameModule(a: Module, b: Module): boolean {
  return isDeepStrictEqual({ ...a, nextId: 0 }, { ...b, nextId: 0 });
}

/** What each pass gives reads back from its text form. */
export const textLaw: Law = {
  name: 'text',
  summary: 'the lowered module, and what one of the passes gave, read back from their text form',
  check: ({ compilation: { module, records }, case: { seed } }) => {
    checkTextForm(module, 'the lowered module');
    const some = records[seed % records.length];
    if (some !== undefined) checkTextForm(some.after, `what ${some.pass} gave`);
  },
};
