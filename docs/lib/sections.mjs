const SECTION = /^<!-- generated: (.+?) -->\n(?:[\s\S]*?\n)??<!-- end -->$/gm;
const MARKER = /^<!-- (?:generated:.*|end) -->$/gm;

/**
 * The text with every generated section filled in anew: `<!-- generated: NAME ARGUMENTS -->` calls that generator.
 * @param {string} text
 * @param {Record<string, (...args: string[]) => string>} generators
 * @param {string} page named in errors
 */
export function fillSections(text, generators, page) {
  let sections = 0;
  const filled = text.replace(SECTION, (_, call) => {
    sections += 1;
    const [name, ...args] = call.split(' ');
    const generate = Object.hasOwn(generators, name) ? generators[name] : undefined;
    if (generate === undefined) {
      throw new Error(`${page}: no generator ${name}; there are ${Object.keys(generators).join(', ')}`);
    }
    return `<!-- generated: ${call} -->\n\n${generate(...args)}\n\n<!-- end -->`;
  });
  if ((text.match(MARKER) ?? []).length !== 2 * sections)
    throw new Error(`${page}: a generated section has no beginning or no <!-- end -->`);
  return filled;
}
