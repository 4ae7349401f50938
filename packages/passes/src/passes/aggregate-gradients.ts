import {
  compatible,
  type Decision,
  type DeviceName,
  edit,
  formatType,
  type GraphEditor,
  type NodeId,
  nodeName,
  PlacewrightError,
  type Role,
  type TensorRef,
  type VariableResource,
} from '@placewright/ir';
import { hostDevice, towerDevices } from '../devices.js';
import { definePass } from '../pass.js';
import { gradientsByVariable, type RoleOf, sharedVariables, variableFinder } from '../roles.js';
import { addScaled } from '../scale.js';

const PASS = 'aggregate-gradients';
export const AGGREGATIONS = ['none', 'allReduce', 'copyInTurn', 'copyBesideVariable', 'copyOnHost'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];
export type Reduction = 'sum' | 'mean';

interface Options extends Record<string, string> {
  kind: Aggregation;
  reduction: Reduction;
}

/**
 * Brings the towers' gradients of each variable together.
 * `none`: each tower keeps its own. `allReduce`: one abstract all-reduce over the towers, expanded later.
 * `copyInTurn`: copied to the tower devices in turn, one variable after the other. `copyBesideVariable`: where the
 * variable lives. `copyOnHost`: on the host. With one tower there is nothing to add, and nothing to divide.
 * Throws PW_TOWERS_UNEQUAL, PW_GRADIENT_SHAPE, PW_VARIABLE_UNKNOWN.
 */
export const aggregateGradients = definePass<Options>({
  name: PASS,
  summary: "adds up or averages the towers' gradients of each variable",
  options: {
    kind: { summary: 'how and where gradients meet', default: 'none', oneOf: AGGREGATIONS },
    reduction: { summary: 'sum or mean over the towers', default: 'mean', oneOf: ['sum', 'mean'] },
  },
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const find = variableFinder(module);
      const shared = sharedVariables(module);
      let index = 0;
      for (const [variable, gradients] of gradientsByVariable(module)) {
        const updated = shared.get(variable) ?? find({ variable, replica: gradients[0]?.replica ?? null });
        checkGradients(editor, { variable, gradients }, updated, module.towers);
        const devices = { host: hostDevice(site), towers: towerDevices(site), home: updated.device };
        const meeting: Meeting = { variable, gradients, options, index, once: shared.has(variable) };
        for (const role of aggregate(editor, meeting, devices)) {
          editor.addRole(role, { reason: `${options.kind} aggregation of ${variable}` });
        }
        index += 1;
      }
    }),
});

interface Devices {
  readonly host: DeviceName;
  readonly towers: readonly DeviceName[];
  /** Where what is updated lives. */
  readonly home: DeviceName;
}

/** One variable's gradients, to be brought together. */
interface Meeting {
  readonly variable: string;
  readonly gradients: readonly RoleOf<'gradient'>[];
  readonly options: Options;
  /** Place of the variable among those with gradients. */
  readonly index: number;
  /** Whether the towers share what is updated, so that the result is applied once. */
  readonly once: boolean;
}

/** Where copies meet, and why there. */
interface Place {
  readonly device: DeviceName;
  readonly rule: string;
  readonly candidates: Decision['candidates'];
}

/** One gradient of every tower, each of the same variable: what the original asserts, or leaves to a later crash. */
function checkGradients(
  editor: GraphEditor,
  { variable, gradients }: Pick<Meeting, 'variable' | 'gradients'>,
  updated: VariableResource,
  towers: number,
): void {
  const having = new Set(gradients.map(({ replica }) => replica ?? 0)).size;
  const name = JSON.stringify(variable);
  if (having !== towers || gradients.length !== towers) {
    const more = gradients.length > having ? `, which have ${gradients.length} of them` : '';
    throw new PlacewrightError(
      'PW_TOWERS_UNEQUAL',
      `${having} of ${towers} towers have a gradient of ${name}${more}`,
      { hint: 'every tower must compute one gradient of every trainable variable' },
    );
  }
  for (const { replica, tensor } of gradients) {
    const type = editor.type(tensor);
    if (type.dtype === updated.dtype && compatible(type.shape, updated.shape)) continue;
    throw new PlacewrightError(
      'PW_GRADIENT_SHAPE',
      `the gradient of ${name} on tower ${replica ?? 0} is ${formatType(type)}, and the variable ${formatType(updated)}`,
      {
        where: { node: nodeName(editor.node(tensor.node)) },
        hint: 'is it the gradient of another variable?',
      },
    );
  }
}

