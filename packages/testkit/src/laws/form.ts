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
  summary: 'the lowered module, or what one of the passes gave, reads back from its text form',
  check: ({ compilation: { module, records }, case: { seed } }) => {
    // One of them for each case: over the cases all come by.
    const record = records[seed % (2 * records.length)];
    if (record === undefined) checkTextForm(module, 'the lowered module');
    else checkTextForm(record.after, `what ${record.pass} gave`);
  },
};
