import { edit, PlacewrightError, scalar } from '@placewright/ir';
import { definePass } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { checkPass, reportPass } from '../src/index.js';

/** Puts an Identity after every ReLU: changes the graph, and not what it means. */
const harmless = definePass<Record<never, never>>({
  name: 'harmless',
  summary: 'an Identity after every Relu',
  options: {},
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry }) =>
    edit(module, registry, 'harmless', (editor) => {
      for (const node of module.graph.nodes.values()) {
        if (node.op !== 'Relu') continue;
        const why = { reason: 'does nothing', from: [node.id] };
        const { name, replica, phase, group, device } = node;
        const users = [...module.graph.nodes.keys()];
        const tensor = { node: node.id, port: 0 };
        const copy = editor.addNode(
          { op: 'Identity', name: `${name}/same`, inputs: [tensor], replica, phase, group, device },
          why,
        );
        editor.replaceTensors(new Map([[`${node.id}:0`, { node: copy, port: 0 }]]), why, users);
      }
    }),
});

/** Doubles the learning rate, or another factor. */
const harmful = definePass<{ factor: number }>({
  name: 'harmful',
  summary: 'changes the constants of the optimizer',
  options: { factor: { summary: 'by how much', default: 2 } },
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, { factor }, { registry }) =>
    edit(module, registry, 'harmful', (editor) => {
      for (const node of module.graph.nodes.values()) {
        const value = node.attrs.get('value');
        if (node.op !== 'Const' || node.phase !== 'update' || value?.kind !== 'tensor') continue;
        if (value.value.dtype !== 'float32') continue;
        const attrs = new Map(node.attrs);
        attrs.set('value', {
          kind: 'tensor',
          value: scalar('float32', Number(value.value.data[0]) * factor),
        });
        editor.updateNode(node.id, { attrs }, { reason: 'harm' });
      }
    }),
});

describe("a user's own pass", () => {
  test('that keeps the meaning passes', () => {
    checkPass(harmless, { numRuns: 15 });
    checkPass(harmless, { numRuns: 10, at: { after: 'autodiff' } });
  });

  test('that changes the meaning is caught, with the smallest case, its seed and the module', () => {
    const report = reportPass(harmful, { numRuns: 15 });
    expect(report.ok).toBe(false);
    expect(report.law).toBe('meaning');
    expect(report.text).toContain('"layers":[]');
    expect(report.text).toContain(`seed ${report.seed}`);
    expect(report.text).toContain('placewright 1');
    expect(() => checkPass(harmful, { numRuns: 15, shrink: false })).toThrow(PlacewrightError);
  });

  test('is run with its options, and where it is told to', () => {
    checkPass(harmful, { numRuns: 5, options: { factor: 1 } });
    expect(reportPass(harmful, { numRuns: 1, at: { before: 'no-such-pass' } }).text).toContain(
      'PW_PASS_UNKNOWN',
    );
  });
});
