import { type Fault, fault } from '../fault.js';

/** Faults of placement. */
export const PLACEMENT: readonly Fault[] = [
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
