import { DEFAULT_TRAINING, localCluster } from '@placewright/ir';
import { PASSES, STRATEGIES } from '@placewright/passes';
import { describe, expect, it } from 'vitest';
import { type PipelineSettings, passesOf, waysTo } from '../src/commands/print-after.js';
import { json, placewright } from './support.js';

const TINY = ['compile', '--model', 'tiny', '--num-gpus', '2'];

describe('--print-after', () => {
  it('prints the graph after a pass that runs', async () => {
    const { code, out } = await placewright(...TINY, '--print-after', 'autodiff');
    expect(code).toBe(0);
    expect(out).toMatch(/^=== after autodiff\n/);
  });

  it.each([
    ['stage-variables', [], '--staged-vars true;'],
    ['clip-gradients', [], '--gradient-clip 1;'],
    ['rewrite-all-reduce', [], '--strategy replicated;'],
    ['rewrite-all-reduce', ['--strategy', 'replicated', '--use-nccl', 'false'], '--use-nccl true;'],
    ['stage-gradients', ['--strategy', 'replicated'], '--strategy parameter_server --staged-vars true;'],
    ['cache-reads', [], '--num-ps 1 --num-workers 2;'],
    ['shadow-variables', [], '--strategy distributed_replicated --num-ps 1 --num-workers 2;'],
  ])('refuses %s where it does not run, and says when it does: %j', async (pass, flags, way) => {
    const { code, out, err } = await placewright(...TINY, ...flags, '--print-after', pass);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(`error[PW_PASS_UNKNOWN]: the pass ${pass} does not run with these options`);
    expect(err).toContain(`do: it runs with ${way} with these, `);
    expect(err).toMatch(/ runs autodiff, .*insert-transfers\n$/);
    const asked = way.replace(';', '').split(' ');
    const again = await placewright(...TINY, ...flags, ...asked, '--print-after', pass);
    expect(again.out).toMatch(new RegExp(`^=== after ${pass}\n`));
  });
});

const settings = (strategy: string): PipelineSettings => ({
  strategy,
  strategyOptions: {},
  training: DEFAULT_TRAINING,
  cluster: localCluster({ numGpus: 2 }),
});

it.each(STRATEGIES.map(({ name }) => name))('knows a way to every pass, from %s', (strategy) => {
  for (const { name } of PASSES) expect(waysTo(name, settings(strategy)), name).not.toEqual([]);
});

it('knows which passes the compiler runs', async () => {
  for (const flags of [[], ['--strategy', 'replicated'], ['--staged-vars', '--gradient-clip', '1']]) {
    const { passes } = await json<{ passes: { pass: string }[] }>(...TINY, ...flags, '--json');
    const options: PipelineSettings = {
      ...settings(flags.includes('replicated') ? 'replicated' : 'parameter_server'),
      strategyOptions: flags.includes('--staged-vars') ? { stagedVars: true } : {},
      training: {
        ...DEFAULT_TRAINING,
        clip: flags.includes('1') ? { kind: 'value', limit: 1 } : { kind: 'none' },
      },
    };
    expect(passes.map(({ pass }) => pass)).toEqual(passesOf(options));
  }
});
