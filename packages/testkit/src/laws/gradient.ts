import { createInterpreter } from '@placewright/interp';
import { isFloat, type TensorValue } from '@placewright/ir';
import type { OpCase } from '../arbitraries/ops/case.js';
import type { Feeds } from '../lowered.js';
import { inFloat64, opModule } from '../op-module.js';
import { randomSource, sizeOf } from '../random.js';
import { must } from './law.js';

/** Step of the differences, in float64: rounding and curvature each leave some 1e-8 of error. */
const STEP = 1e-5;
const TOLERANCE = 1e-6;
/** Differences to either side that are further apart than this show a kink: a maximum that changes, a zero of ReLU. */
const KINK = 1e-3;

/**
 * Throws PW_LAW unless the gradient of an op, taken along a random direction of its inputs, is the difference quotient
 * of the op itself. Gives false where there is a kink, and nothing was checked.
 */
export function checkGradient(plan: OpCase, seed = 1): boolean {
  const wide = inFloat64(plan);
  const backward = opModule(wide, { backward: true });
  const session = createInterpreter(backward.module);
  const direction = directionOf(backward.feeds, seed);
  const at = (distance: number): Feeds => moved(backward.feeds, direction, distance);
  const fetches = session.run('step', backward.feeds);
  if (!fetches.has('sum')) return false;
  const names = [...direction.keys()];
  const gradients = names.map((name) => fetches.get(name.replace('in', 'grad')));
  const loss = (feeds: Feeds): number => Number(session.run('step', feeds).get('sum')?.data[0]);
  const [before, here, after] = [loss(at(-STEP)), loss(backward.feeds), loss(at(STEP))];
  const [left, right] = [(here - before) / STEP, (after - here) / STEP];
  const scale = Math.max(1, Math.abs(left), Math.abs(right));
  if (Math.abs(left - right) > KINK * scale) return false;
  const want = (after - before) / (2 * STEP);
  const got = names.reduce((sum, name, i) => sum + dot(gradients[i], direction.get(name)), 0);
  must(
    Math.abs(got - want) <= TOLERANCE * scale,
    () => `the gradient of ${plan.op} along a direction is ${got}, differences say ${want}`,
  );
  return true;
}

function directionOf(feeds: Feeds, seed: number): Map<string, Float64Array> {
  const random = randomSource(seed);
  return new Map(
    [...feeds].flatMap(([name, { dtype, shape }]) => {
      const direction = Float64Array.from({ length: sizeOf(shape) }, () => random() - 0.5);
      return isFloat(dtype) ? [[name, direction] as const] : [];
    }),
  );
}

function moved(feeds: Feeds, direction: ReadonlyMap<string, Float64Array>, distance: number): Feeds {
  return new Map(
    [...feeds].map(([name, value]): [string, TensorValue] => {
      const along = direction.get(name);
      if (along === undefined) return [name, value];
      const data = (value.data as Float64Array).map((x, i) => x + distance * (along[i] ?? 0));
      return [name, { ...value, data }];
    }),
  );
}

function dot(a: TensorValue | undefined, b: Float64Array | undefined): number {
  // An input that nothing flows to has no gradient, which is zero.
  if (a === undefined) return 0;
  let sum = 0;
  for (let i = 0; i < (b?.length ?? 0); i++) sum += Number(a.data[i]) * Number(b?.[i]);
  return sum;
}