function aggregate(editor: GraphEditor, meeting: Meeting, devices: Devices): Role[] {
  const { variable, gradients, options, once } = meeting;
  const perTower = (tensorOf: (own: TensorRef, tower: number) => TensorRef): Role[] =>
    gradients.map(({ replica, tensor }, tower) => ({
      kind: 'aggregated',
      replica,
      variable,
      tensor: tensorOf(tensor, tower),
    }));
  switch (options.kind) {
    case 'none':
      return perTower((own) => own);
    case 'allReduce': {
      const node = addAllReduce(editor, meeting);
      return perTower((_own, port) => ({ node, port }));
    }
    case 'copyBesideVariable':
    case 'copyOnHost':
    case 'copyInTurn': {
      const tensor = addCopies(editor, meeting, placeOf(options.kind, meeting, devices));
      return once ? [{ kind: 'aggregated', replica: null, variable, tensor }] : perTower(() => tensor);
    }
  }
}

function placeOf(kind: Extract<Aggregation, `copy${string}`>, { index }: Meeting, devices: Devices): Place {
  switch (kind) {
    case 'copyBesideVariable':
      return { device: devices.home, rule: 'beside the variable', candidates: [] };
    case 'copyOnHost':
      return { device: devices.host, rule: 'on the host', candidates: [] };
    case 'copyInTurn':
      return inTurn(devices, index);
  }
}

/** The next tower device; the load of each is how many gradients have met there. */
function inTurn({ towers, host }: Devices, index: number): Place {
  const n = towers.length;
  return {
    device: towers[index % n] ?? host,
    rule: `gradient ${index}: the tower devices in turn`,
    candidates: towers.map((name, i) => ({ name, load: Math.floor((index + n - 1 - i) / n) })),
  };
}

function addAllReduce(editor: GraphEditor, { variable, gradients, options }: Meeting): NodeId {
  const { reduction, kind } = options;
  const inputs = gradients.map(({ tensor }) => tensor);
  const node = editor.addNode(
    {
      op: 'AllReduce',
      name: `aggregate/${variable}/AllReduce`,
      inputs,
      attrs: { reduction },
      variable,
      phase: 'aggregate',
    },
    {
      reason: `${reduction} of ${gradients.length} towers' gradients, on every tower`,
      from: inputs.map((ref) => ref.node),
    },
  );
  editor.decide({
    about: 'aggregation',
    subject: node,
    chosen: 'every tower',
    candidates: [],
    rule: 'one all-reduce over the towers',
    option: `aggregation=${kind}`,
  });
  return node;
}

function addCopies(
  editor: GraphEditor,
  { variable, gradients, options }: Meeting,
  { device, rule, candidates }: Place,
): TensorRef {
  const { reduction, kind } = options;
  const [first] = gradients;
  if (first !== undefined && gradients.length === 1) return first.tensor;
  const inputs = gradients.map(({ tensor }) => tensor);
  const common = { device, variable, phase: 'aggregate' as const };
  const why = {
    reason: `${reduction} of ${gradients.length} towers' gradients, ${rule}`,
    from: inputs.map(({ node }) => node),
  };
  const sum = editor.addNode({ op: 'AddN', name: `aggregate/${variable}/AddN`, inputs, ...common }, why);
  editor.decide({
    about: 'aggregation',
    subject: sum,
    chosen: device,
    candidates,
    rule,
    option: `aggregation=${kind}`,
  });
  if (reduction === 'sum') return { node: sum, port: 0 };
  const scale = 1 / gradients.length;
  const mean = addScaled(editor, { node: sum, port: 0 }, scale, `aggregate/${variable}`, common, why);
  return { node: mean, port: 0 };
}
