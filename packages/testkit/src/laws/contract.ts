import { mustBeSame } from '../compare.js';
import { type VariablePlace, variablePlaces } from '../lowered.js';
import type { Prepared } from '../prepare.js';
import { towerVariables } from '../wishes.js';
import { type Law, must } from './law.js';

/** What a strategy's contract promises, seen in the run. */
export const contractLaw: Law = {
  name: 'contract',
  summary: 'replicas stay bit-equal where the contract says so, and what is saved is what it says',
  check: (prepared) => {
    const { contract, choices } = prepared.compilation;
    if (contract.replicasStayEqual && choices.variables === 'perTower') checkReplicas(prepared);
    checkSaved(prepared);
  },
};

/**
 * After initialisation all variables of all towers are equal, those without a shadow excepted where shadows are what is
 * copied; after steps those that are trained, and their slots.
 */
function checkReplicas(prepared: Prepared): void {
  const { module, choices } = prepared.compilation;
  const places = variablePlaces(module).filter(({ tower }) => tower !== null);
  const first = new Map(places.filter(({ tower }) => tower === 0).map((place) => [key(place), place.shown]));
  const { start, steps } = prepared.lowered();
  const check = (when: string, values: typeof start, place: VariablePlace): void => {
    const original = values.get(first.get(key(place)) ?? '');
    if (original !== undefined)
      mustBeSame(`${JSON.stringify(place.shown)} ${when}`, values.get(place.shown), original);
  };
  for (const place of places) {
    const trained = place.slot > 0 || place.variable.trainable;
    if (trained || choices.initialCopy === 'tower0') check('after initialisation', start, place);
    if (!trained) continue;
    for (const [k, { variables }] of steps.entries()) check(`after step ${k}`, variables, place);
  }
}

const key = ({ name, slot }: VariablePlace): string => `${slot} ${name}`;

/** Keys of a checkpoint: scope and name of what is saved, slots under their variable's. */
function checkSaved({ compilation }: Prepared): void {
  const { module, contract, choices, source } = compilation;
  const inside = new Set(towerVariables(source).map(({ name }) => name));
  const keys = new Set<string>();
  for (const { variable, name, slot, tower, shown } of variablePlaces(module)) {
    const scope = choices.variables === 'shared' ? 'v' : `v${tower ?? 0}`;
    const shadowed = contract.saved === 'shadows' && tower !== null && variable.trainable;
    const saved =
      !inside.has(name) || tower === null || contract.saved === 'all' || (tower === 0 && !shadowed);
    const want = inside.has(name) ? `${scope}/${variable.name}` : variable.name;
    must(
      variable.savedAs === (saved ? want : null),
      () =>
        `${JSON.stringify(shown)} is saved as ${JSON.stringify(variable.savedAs)}, not as ${JSON.stringify(saved ? want : null)}`,
    );
    must(slot >= 0, () => `no update takes the slot ${JSON.stringify(shown)}`);
    if (variable.savedAs === null) continue;
    must(!keys.has(variable.savedAs), () => `two variables are saved as ${JSON.stringify(variable.savedAs)}`);
    keys.add(variable.savedAs);
  }
}
