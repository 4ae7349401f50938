/** One edit of a file of `packages/passes/dist`: `find` must be in it exactly once. */
export interface FaultEdit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A fault that the laws must catch. */
export interface Fault {
  readonly name: string;
  readonly summary: string;
  readonly edits: readonly FaultEdit[];
}

const fault = (name: string, summary: string, file: string, find: string, replace: string): Fault => ({
  name,
  summary,
  edits: [{ file: `passes/${file}.js`, find, replace }],
});

/** Faults of placement. */
const PLACEMENT: readonly Fault[] = [
  fault(
    'bytes-for-elements',
    'the balancer counts bytes',
    'place-variables',
    'balance(before, variableElements(variable))',
    'balance(before, 4 * variableElements(variable))',
  ),
  fault(
    'trainable-only',
    'the balancer does not count moving statistics',
    'place-variables',
    "const counted = variable.device === '';",
    "const counted = variable.device === '' && variable.trainable;",
  ),
  {
    name: 'last-of-equals',
    summary: 'ties go to the highest index',
    edits: [
      {
        file: 'balancers.js',
        find: 'if (load < (loads[least] ?? 0))',
        replace: 'if (load <= (loads[least] ?? 0))',
      },
    ],
  },
  fault(
    'slots-on-host',
    'optimizer slots go to the host',
    'apply-gradients',
    '{ ...rest, name, trainable: false, slotOf: variable.id, savedAs }',
    "{ ...rest, name, trainable: false, slotOf: variable.id, savedAs, device: '/device:CPU:0' }",
  ),
  fault(
    'global-step-on-tower',
    'global_step goes to tower 0',
    'place-variables',
    "return () => plain(host, 'a variable outside",
    "return () => plain(towerDevices(site).at(-1), 'a variable outside",
  ),
  fault(
    'all-on-tower-0',
    'every tower computes on the device of tower 0',
    'replicate-towers',
    "mergeDevices(node.device, this.#towers[tower] ?? '')",
    "mergeDevices(node.device, this.#towers[0] ?? '')",
  ),
  fault(
    'wish-ignored',
    "an op's own device is overwritten",
    'replicate-towers',
    "mergeDevices(node.device, this.#towers[tower] ?? '')",
    "(this.#towers[tower] ?? '')",
  ),
  fault(
    'inference-on-host',
    'inference runs on the host and not on tower 0',
    'place-rest',
    "if (phase === 'eval')",
    'if (false)',
  ),
  fault(
    'always-first-tower',
    'all gradients meet on tower 0 and not on the towers in turn',
    'aggregate-gradients',
    'device: towers[index % n] ?? host,',
    'device: towers[0] ?? host,',
  ),
  fault(
    'beside-nothing',
    'gradients meet on the host and not beside their variable',
    'aggregate-gradients',
    "device: devices.home, rule: 'beside the variable'",
    "device: devices.host, rule: 'beside the variable'",
  ),
  {
    name: 'transfer-each-time',
    summary: 'a tensor is copied again for every user, and nobody says that it is not',
    edits: [
      { file: 'passes/insert-transfers.js', find: 'transfers.set(key, { node, port: 0 });', replace: '' },
      {
        file: 'passes/insert-transfers.js',
        find: "establishes: ['transfers-explicit'],",
        replace: 'establishes: [],',
      },
    ],
  },
  fault(
    'small-cached-on-towers',
    'small variables are cached on the towers too',
    'cache-reads',
    'at === null ? undefined : devices[at]',
    'devices[at ?? 0]',
  ),
  fault(
    'cached-for-tower-0-alone',
    'the other towers read for themselves',
    'cache-reads',
    'for (const { node } of replaced)',
    'for (const { node } of replaced.slice(0, 1))',
  ),
  fault(
    'servers-by-elements',
    'the servers are balanced by elements',
    'place-variables',
    'balance(before, variableBytes(variable))',
    'balance(before, variableElements(variable))',
  ),
  fault(
    'counter-on-host',
    'global_step stays on the worker',
    'place-variables',
    'return serversInTurn(',
    "return () => plain(host, 'on the host'); return serversInTurn(",
  ),
  fault(
    'copied-for-each-tower',
    'each tower of a worker reads for itself',
    'stage-variables',
    "this.#copy === 'host' ? this.#hostCopy(read.variable)",
    'false ? this.#hostCopy(read.variable)',
  ),
  fault(
    'staged-on-tower-0',
    'staging areas of variables are all on tower 0',
    'stage-variables',
    "this.#stageOn(read, this.#towers[node.replica ?? 0] ?? '')",
    "this.#stageOn(read, this.#towers[0] ?? '')",
  ),
];

