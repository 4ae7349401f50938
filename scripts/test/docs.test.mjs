import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildModel, builtinRegistry, getAttr, parseModule, STRATEGIES, verify } from 'placewright';
import { describe, expect, test } from 'vitest';
import { pages, readPage, renderPage, root } from '../../docs/build.mjs';
import { fillSections } from '../../docs/lib/sections.mjs';
import { regionOf } from '../../docs/lib/snippets.mjs';
import { allVariants } from '../../docs/lib/strategies.mjs';
import { builtText, loweredText } from '../../docs/lib/text-form.mjs';
import * as snippets from '../../docs/snippets/builder.ts';
import { fitCluster, linked } from '../../docs/snippets/cluster.ts';

const withoutCode = (text) => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');

/** The anchor that a heading gets. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

const anchorsOf = (page) =>
  [...withoutCode(readPage(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading));

describe.each(pages())('%s', (page) => {
  test('has generated sections that are up to date (else: npm run docs)', () => {
    expect(readPage(page)).toBe(renderPage(page));
  });

  test('links to files and headings that are there', () => {
    const links = [...withoutCode(readPage(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
    for (const link of links.filter((target) => !/^[a-z]+:/.test(target))) {
      const [path, anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      expect(existsSync(join(root, target)), `${page} links to ${link}`).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(target), `${page} links to ${link}`).toContain(anchor);
    }
  });

  test('names files of the project that are there', () => {
    const named = [...readPage(page).matchAll(/`((?:packages|scripts|docs|bench)\/[\w./-]+)`/g)];
    for (const [, path] of named) expect(existsSync(join(root, path)), `${page} names ${path}`).toBe(true);
  });
});

describe('sections', () => {
  const generators = { twice: (word) => `${word} ${word}` };

  test('are filled in anew, whatever stood there', () => {
    const text = 'a\n<!-- generated: twice x -->\nold\n\nolder\n<!-- end -->\nb\n';
    const filled = 'a\n<!-- generated: twice x -->\n\nx x\n\n<!-- end -->\nb\n';
    expect(fillSections(text, generators, 'p')).toBe(filled);
    expect(fillSections(filled, generators, 'p')).toBe(filled);
    expect(fillSections('<!-- generated: twice x -->\n<!-- end -->', generators, 'p')).toContain('x x');
  });

  test('without an end, or of an unknown name, are refused', () => {
    expect(() => fillSections('<!-- generated: twice x -->\n', generators, 'p')).toThrow(
      'no beginning or no',
    );
    expect(() => fillSections('<!-- generated: toString -->\n<!-- end -->', generators, 'p')).toThrow(
      'no generator toString',
    );
  });

  test('quote regions without their margin', () => {
    const text = '  // #region a\n  if (x)\n    y();\n\n  // #endregion\n';
    expect(regionOf(text, 'a', 'f')).toBe('if (x)\n  y();\n');
    expect(() => regionOf(text, 'b', 'f')).toThrow('f has no region b');
  });
});

describe('the page on strategies', () => {
  const text = readPage('docs/strategies.md');

  test('explains every value of every choice', () => {
    const values = allVariants().flatMap(({ choices }) =>
      Object.entries(choices).filter(([name]) => !['clipping', 'parameterDevice'].includes(name)),
    );
    const explained = text.slice(text.indexOf('## The choices'), text.indexOf('## independent'));
    for (const [name, value] of values)
      expect(explained, `${name}: ${value}`).toMatch(new RegExp(`^\\| ${name} .*\`${value}\``, 'm'));
  });

  test('has a section for every strategy', () => {
    for (const { name } of STRATEGIES) {
      expect(text).toMatch(new RegExp(`^## ${name}$`, 'm'));
      expect(text).toContain(`<!-- generated: strategy-choices ${name} -->`);
    }
  });

  test('names flags that the command has', async () => {
    const { findOption, camelCase } = await import('../../packages/cli/src/options/table.ts');
    const flags = [...text.matchAll(/`--([a-z-]+)(?![\w-])/g)]
      .map(([, flag]) => flag)
      .filter((flag) => flag !== 'options');
    expect(flags.length).toBeGreaterThan(10);
    for (const flag of flags) expect(findOption(camelCase(flag)), flag).toBeDefined();
  });
});

describe('the page on the text form', () => {
  test('shows texts that read back', () => {
    expect(parseModule(builtText()).name).toBe('line');
    expect(parseModule(loweredText()).towers).toBe(2);
  });

  test('shows a text by hand that reads back and is sound', () => {
    const module = parseModule(readPage('docs/snippets/doubled.pw'), { registry: builtinRegistry });
    expect(module.graph.nodes.size).toBe(4);
    expect(verify(module, builtinRegistry)).toEqual([]);
  });

  test('names every field that is printed', () => {
    const text = readPage('docs/text-form.md');
    const fields = text.slice(text.indexOf('Fields stand in any order'), text.indexOf('Left out'));
    const printed = [builtText(), loweredText()].flatMap((module) =>
      module
        .split('\n')
        .filter((row) => /^(%|training)/.test(row))
        .flatMap((row) => [...row.replace(/\{.*?\}|"[^"]*"/g, '').matchAll(/ (\w+)=/g)])
        .map(([, field]) => field),
    );
    expect(printed.length).toBeGreaterThan(100);
    for (const field of new Set(printed)) expect(fields).toContain(`\`${field}\``);
  });
});

describe('the snippets on the builder', () => {
  const models = Object.values(snippets).filter((value) => typeof value?.build === 'function');

  test.each(
    models.filter(({ name }) => !['wrongTypes', 'cubic'].includes(name)).map((model) => [model.name, model]),
  )('%s is built', (name, model) => {
    const module = buildModel(model);
    expect(module.name).toBe(name);
    expect(module.entries.step?.fetches.map((fetch) => fetch.name)).toContain('loss');
  });

  test('the line is fitted', async () => {
    const variables = await snippets.fitLine();
    expect(variables.get('v/slope')).toBeCloseTo(2, 1);
    expect(variables.get('v/offset')).toBeCloseTo(1, 1);
  });

  test('metrics of two towers are put together as the page says', () => {
    const { entries, graph } = snippets.twoTowers.module;
    const ops = entries.step.fetches.map(({ name, tensor }) => [name, graph.nodes.get(tensor.node)?.op]);
    expect(Object.fromEntries(ops)).toEqual({ loss: 'Mul', correctCount: 'AddN', probabilities: 'ConcatV2' });
  });

  test('a device of the user stays', () => {
    const { graph } = snippets.placedByHand.module;
    const devices = [...graph.nodes.values()]
      .filter(({ op, phase }) => op === 'Mul' && phase === 'forward')
      .map(({ device }) => device);
    expect(devices).toEqual(['/device:CPU:0', '/device:CPU:0']);
  });

  test('an op of one’s own is differentiated', () => {
    const { graph } = snippets.withOwnOp.module;
    const exponents = [...graph.nodes.values()]
      .filter(({ op, phase }) => op === 'Power' && phase !== 'eval')
      .map((node) => getAttr(node, 'exponent', 'int'));
    expect(exponents).toEqual([3, 2]);
  });
});

describe('the snippets on clusters', () => {
  test('link two workers, and train them together', async () => {
    expect(linked.module.towers).toBe(4);
    expect(verify(linked.module, builtinRegistry)).toEqual([]);
    const { workers, values } = await fitCluster();
    expect(workers.map(({ reports, globalStep }) => [reports.length, globalStep])).toEqual([
      [200, 400],
      [200, 400],
    ]);
    expect(values.get('ps_var/v0/slope')).toBeCloseTo(2, 1);
    expect(values.get('ps_var/v0/offset')).toBeCloseTo(1, 1);
  });
});
