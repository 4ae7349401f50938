import { type Fault, fault } from '../fault.js';

/** Faults of aggregation, clipping and updates. */
export const UPDATES: readonly Fault[] = [
  fault(
    'sum-for-mean',
    'gradients are added where their mean is wanted',
    'aggregate-gradients',
    "if (reduction === 'sum')",
    'if (true)',
  ),
  fault(
    'mean-for-sum',
    'gradients are averaged where their sum is wanted',
    'aggregate-gradients',
    "if (reduction === 'sum')",
    'if (false)',
  ),
  fault(
    'all-reduce-sum-for-mean',
    'an all-reduce adds where the mean is wanted',
    'rewrite-all-reduce',
    "if (reduction === 'sum' || n === 1)",
    'if (true)',
  ),
  fault(
    'member-missing',
    'an all-reduce waits for one member less',
    'rewrite-all-reduce',
    'num_devices: n,',
    'num_devices: Math.max(1, n - 1),',
  ),
  fault(
    'one-name-for-all',
    'all all-reduces have one shared name',
    'rewrite-all-reduce',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the pass
    'shared_name: `all_reduce/${variable ?? node.id}`',
    "shared_name: 'all_reduce'",
  ),
  fault(
    'wrong-order-of-towers',
    'copies in the place of an all-reduce are added from the last tower on',
    'legalise',
    '(a.replica ?? 0) - (b.replica ?? 0)',
    '(b.replica ?? 0) - (a.replica ?? 0)',
  ),
  fault(
    'clip-missing-on-tower-1',
    'the gradients of tower 1 are not clipped',
    'clip-gradients',
    'tensor: clipped.get(role) ?? role.tensor }',
    'tensor: role.replica === 1 ? role.tensor : (clipped.get(role) ?? role.tensor) }',
  ),
  fault(
    'norm-of-one',
    'the global norm is that of the first gradient',
    'clip-gradients',
    "add('AddN', halves)",
    "add('AddN', halves.slice(0, 1))",
  ),
  {
    name: 'norm-of-all-towers',
    summary: 'the towers clip by the norm of the gradients of all of them',
    edits: [
      {
        file: 'passes/clip-gradients.js',
        find: 'const list = lists.get(role.replica) ?? [];',
        replace: 'const list = lists.get(null) ?? [];',
      },
      {
        file: 'passes/clip-gradients.js',
        find: 'lists.set(role.replica, list);',
        replace: 'lists.set(null, list);',
      },
    ],
  },
  {
    name: 'clip-before-aggregation',
    summary: "each tower's gradients are clipped, and their sum is not",
    edits: [
      {
        file: 'passes/aggregate-gradients.js',
        find: 'for (const [variable, gradients] of gradientsByVariable(module)) {',
        replace:
          "for (const [variable, unclipped] of gradientsByVariable(module)) { const { clip } = module.training; const scalar_ = (value) => ({ node: editor.addNode({ op: 'Const', name: 'clip', attrs: { value: { dtype: 'float32', shape: [], data: Float32Array.of(value) } } }, { reason: 'fault' }), port: 0 }); const gradients = clip.kind !== 'value' ? unclipped : unclipped.map((role) => ({ ...role, tensor: { node: editor.addNode({ op: 'ClipByValue', name: 'clip', inputs: [role.tensor, scalar_(-clip.limit), scalar_(clip.limit)], replica: role.replica }, { reason: 'fault' }), port: 0 } }));",
      },
      {
        file: 'strategies/pipeline.js',
        find: "clip.kind === 'none'",
        replace: "clip.kind !== 'globalNorm'",
      },
    ],
  },
  fault(
    'nesterov-ignored',
    "momentum is not Nesterov's",
    'apply-gradients',
    'use_nesterov: options.nesterov',
    'use_nesterov: false',
  ),
  fault(
    'rmsprop-from-0',
    "RMSProp's mean of squares starts at 0",
    'apply-gradients',
    "slot('RMSProp', 1)",
    "slot('RMSProp', 0)",
  ),
  fault(
    'rate-for-all',
    "an optimizer's constants on one device are all the first one",
    'apply-gradients',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the pass
    'const key = `${variable.device} ${name}`;',
    'const key = variable.device;',
  ),
  fault(
    'counted-first',
    'the step is counted before its updates are done',
    'apply-gradients',
    'const controls = [...new Set([...editor.node(node).controls, ...applied])];',
    'const controls = editor.node(node).controls;',
  ),
  fault(
    'decay-skips-one',
    'weight decay leaves the first variable out',
    'autodiff',
    'addWeightDecay(editor, role.tensor, reads, weightDecay)',
    'addWeightDecay(editor, role.tensor, reads.slice(1), weightDecay)',
  ),
];