/** Faults of aggregation, clipping and updates. */
const UPDATES: readonly Fault[] = [
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
          "for (const [variable, unclipped] of gradientsByVariable(module)) { const { clip } = module.training; const scalar_ = (value) => ({ node: editor.addNode({ op: 'Const', name: 'clip', attrs: { value: scalar('float32', value) } }, { reason: 'fault' }), port: 0 }); const gradients = clip.kind !== 'value' ? unclipped : unclipped.map((role) => ({ ...role, tensor: { node: editor.addNode({ op: 'ClipByValue', name: 'clip', inputs: [role.tensor, scalar_(-clip.limit), scalar_(clip.limit)], replica: role.replica }, { reason: 'fault' }), port: 0 } }));",
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

/** Faults of towers, variables, staging and order. */
const TOWERS: readonly Fault[] = [
  fault(
    'rows-swapped',
    "the towers take one another's rows",
    'replicate-towers',
    'Array.from({ length: n }, (_, port) => ({ node, port }))',
    'Array.from({ length: n }, (_, port) => ({ node, port: n - 1 - port }))',
  ),
  fault(
    'loss-summed',
    'the losses of the towers are added and not averaged',
    'replicate-towers',
    'scalar(dtype, 1 / parts.length)',
    'scalar(dtype, 1)',
  ),
  fault(
    'counts-averaged',
    'counts are averaged and not added',
    'replicate-towers',
    "name.endsWith('Count') ||",
    '',
  ),
  fault(
    'all-averages-move',
    "every tower's moving averages are updated",
    'replicate-towers',
    "this.#editor.setEntry({ ...step, fetches }, { reason: 'fetches the towers together' });",
    'const all = (id) => this.#towers.map((_, tower) => this.#node(id, tower)); this.#editor.setEntry({ ...step, fetches, rounds: step.rounds.map((round) => [...new Set(round.flatMap(all))]) });',
  ),
  fault(
    'counted-per-tower',
    'global_step belongs to the towers',
    'replicate-towers',
    '.filter((id) => !shared.has(id))',
    '',
  ),
  fault(
    'same-start',
    'all towers draw the same initial values',
    'scope-variables',
    "['seed2', { kind: 'int', value: replica }]",
    "['seed2', { kind: 'int', value: 0 }]",
  ),
  fault(
    'all-saved',
    "every tower's variables are saved",
    'scope-variables',
    "saved === 'all' || tower === 0 ?",
    'true ?',
  ),
  fault(
    'slots-not-copied',
    'optimizer slots are not copied after initialisation',
    'post-init',
    "r.kind === 'variable' && r.replica !== null",
    "r.kind === 'variable' && r.replica !== null && r.slotOf === null",
  ),
  fault(
    'statistics-not-copied',
    'moving statistics are not copied after initialisation',
    'post-init',
    "r.kind === 'variable' && r.replica !== null",
    "r.kind === 'variable' && r.replica !== null && (r.trainable || r.slotOf !== null)",
  ),
  {
    name: 'variables-not-staged',
    summary: 'gradients are staged, and variables are not',
    edits: [
      {
        file: 'strategies/pipeline.js',
        find: "...(choices.reading === 'staging' ? [callPass(stageVariables, { copy: choices.stagedCopy })] : []),",
        replace: '',
      },
    ],
  },
  {
    name: 'gradients-not-staged',
    summary: 'variables are staged, and gradients are not',
    edits: [
      {
        file: 'strategies/pipeline.js',
        find: "...(choices.gradients === 'staging' ? [callPass(stageGradients)] : []),",
        replace: '',
      },
    ],
  },
  fault(
    'gradients-staged-on-tower-0',
    'staging areas of gradients are all on tower 0',
    'stage-gradients',
    "device: towers[replica] ?? ''",
    "device: towers[0] ?? ''",
  ),
  fault(
    'averages-not-staged',
    'moving averages take the change of this step, and gradients that of the step before',
    'stage-variables',
    "rolesOf(module, 'update').flatMap((role) => stageDelta(editor, role, towers))",
    '[]',
  ),
  {
    name: 'warm-up-in-one-tier',
    summary: 'the second round of the warm-up does not stage variables again',
    edits: [
      {
        file: 'warm-up.js',
        find: 'refill(graph, puts, running);',
        replace: '',
      },
    ],
  },
  {
    name: 'order-dropped',
    summary: 'nothing orders reads before writes, and nobody says that it does',
    edits: [
      {
        file: 'passes/synchronise.js',
        find: 'editor.addControl(after.node, before.node, { reason: REASONS[after.effect], from: [before.node] });',
        replace: '',
      },
      { file: 'passes/synchronise.js', find: "establishes: ['no-race'],", replace: 'establishes: [],' },
    ],
  },
];

/** Faults of shadows, and of what workers do for each other. */
const WORKERS: readonly Fault[] = [
  fault(
    'shadows-from-the-first-server',
    'shadows do not go on after global_step',
    'shadow-variables',
    'let turns = turnsTaken(module.decisions);',
    'let turns = 0;',
  ),
  fault(
    'shadow-unsaved',
    'a checkpoint holds the towers and not the shadows',
    'shadow-variables',
    "savedAs: saved === 'shadows' ? source.savedAs :",
    "savedAs: saved === 'shadows' ? null :",
  ),
  fault(
    'copied-before-the-update',
    'the towers take what the shadows were before the update',
    'copy-shadows',
    'after: [update],',
    'after: [],',
  ),
  fault(
    'copied-to-tower-0',
    'the other towers go on with what they have',
    'copy-shadows',
    'return targets.map((target)',
    'return targets.slice(0, 1).map((target)',
  ),
  fault(
    'step-end-waits-for-nothing',
    'a worker says that it has ended its step before it has',
    'await-workers',
    "const after = at === 'step' ? endOfStep(editor) : [];",
    'const after = [];',
  ),
  fault(
    'initialised-by-all',
    'every worker initialises the shared variables, whatever they hold',
    'initialise-once',
    'init === undefined || workerIndex(site) === 0',
    'true',
  ),
  fault(
    'no-gate',
    "updates do not wait for the other workers' reads",
    'gate-updates',
    'reads.length === 0 || writes.length === 0',
    'true',
  ),
  fault(
    'no-gate-at-the-start',
    'a worker trains while others copy what they start from',
    'gate-updates',
    'if (!remote)',
    'if (true)',
  ),
  fault(
    'one-token-less',
    'a worker goes on when all others but one have come',
    'expand-barriers',
    'n: queues.length - 1',
    'n: Math.max(0, queues.length - 2)',
  ),
];

/** Faults of what passes are, and of what is said about them. */
const FORM: readonly Fault[] = [
  fault(
    'nothing-removed',
    'what no entry runs is left in the module',
    'simplify',
    'if (!live.has(id))',
    'if (false)',
  ),
  fault(
    'inference-removed',
    'what only inference needs is removed',
    'simplify',
    'Object.values(module.entries)',
    "Object.values(module.entries).filter(({ name }) => name !== 'eval')",
  ),
  {
    name: 'never-the-same',
    summary: 'a pass gives other names each time',
    edits: [
      {
        file: 'staging.js',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the pass
        find: 'name: `tower_${replica}/${name}`,',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the pass
        replace: 'name: `tower_${replica}/${name}/${(globalThis.times = (globalThis.times ?? 0) + 1)}`,',
      },
    ],
  },
  {
    name: 'ring-too-long',
    summary: 'the summary counts one copy too many of an all-reduce',
    edits: [
      {
        file: 'analyses/placement.js',
        find: '* (n - 1)) / n;',
        replace: '* n) / n;',
      },
    ],
  },
];

/** Every planted fault. */
export const FAULTS: readonly Fault[] = [...PLACEMENT, ...UPDATES, ...TOWERS, ...WORKERS, ...FORM];
