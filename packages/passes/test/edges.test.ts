import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

// What the original does at its edges and what is easily got wrong of it, sentence by sentence, with the tests of each.

/** A test: its file, from `packages`, and its title as the file has it. */
type Tested = readonly [file: string, title: string];

const gradients = (title: string): Tested => ['passes/test/edges-gradients.test.ts', title];
const variables = (title: string): Tested => ['passes/test/edges-variables.test.ts', title];
const cluster = (title: string): Tested => ['passes/test/cluster-passes.test.ts', title];
const placed = (title: string): Tested => ['passes/test/place-variables.test.ts', title];
const cached = (title: string): Tested => ['passes/test/cache-reads.test.ts', title];
const staged = (title: string): Tested => ['passes/test/staging.test.ts', title];
const rule = (title: string): Tested => ['testkit/src/models/rules.ts', title];
const workers = (title: string): Tested => ['testkit/test/cluster.test.ts', title];
const zoo = (title: string): Tested => ['models/test/zoo.test.ts', title];

const SENTENCES: Readonly<Record<string, readonly Tested[]>> = {
  'replicated sums gradients': [gradients('replicated: its effective learning rate is N times')],
  'parameter_server and distributed_replicated take the mean over towers': [gradients('%s: the mean')],
  'distributed_replicated then also adds over workers': [
    workers('workers that wait for each other see all updates of the step before, under any schedule'),
  ],
  'ParamServerDeviceSetter counts elements': [
    rule('ParamServerDeviceSetter: the tower device with the fewest elements'),
  ],
  'the greedy strategy counts bytes, ties go to the lowest index': [
    placed('puts each variable on the server with the fewest bytes, the first on a tie'),
    rule('the greedy strategy: the server with the fewest bytes'),
  ],
  'only the first tower’s setter accumulates': [placed('gives the later towers’ setters zeros')],
  'non-trainable moments count': [placed('counts what is not trained, and nothing outside of the towers')],
  'the setter must know VarHandleOp': [
    variables('would not know `VarHandleOp` and put all variables on tower 0: ours must know it'),
  ],
  'global_step goes past both balancers: to the host locally': [variables('to the host locally')],
  'to /job:ps/task:0 in a cluster through a separate round-robin': [
    variables('to `/job:ps/task:0` in a cluster, through a separate round-robin'),
  ],
  'which the shadow variables go on with, whatever their bytes': [
    cluster('goes on with the turns of %i servers after global_step, whatever the sizes'),
    rule('replica_device_setter: the servers in turn, and shadows go on after global_step'),
  ],
  'small variables are cached on the host and do not count': [
    cached('is the host for small variables, which do not count'),
    rule('OverrideCachingDevice: small ones on the host, others where the fewest elements are kept'),
  ],
  'each tower has a getter and counts of its own, only the first tower’s choice takes effect': [
    cached('is the tower with the fewest elements, the first on a tie'),
    cached('reads each variable once a step, for all towers'),
  ],
  'aggregation on the worker’s CPU in distributed parameter_server, the update on the ps': [
    gradients('on the worker’s CPU in distributed `parameter_server`, the update on the ps'),
  ],
  'beside the variable in local parameter_server': [
    gradients('beside the variable in local `parameter_server`'),
  ],
  'in turn by gradient index over the GPUs in replicated by copy': [
    gradients('in turn by gradient index over the GPUs in `replicated` by copy'),
    rule('gradients are copied to the tower devices in turn'),
  ],
  'batch-norm updates of tower 0 alone are run': [
    gradients('in `replicated` only `v0`’s moving statistics change'),
    gradients('by tower 0’s batch: %s'),
  ],
  'the other towers’ delta staging areas exist, and nothing runs them': [
    staged('are put and taken on tower 0 alone'),
  ],
  'independent saves all towers’ variables': [variables("it('saves all'")],
  'independent copies nothing after initialisation, so its towers differ': [
    variables('copies nothing, and differs'),
  ],
  'distributed_replicated saves under the name without the prefix; slots and v0/ variables are in it': [
    variables('what is saved is keyed by the name without the shadow prefix'),
    rule('the keys of a checkpoint'),
  ],
  'the local copies are trainable': [variables('the local copies are trainable')],
  'the barrier’s counter is incremented before the modulo': [
    cluster('puts the barriers on the servers in turn, from the second on, past the gate'),
    rule('barriers: counted up before the modulo, queues by prefix and worker, no name twice'),
  ],
  'barriers are made in the order of the gradients, that of the step’s end last': [
    ['passes/test/cluster-compile.test.ts', 'synchronous: every step ends with a barrier'],
  ],
  'queue names are the original’s up to 10 workers, and never collide': [
    cluster('%i workers, %i variables: keeps names where all differ'),
  ],
  'asynchronous mode still makes one execution_barrier_': [
    cluster('asynchronous: waits in an entry of its own, and in no step'),
  ],
  'staged variables stage the gradients too: losses follow two steps behind': [
    gradients('losses repeat once, then follow two steps behind, with %i towers'),
  ],
  'optimizer slots live with their variable and pass every balancer by': [
    variables('optimizer slots live with their variable and pass every balancer by: %s'),
    rule('slots live beside their variable, past every balancer'),
  ],
  'the post-init copies of replicated copy slots and moving statistics as well': [
    variables('the post-init copies of `replicated` copy slots and moving statistics as well: $kind'),
    rule('what is copied after initialisation'),
  ],
  'an op that already has a device keeps it': [
    variables('on every tower: %s'),
    placed('keeps a server, and counts where it would have gone'),
  ],
  'replica_device_setter merges partial names': [
    variables('`replica_device_setter` merges partial names: %s'),
    rule('the greedy strategy with devices of the user, whole and in part'),
  ],
  'with one tower there is no Mul, and AddN of one is elided': [
    gradients('nothing but the update is left: %s'),
    gradients('an all-reduce of one tower is kept'),
  ],
  'variables outside the towers’ scopes are saved and not copied': [
    variables('whatever they are called: %s'),
  ],
  'a name that merely begins with v, such as vocab/x, must not break post-init': [
    variables('whose name merely begins with `v`, such as `vocab/x`, is as any other: %s'),
  ],
  'collections: none given leaves the variable global, a given one is kept': [
    variables('none given leaves the variable global'),
    [
      'passes/test/scope-variables.test.ts',
      'are those of the definition, the global one where it names none',
    ],
    rule('collections: the given one kept, local for the towers of distributed_replicated'),
  ],
  'names that begin with ps_var are left alone': [
    ['passes/test/scope-variables.test.ts', 'stay as they are outside of the towers, shadows’ names or not'],
  ],
  'a second request for a staged variable on the same tower returns the same Unstage': [
    staged('give a second request on the same tower the same Unstage'),
    gradients('a second request on the same tower returns the same `Unstage`, and its updates are staged'),
  ],
  'updates of staged non-trainable variables go through areas on the device of the Unstage': [
    gradients('go through delta staging areas on the device of the `Unstage`, with colocation cleared there'),
  ],
  'shadow variables start from the initial value of tower 0’s variable': [
    variables('shadow variables start from the initial value of tower 0’s variable'),
  ],
  'a variable without a gradient': [
    ['passes/test/compile.test.ts', 'names a trainable variable that the loss does not depend on'],
  ],
  'towers with unequal lists': [
    ['passes/test/passes.test.ts', 'aggregate-gradients: towers with unequal lists are refused'],
    gradients('two gradients of one tower do not stand for two towers'),
  ],
  'variables of unknown shape': [gradients('variables of unknown shape cannot be counted by %s')],
  'different variables under one gradient': [
    gradients('different variables under one gradient, with %i towers'),
  ],
  'several workers’ updates are a sum for SGD only': [workers('are each there once, seed %i')],
  'momentum and RMSProp take one step per worker, in the order of arrival': [
    workers('are a step of momentum each, in the order of arrival'),
  ],
  'the chief initialises, the other workers wait for it': [
    cluster('leaves global variables to the first worker'),
    [
      'ir/test/verify/no-race-across-tasks.test.ts',
      'are initialised by the first worker before the others begin',
    ],
    rule('the chief initialises what is shared, every worker what is its own'),
  ],
  'weight decay is added on every tower': [
    gradients('each tower decays each trainable variable once'),
    gradients('%s: λ·w comes into the update with every tower'),
  ],
  'dropout never drops, real dropout is off unless asked for': [
    ['models/test/layers.test.ts', 'dropout drops nothing unless asked to, as in tf_cnn_benchmarks'],
    ['models/test/layers.test.ts', 'real dropout draws by the step and the tower, in training alone'],
  ],
  'momentum is Nesterov’s': [
    gradients('a step goes by the gradient and by what has gathered, this step’s included'),
  ],
  'the moving variance takes the unbiased variance of the batch': [
    zoo('moves its averages by the batch, the variance by the unbiased one, in every step'),
  ],
  'without its gate the original races, over workers too': [
    ['testkit/test/cluster-training.test.ts', 'need the gate: without it, as in the original'],
    ['testkit/test/proofs.test.ts', "the original's race, which no gate keeps apart"],
    ['ir/test/verify/invariants.test.ts', 'finds a read that an update does not wait for'],
  ],
};

const textOf = (file: string): string =>
  readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').replace(/'\s*\+\s*'/g, '');

describe('each sentence on the original’s edges has its tests', () => {
  it.each(Object.entries(SENTENCES))('%s', (_, tests) => {
    expect(tests.length).toBeGreaterThan(0);
    for (const [file, title] of tests) expect(textOf(file), `${file} has no test ${title}`).toContain(title);
  });
});
