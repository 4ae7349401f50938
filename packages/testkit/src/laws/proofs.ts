import {
  builtinRegistry,
  deriveWarmUp,
  type Module,
  nodeName,
  nodeOf,
  type Violation,
  verify,
  verifyLinked,
} from '@placewright/ir';
import type { Contract } from '@placewright/passes';
import { clusterCase } from '../cluster-case.js';
import { type Law, must } from './law.js';

/**
 * What the verifier proves of every lowered graph, by itself and linked with those of the other workers; that the
 * warm-up is the one that follows from the graph; and, where the contract says so, that replicas stay equal.
 */
export const proofsLaw: Law = {
  name: 'proofs',
  summary:
    'nothing races or hangs, alone or in a cluster, and replicas stay equal where the contract says so',
  check: ({ case: plan, compilation: { module, contract } }) => {
    mustHold(verify(module, builtinRegistry, { all: true }));
    if (promises(module, contract)) mustHold(verify(module, builtinRegistry, EQUAL));
    checkWarmUp(module);
    if (plan.cluster.servers === 0) return;
    const { linked, contract: shared } = clusterCase(plan);
    mustHold(verifyLinked(linked, builtinRegistry, { all: true, permittedSkew: shared.permittedSkew }));
    if (promises(linked.module, shared)) mustHold(verifyLinked(linked, builtinRegistry, EQUAL));
  },
};

const EQUAL = { only: ['replicas-equal'] };

/** Where towers share their variables, there is nothing to be equal. */
const promises = ({ towers }: Module, { replicasStayEqual }: Contract): boolean =>
  replicasStayEqual && towers > 1;

function mustHold(violations: readonly Violation[]): void {
  const [first] = violations;
  must(first === undefined, () => `${first?.invariant}: ${first?.message}`);
}

function checkWarmUp(module: Module): void {
  const { warmUp, step } = module.entries;
  const text = (rounds: readonly (readonly `n${number}`[])[]): string =>
    rounds
      .map((round) =>
        round
          .map((id) => nodeName(nodeOf(module.graph, id)))
          .sort()
          .join(', '),
      )
      .join('; then ');
  const derived = text(deriveWarmUp(module, step?.rounds.flat() ?? []).rounds);
  const given = text(warmUp?.rounds ?? []);
  must(given === derived, () => `the warm-up puts ${given}, and the graph asks for ${derived}`);
}
