// The excerpts of docs/text-form.md: a model of one weight and one bias, as it is built and as it is lowered.
import { buildModel, compile, defineModel, printModule } from 'placewright';
import { block } from './markdown.mjs';

// #region model
export const line = defineModel({
  name: 'line',
  inputs: { x: { dtype: 'float32', shape: [1] }, y: { dtype: 'float32', shape: [1] } },
  build(b, { x, y }) {
    const slope = b.variable('slope', { shape: [1, 1], initializer: { kind: 'ones' } });
    const offset = b.variable('offset', { shape: [1], initializer: { kind: 'zeros' } });
    const guess = b.biasAdd(b.matMul(x, slope.value), offset.value);
    return { loss: b.mean(b.square(b.sub(guess, y))) };
  },
});
// #endregion

export const builtText = () => printModule(buildModel(line)).text;
export const loweredText = () =>
  printModule(compile(line, { strategy: 'replicated', numGpus: 2 }).module).text;

/** The module of the model before any pass, whole. */
export const textBuilt = () => block('text', builtText());

/** Lines that match, with an ellipsis where lines are left out. What is indented belongs to the line above it. */
function excerpt(text, patterns) {
  let inBlock = false;
  const rows = text.trimEnd().split('\n');
  const taken = rows.map((row) => {
    if (!row.startsWith(' ')) inBlock = patterns.some((pattern) => pattern.test(row));
    return inBlock;
  });
  return rows.flatMap((row, i) => {
    if (taken[i]) return [row];
    return taken[i - 1] ? ['…'] : [];
  });
}

/** What is worth seeing of the lowered module: its header, resources, all-reduce, updates, transfers, step, decisions. */
export function textLowered() {
  const patterns = [
    /^(placewright|module|established|training|cluster|end)\b/,
    /^%r\d+ = /,
    /"(tower_0\/)?aggregate\/slope/,
    /"tower_\d\/MatMul"/,
    /"update\/v\d\/slope/,
    /"x\/split/,
    /^entry step/,
    /^role (loss|gradient|aggregated|apply) /,
    /^decision place-variables/,
  ];
  return block('text', excerpt(loweredText(), patterns).join('\n'));
}
