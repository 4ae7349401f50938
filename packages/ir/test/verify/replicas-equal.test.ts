import { describe, expect, it } from 'vitest';
import type { NewNode } from '../../src/editor.js';
import type { NodeId, ResourceId } from '../../src/graph.js';
import type { LinkedModule } from '../../src/link.js';
import { builtinRegistry } from '../../src/registry.js';
import { scalar } from '../../src/tensor.js';
import { verifyLinked } from '../../src/verify/registry.js';
import { alone, cluster, type Worker } from '../support/cluster.js';
import { out, why } from '../support/modules.js';

const faults = (linked: LinkedModule): string[] =>
  verifyLinked(linked, builtinRegistry, { only: ['replicas-equal'] }).map(({ message }) => message);

const GPU = ['/device:GPU:0', '/device:CPU:0'] as const;

/** A tower of a worker, with a copy of `w` and its slot. */
class Tower {
  readonly worker: Worker;
  readonly replica: number;
  readonly w: ResourceId;
  readonly slot: ResourceId;

  constructor(worker: Worker, replica: number) {
    this.worker = worker;
    this.replica = replica;
    this.w = this.#variable('w', null);
    this.slot = this.#variable('w/Momentum', this.w);
  }

  get device(): string {
    return `/job:worker/task:${this.worker.task}${GPU[this.replica] ?? ''}`;
  }

  #variable(name: string, slotOf: ResourceId | null): ResourceId {
    return this.worker.editor.addResource(
      {
        ...{ kind: 'variable', name, scope: `v${this.replica}`, container: '', device: this.device },
        ...{ replica: this.replica, dtype: 'float32', shape: [], trainable: slotOf === null },
        ...{ collection: 'local', slotOf, savedAs: null },
      },
      why,
    );
  }

  node(op: string, name: string, more: Partial<NewNode> = {}): NodeId {
    return this.worker.node(op, name, { device: this.device, replica: this.replica, ...more });
  }

  value(value: number, name = 'value'): NodeId {
    return this.node('Const', name, { attrs: { value: scalar('float32', value) } });
  }

  read(controls: readonly NodeId[] = []): NodeId {
    return this.node('ReadVariableOp', 'read', { resources: [this.w], controls });
  }

  assign(variable: ResourceId, value: NodeId, controls: readonly NodeId[] = []): NodeId {
    return this.node('AssignVariableOp', 'assign', { inputs: [out(value)], resources: [variable], controls });
  }

  /** A gradient of its own, which depends on what the tower reads. */
  gradient(): NodeId {
    const x = this.node('Mul', 'gradient', {
      inputs: [out(this.read()), out(this.value(this.replica + 2, 'x'))],
    });
    return this.node('Neg', 'neg', { inputs: [out(x)] });
  }

  apply(gradient: NodeId, rate = 0.5, nesterov = false): NodeId {
    return this.node('ResourceApplyMomentum', 'apply', {
      inputs: [out(this.value(rate, 'rate')), out(gradient), out(this.value(0.9, 'momentum'))],
      attrs: { use_nesterov: nesterov },
      resources: [this.w, this.slot],
      controls: [gradient],
    });
  }
}

type Copying = 'all' | 'no copy' | 'no slot';

/** Two towers whose gradients are summed, and what `update` makes of the sum. */
function replicated(
  update: (tower: Tower, sum: NodeId) => NodeId,
  copying: Copying = 'all',
  reduce: 'nccl' | 'add' = 'nccl',
): LinkedModule {
  return alone((worker) => {
    const towers = [0, 1].map((replica) => new Tower(worker, replica));
    const [first, second] = towers as [Tower, Tower];
    const starts = towers.map((tower) => tower.assign(tower.w, tower.value(tower.replica, 'start')));
    const slots = towers.map((tower) =>
      tower.assign(tower.slot, tower.value(copying === 'no slot' ? tower.replica : 0, 'zero')),
    );
    worker.runs('init', [...starts, ...slots]);
    if (copying !== 'no copy') worker.runs('postInit', [second.assign(second.w, first.read())]);
    const gradients = towers.map((tower) => tower.gradient());
    const sums =
      reduce === 'add'
        ? towers
            .map(() => worker.node('AddN', 'sum', { inputs: gradients.map((node) => out(node)) }))
            .slice(0, 1)
        : towers.map((tower, i) =>
            tower.node('NcclAllReduce', 'sum', {
              inputs: [out(gradients[i] as NodeId)],
              attrs: { num_devices: 2, shared_name: 'sum', reduction: 'sum' },
            }),
          );
    worker.runs(
      'step',
      towers.map((tower, i) => update(tower, sums[i] ?? (sums[0] as NodeId))),
    );
  });
}

