import { type DeviceSpec, formatDevice } from '@placewright/ir';
import fc from 'fast-check';
import { record } from './record.js';

/** Partial and full device names as their parts. */
export function deviceSpecs(): fc.Arbitrary<DeviceSpec> {
  const part = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  return record({
    job: part(fc.constantFrom('ps', 'worker', 'a_1')),
    replica: part(fc.nat(2)),
    task: part(fc.nat(3)),
    type: part(fc.constantFrom('CPU', 'GPU', 'TPU', 'XLA_CPU')),
    index: part(fc.nat(9)),
  }).map((parts) => {
    const spec: { -readonly [K in keyof DeviceSpec]: DeviceSpec[K] } = {};
    if (parts.job !== undefined) spec.job = parts.job;
    if (parts.replica !== undefined) spec.replica = parts.replica;
    if (parts.task !== undefined) spec.task = parts.task;
    if (parts.type !== undefined) spec.type = parts.type;
    if (parts.type !== undefined && parts.index !== undefined) spec.index = parts.index;
    return spec;
  });
}

/** Canonical device names, the empty one among them. */
export function deviceNames(): fc.Arbitrary<string> {
  return deviceSpecs().map(formatDevice);
}
