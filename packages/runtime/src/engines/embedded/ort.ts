import type { TensorValue } from '@placewright/ir';

type Ort = typeof import('onnxruntime-node');

let loading: Promise<Ort> | undefined;

/** ONNX Runtime, loaded when first needed: on a platform without its binary everything else still works. */
export function loadOrt(): Promise<Ort> {
  loading ??= import('onnxruntime-node');
  return loading;
}

/** A model that is ready to run. */
export interface OrtModel {
  /** Runs it on the inputs and gives the outputs, both in the model's order. Rejects with ONNX Runtime's own error. */
  run(inputs: readonly TensorValue[]): Promise<TensorValue[]>;
  release(): Promise<void>;
}

/** Prepares a model whose inputs are named `i0`, … and outputs `o0`, …. Rejects with ONNX Runtime's own error. */
export async function prepareModel(model: Uint8Array, threads: number): Promise<OrtModel> {
  const ort = await loadOrt();
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    // Threads that spin while they wait would take the cores of the other devices.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const { outputNames } = session;
  return {
    run: async (inputs) => {
      const feeds = Object.fromEntries(inputs.map((value, i) => [`i${i}`, toTensor(ort, value)]));
      const results = await session.run(feeds);
      return outputNames.map((name) => fromTensor(results[name] as import('onnxruntime-node').Tensor));
    },
    release: () => session.release(),
  };
}

function toTensor(ort: Ort, { dtype, shape, data }: TensorValue): import('onnxruntime-node').Tensor {
  // The names of the types are the same for all that a region can hold.
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
}

function fromTensor({ type, data, dims }: import('onnxruntime-node').Tensor): TensorValue {
  return { dtype: type as TensorValue['dtype'], shape: dims, data: data as TensorValue['data'] };
}