describe('towers', () => {
  it('stay equal with one sum for all, by a collective or by copies', () => {
    expect(faults(replicated((tower, sum) => tower.apply(sum)))).toEqual([]);
    expect(faults(replicated((tower, sum) => tower.apply(sum), 'all', 'add'))).toEqual([]);
  });

  it('do not with gradients of their own', () => {
    expect(faults(replicated((tower) => tower.apply(tower.gradient())))).toEqual([
      '"v0/w" and "v1/w" do not stay equal: "tower_0/x_1" and "tower_1/x_1" differ in value',
      '"v0/w/Momentum" and "v1/w/Momentum" do not stay equal: "tower_0/x_1" and "tower_1/x_1" differ in value',
    ]);
  });

  it('do not with learning rates or rules of their own', () => {
    expect(faults(replicated((tower, sum) => tower.apply(sum, 0.5 + tower.replica)))[0]).toBe(
      '"v0/w" and "v1/w" do not stay equal: "tower_0/rate" and "tower_1/rate" differ in value',
    );
    expect(faults(replicated((tower, sum) => tower.apply(sum, 0.5, tower.replica === 1)))[0]).toBe(
      '"v0/w" and "v1/w" do not stay equal: "tower_0/apply" and "tower_1/apply" differ in use_nesterov',
    );
  });

  it('do not where only one is updated, or in another way', () => {
    const found = faults(
      replicated((tower, sum) => (tower.replica === 0 ? tower.apply(sum) : tower.node('NoOp', 'nothing'))),
    );
    expect(found[0]).toBe(
      '"v0/w" and "v1/w" do not stay equal: "tower_0/apply" writes one, nothing writes the other',
    );
  });

  it('may compute from their own copies, as long as these are equal', () => {
    const own = (tower: Tower): NodeId =>
      tower.apply(tower.node('Square', 'square', { inputs: [out(tower.read())] }));
    expect(faults(replicated(own))).toEqual([]);
  });

  it('do not start equal without a copy, unless both start from the same value', () => {
    expect(faults(replicated((tower, sum) => tower.apply(sum), 'no copy'))).toEqual([
      '"v0/w" and "v1/w" do not start equal: "tower_0/start" and "tower_1/start" differ in value',
    ]);
    expect(faults(replicated((tower, sum) => tower.apply(sum), 'no slot'))).toEqual([
      '"v0/w/Momentum" and "v1/w/Momentum" do not start equal: "tower_0/zero" and "tower_1/zero" differ in value',
    ]);
  });
});

describe('workers', () => {
  /** Copies of a shared variable, which all update, taken when all have or at once. */
  const copied = (gate: boolean) =>
    cluster(2, (worker) => {
      const tower = new Tower(worker, 0);
      const shared = worker.shared('ps/w');
      if (worker.task === 0) worker.runs('init', [worker.write(shared, [], '', 'init')]);
      else worker.runs('init', [worker.node('NoOp', 'wait')]);
      const start = worker.read(shared, [], 'read_start');
      worker.runs('postInit', [
        worker.wait('start', [tower.assign(tower.w, start)]),
        tower.assign(tower.slot, tower.value(0)),
      ]);
      const update = worker.write(shared, [], 'Add', 'update');
      const read = worker.read(shared, gate ? [worker.wait('all', [update])] : [update], 'read_update');
      worker.runs('step', [worker.wait('end', [tower.assign(tower.w, read)])]);
    });

  it('stay equal where all copy what all have updated', () => {
    expect(faults(copied(true))).toEqual([]);
  });

  it('cannot be shown to where copies and updates are not ordered', () => {
    const violations = verifyLinked(copied(false), builtinRegistry, { only: ['replicas-equal'] });
    expect(violations.map(({ invariant }) => invariant)).toEqual([
      'no-race-across-tasks',
      'no-race-across-tasks',
    ]);
  });
});
