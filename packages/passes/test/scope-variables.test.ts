import { parseModule, printModule } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { compile } from '../src/index.js';
import { type Case, tasks, upTo } from './fixture.js';
import { type Sized, sized, variablesOf } from './sized.js';

const VARIABLES: readonly Sized[] = [
  { name: 'plain', elements: 1 },
  { name: 'asked_global', elements: 1, collection: 'global' },
  { name: 'asked_local', elements: 1, collection: 'local' },
  { name: 'average', elements: 1, trainable: false },
  { name: 'outside', elements: 1, outside: true },
  { name: 'ps_var/outside', elements: 1, outside: true },
];

function collections(spec: Partial<Case>): Record<string, string> {
  const { after } = upTo('scope-variables', { strategy: 'replicated', ...spec, module: sized(VARIABLES) });
  return Object.fromEntries(
    variablesOf(after).map(({ scope, name, collection }) => [`${scope}:${name}`, collection]),
  );
}

describe('collections', () => {
  it('are those of the definition, the global one where it names none', () => {
    expect(collections({ towers: 1 })).toEqual({
      ':global_step': 'global',
      'v0:plain': 'global',
      'v0:asked_global': 'global',
      'v0:asked_local': 'local',
      'v0:average': 'global',
      ':outside': 'global',
      ':ps_var/outside': 'global',
    });
  });

  it.each(['shared', 'perTower'] as const)(
    'are local for the towers’ variables if asked for, %s',
    (variables) => {
      const found = collections({ choices: { collection: 'local', variables } });
      const inside = Object.entries(found).filter(([name]) => !name.startsWith(':'));
      expect(new Set(inside.map(([, collection]) => collection))).toEqual(new Set(['local']));
      expect(inside).toHaveLength(variables === 'shared' ? 4 : 8);
    },
  );

  it('stay as they are outside of the towers, shadows’ names or not', () => {
    const found = collections({ choices: { collection: 'local' } });
    expect([found[':global_step'], found[':outside'], found[':ps_var/outside']]).toEqual([
      'global',
      'global',
      'global',
    ]);
  });

  it('are local for the towers of distributed_replicated, and in the text form', () => {
    const { module } = compile(sized(VARIABLES), {
      strategy: 'distributed_replicated',
      cluster: tasks(2, 1),
    });
    const { text, constants } = printModule(module);
    const inside = variablesOf(parseModule(text, { constants })).filter(({ replica }) => replica !== null);
    expect(new Set(inside.map(({ collection }) => collection))).toEqual(new Set(['local']));
  });
});
