import { DTYPE_BYTES, entryNodes, type Module, nodeOf, type TensorType } from '@placewright/ir';
import { summarisePlacement } from '@placewright/passes';
import { sizeOf } from '../random.js';
import { type Law, must } from './law.js';

/** The summary's bytes are those of the step's transfers and collectives, counted in another way. */
export const trafficLaw: Law = {
  name: 'traffic',
  summary: 'the summary of what is copied adds up to the transfers and all-reduces of the step',
  check: ({ compilation: { module }, case: { batch } }) => {
    const { devices, traffic } = summarisePlacement(module, { batch });
    const want = stepBytes(module, batch);
    const total = traffic.reduce((sum, { bytes }) => sum + bytes, 0);
    const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.max(1, b);
    must(near(total, want), () => `the summary says ${total} bytes a step, not ${want}`);
    const sent = devices.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
    const received = devices.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    must(
      near(sent, want) && near(received, want),
      () => `devices send ${sent} and receive ${received} bytes, not ${want}`,
    );
  },
};

/** Bytes of all transfers, and 2·(n−1)·b for a ring of n over b bytes: (n−1)/n of them from each member, twice. */
function stepBytes(module: Module, batch: number): number {
  const { step } = module.entries;
  if (step === undefined) return 0;
  let bytes = 0;
  for (const id of entryNodes(module, step)) {
    const { op, outputs, attrs } = nodeOf(module.graph, id);
    const [type] = outputs;
    if (type === undefined) continue;
    if (op === 'Transfer') bytes += sizeInBytes(type, batch);
    const ring = attrs.get('num_devices');
    if (op === 'NcclAllReduce' && ring?.kind === 'int')
      bytes += (2 * sizeInBytes(type, batch) * (ring.value - 1)) / ring.value;
  }
  return bytes;
}

function sizeInBytes({ dtype, shape }: TensorType, batch: number): number {
  return DTYPE_BYTES[dtype] * sizeOf(shape.map((dim) => dim ?? batch));
}
