import {
  type DeviceName,
  edit,
  type GraphEditor,
  type Module,
  PlacewrightError,
  type Role,
  scalar,
  type TensorRef,
} from '@placewright/ir';
import { hostDevice, towerDevices } from '../devices.js';
import { definePass } from '../pass.js';
import { gradientsByVariable, type RoleOf, variableFinder } from '../roles.js';

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
  run: (module, options, { registry, cluster }) =>
    edit(module, registry, PASS, (editor) => {
      const find = variableFinder(module);
      let index = 0;
      for (const [variable, gradients] of gradientsByVariable(module)) {
        checkGradients(module, variable, gradients);
        const devices = {
          host: hostDevice(cluster),
          towers: towerDevices(cluster),
          home: find({ variable, replica: gradients[0]?.replica ?? null }).device,
        };
        for (const role of aggregate(editor, gradients, index, options, devices)) editor.addRole(role);
        index += 1;
      }
    }),
});

interface Devices {
  readonly host: DeviceName;
  readonly towers: readonly DeviceName[];
  /** Where the variable lives. */
  readonly home: DeviceName;
}

function checkGradients(module: Module, variable: string, gradients: readonly RoleOf<'gradient'>[]): void {
  if (gradients.length === module.towers) return;
  throw new PlacewrightError(
    'PW_TOWERS_UNEQUAL',
    `${gradients.length} of ${module.towers} towers have a gradient of ${JSON.stringify(variable)}`,
    { hint: 'every tower must compute the gradient of every trainable variable' },
  );
}

function aggregate(
  editor: GraphEditor,
  gradients: readonly RoleOf<'gradient'>[],
  index: number,
  { kind, reduction }: Options,
  devices: Devices,
): Role[] {
  const { variable } = gradients[0] ?? { variable: '' };
  const perTower = (tensorOf: (tower: number) => TensorRef): Role[] =>
    gradients.map(({ replica }, i) => ({ kind: 'aggregated', replica, variable, tensor: tensorOf(i) }));
  const own = (tower: number): TensorRef => gradients[tower]?.tensor ?? { node: 'n0', port: 0 };
  switch (kind) {
    case 'none':
      return perTower(own);
    case 'allReduce': {
      const node = addAllReduce(editor, gradients, variable, reduction);
      return perTower((port) => ({ node, port }));
    }
    case 'copyBesideVariable': {
      const tensor = addCopies(
        editor,
        gradients,
        variable,
        reduction,
        devices.home,
        'beside the variable',
        kind,
      );
      return [{ kind: 'aggregated', replica: null, variable, tensor }];
    }
    case 'copyOnHost': {
      const tensor = addCopies(editor, gradients, variable, reduction, devices.host, 'on the host', kind);
      return perTower(() => tensor);
    }
    case 'copyInTurn': {
      const device = devices.towers[index % devices.towers.length] ?? devices.host;
      const tensor = addCopies(
        editor,
        gradients,
        variable,
        reduction,
        device,
        `gradient ${index}: the tower devices in turn`,
        kind,
      );
      return perTower(() => tensor);
    }
  }
}

function addAllReduce(
  editor: GraphEditor,
  gradients: readonly RoleOf<'gradient'>[],
  variable: string,
  reduction: Reduction,
): `n${number}` {
  const from = gradients.map(({ tensor }) => tensor.node);
  return editor.addNode(
    {
      op: 'AllReduce',
      name: `aggregate/${variable}/AllReduce`,
      inputs: gradients.map(({ tensor }) => tensor),
      attrs: { reduction },
      variable,
      phase: 'aggregate',
    },
    { reason: `${reduction} of ${gradients.length} towers' gradients, on every tower`, from },
  );
}

function addCopies(
  editor: GraphEditor,
  gradients: readonly RoleOf<'gradient'>[],
  variable: string,
  reduction: Reduction,
  device: DeviceName,
  rule: string,
  kind: Aggregation,
): TensorRef {
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
    candidates: [],
    rule,
    option: `aggregation=${kind}`,
  });
  if (reduction === 'sum') return { node: sum, port: 0 };
  return {
    node: addScaled(
      editor,
      { node: sum, port: 0 },
      1 / gradients.length,
      `aggregate/${variable}`,
      common,
      why,
    ),
    port: 0,
  };
}

/** `tensor × factor`, on the device and with the phase of `common`. */
export function addScaled(
  editor: GraphEditor,
  tensor: TensorRef,
  factor: number,
  name: string,
  common: {
    readonly device: DeviceName;
    readonly variable: string | null;
    readonly phase: 'aggregate';
    readonly replica?: number | null;
  },
  why: { readonly reason: string; readonly from: readonly `n${number}`[] },
): `n${number}` {
  const by = editor.addNode(
    { op: 'Const', name: `${name}/scale`, attrs: { value: scalar('float32', factor) }, ...common },
    why,
  );
  return editor.addNode(
    { op: 'Mul', name: `${name}/Mul`, inputs: [tensor, { node: by, port: 0 }], ...common },
    why,
  );
}
