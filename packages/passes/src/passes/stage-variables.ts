import {
  ancestors,
  type DeviceName,
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  type ResourceId,
  type TensorRef,
  tensorKey,
  type VariableResource,
  type Why,
} from '@placewright/ir';
import { hostDevice, type Site, towerDevices } from '../devices.js';
import { addToStep } from '../entries.js';
import { definePass } from '../pass.js';
import { readOnto, replaceControls, type TowerRead, towerReads } from '../reads.js';
import { type RoleOf, rolesOf } from '../roles.js';
import { type Staged, stageTensor } from '../staging.js';
import { setWarmUp } from '../warm-up.js';

const PASS = 'stage-variables';
export const STAGED_COPIES = ['none', 'host'] as const;
export type StagedCopy = (typeof STAGED_COPIES)[number];

/**
 * Each tower reads variables through staging areas on its own device: it computes with what was read a step before,
 * while the next values are on their way (`StagedVariableGetter`). With `copy=host` each variable is read once, into a
 * copy on the host that all towers stage; else every tower reads for itself.
 *
 * What updates a variable outside of the optimizer (a moving average) then goes through a staging area too, on the
 * device where the tower takes the variable (`StagedModelVariable`). Of the other towers' moving averages, which no step
 * updates, the areas are there and nothing runs them, as in the original. Their variables are staged in every step
 * nonetheless; here they are taken out again too, where the original's areas grow by one value a step.
 *
 * The areas are filled by the entry `warmUp`. A Stage of phase `staging` puts a variable's value, one of phase
 * `update` the change of a moving average.
 */
export const stageVariables = definePass<{ copy: StagedCopy }>({
  name: PASS,
  summary: 'lets each tower read variables through a staging area, one step old',
  options: {
    copy: {
      summary: 'whether all towers stage one copy on the host',
      default: 'none',
      oneOf: STAGED_COPIES,
    },
  },
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, { copy }, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const staging = new Staging(editor, site, copy);
      for (const read of towerReads(module)) staging.stage(read);
      staging.redirect(module);
      const towers = towerDevices(site);
      const deltas = rolesOf(module, 'update').flatMap((role) => stageDelta(editor, role, towers));
      const running = new Set(module.entries.step?.rounds.flat() ?? []);
      const puts = [
        ...[...staging.areas.values()].map(({ stage }) => stage),
        ...deltas.flatMap(({ update, stage }) => (running.has(update) ? [stage] : [])),
      ];
      addToStep(editor, puts, { reason: 'stages the values for the next step' });
      takeOut(editor, staging.areas);
      setWarmUp(editor, { reason: 'stages the values for the first step' });
    }),
});

/** The staging areas of variables, as they are made. */
class Staging {
  /** By tower and variable: a second reading on the same tower takes what the first one staged. */
  readonly areas = new Map<string, Staged>();
  readonly #editor: GraphEditor;
  readonly #towers: readonly DeviceName[];
  readonly #host: DeviceName;
  readonly #copy: StagedCopy;
  /** The copy of each variable that the towers share. */
  readonly #copies = new Map<ResourceId, TensorRef>();
  readonly #tensors = new Map<string, TensorRef>();
  readonly #nodes = new Map<NodeId, NodeId>();

  constructor(editor: GraphEditor, site: Site, copy: StagedCopy) {
    this.#editor = editor;
    this.#towers = towerDevices(site);
    this.#host = hostDevice(site);
    this.#copy = copy;
  }

  stage(read: TowerRead): void {
    const { node, variable } = read;
    const key = `${node.replica} ${variable.id}`;
    const area = this.areas.get(key) ?? this.#stageOn(read, this.#towers[node.replica ?? 0] ?? '');
    this.areas.set(key, area);
    this.#tensors.set(tensorKey({ node: node.id, port: 0 }), area.tensor);
    this.#nodes.set(node.id, area.unstage);
  }

  /** Lets all that used the readings use what was staged. */
  redirect(module: Module): void {
    const why = { reason: 'computes with the staged value' };
    this.#editor.replaceTensors(this.#tensors, why, module.graph.nodes.keys());
    if (this.#copy === 'host') replaceControls(this.#editor, this.#nodes, why);
  }

  #stageOn(read: TowerRead, device: DeviceName): Staged {
    const { replica } = read.node;
    const { name } = read.variable;
    const why = {
      reason: `tower ${replica} computes with the value of ${name} of the step before`,
      from: [read.node.id],
    };
    const source = this.#copy === 'host' ? this.#hostCopy(read.variable) : this.#ownCopy(read, device, why);
    const spec = {
      name: `${name}/staged`,
      device,
      replica: replica ?? 0,
      variable: name,
      phase: 'staging' as const,
    };
    const staged = stageTensor(this.#editor, source, spec, why);
    this.#editor.decide({
      about: 'staging',
      subject: staged.area,
      chosen: device,
      candidates: [],
      rule: "a staging area on the tower's device",
      option: 'reading=staging',
    });
    return staged;
  }

  #ownCopy({ node, variable }: TowerRead, device: DeviceName, why: Why): TensorRef {
    const spec = {
      op: 'Identity',
      name: `${variable.name}/staged/Identity`,
      inputs: [{ node: node.id, port: 0 }],
      device,
      replica: node.replica,
      variable: variable.name,
      phase: 'staging' as const,
    };
    return { node: this.#editor.addNode(spec, why), port: 0 };
  }

  #hostCopy(variable: VariableResource): TensorRef {
    const known = this.#copies.get(variable.id);
    if (known !== undefined) return known;
    const copy = readOnto(
      this.#editor,
      variable,
      { name: `${variable.name}/staged`, device: this.#host, phase: 'staging', group: '' },
      { reason: `the host's copy of ${variable.name}, which all towers stage` },
    );
    this.#copies.set(variable.id, copy);
    return copy;
  }
}

/** Takes out of its area, in every step, what nothing of the step computes with. */
function takeOut(editor: GraphEditor, areas: ReadonlyMap<string, Staged>): void {
  const { step } = editor.entries;
  const running = ancestors(editor.graph, [
    ...(step?.rounds.flat() ?? []),
    ...(step?.fetches.map(({ tensor }) => tensor.node) ?? []),
    ...rolesOf(editor, 'gradient').map(({ tensor }) => tensor.node),
  ]);
  const idle = [...areas.values()].flatMap(({ unstage }) => (running.has(unstage) ? [] : [unstage]));
  addToStep(editor, idle, { reason: 'what is staged is taken out again' });
}

/** Lets an update take the change of the step before; gives its node and what puts the change of this step. */
function stageDelta(
  editor: GraphEditor,
  { node, variable, replica }: RoleOf<'update'>,
  towers: readonly DeviceName[],
): { readonly update: NodeId; readonly stage: NodeId }[] {
  const [delta, ...rest] = editor.node(node).inputs;
  if (delta === undefined) return [];
  const tower = replica ?? 0;
  const spec = {
    name: `${variable}/delta`,
    device: towers[tower] ?? '',
    replica: tower,
    variable,
    phase: 'update' as const,
  };
  const why = { reason: `the moving average ${variable} takes the change of the step before`, from: [node] };
  const staged = stageTensor(editor, delta, spec, why);
  editor.updateNode(node, { inputs: [staged.tensor, ...rest] }, why);
  return [{ update: node, stage: staged.stage }];
}
