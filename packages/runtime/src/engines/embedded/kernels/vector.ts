import { countsOf, type Expr, encodeProgram, type Operation, type Width } from './wasm.js';

// Arithmetic element by element over long arrays, as WebAssembly: four float32 or two float64 at a time, each operation
// rounded to the type itself. JavaScript computes in float64 and rounds after each operation, which takes several times
// as long.

export const array = (index: number): Expr => ({ kind: 'array', index });
export const scalar = (index: number): Expr => ({ kind: 'scalar', index });
export const constant = (value: number): Expr => ({ kind: 'constant', value });
const operation =
  (op: Operation) =>
  (...args: readonly Expr[]): Expr => ({ kind: 'operation', op, args });
export const add = operation('add');
export const sub = operation('sub');
export const mul = operation('mul');
export const div = operation('div');
export const sqrt = operation('sqrt');

export type Floats = Float32Array | Float64Array;

/** Fills each output from the inputs, all of one length and type; an output may be one of the inputs. */
export type VectorKernel = (
  inputs: readonly Floats[],
  outputs: readonly Floats[],
  scalars: readonly number[],
) => void;

/** Bytes of each array that the program works on at a time: all of them together fit a core's cache. */
const CHUNK = 32_768;

/** What there is here of the standard's `WebAssembly`: its types come with those of browsers alone. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** A kernel that gives the results in this order, for arrays of either type. Each is made when first needed. */
export function vectorKernel(results: readonly Expr[]): VectorKernel {
  const kernels = new Map<number, VectorKernel>();
  return (inputs, outputs, scalars) => {
    const width = (outputs[0]?.BYTES_PER_ELEMENT ?? 4) as Width;
    const kernel = kernels.get(width) ?? kernelOf(results, width);
    kernels.set(width, kernel);
    kernel(inputs, outputs, scalars);
  };
}

function kernelOf(results: readonly Expr[], width: Width): VectorKernel {
  const program = new WebAssembly.Module(encodeProgram(results, width, CHUNK));
  const { exports } = new WebAssembly.Instance(program);
  const run = exports.run as (end: number, ...scalars: readonly number[]) => void;
  const { buffer } = exports.memory as { readonly buffer: ArrayBuffer };
  const step = CHUNK / width;
  const slots = Array.from({ length: countsOf(results).arrays }, (_, i) =>
    width === 4 ? new Float32Array(buffer, i * CHUNK, step) : new Float64Array(buffer, i * CHUNK, step),
  );
  return (inputs, outputs, scalars) => {
    const length = outputs[0]?.length ?? 0;
    for (let from = 0; from < length; from += step) {
      const count = Math.min(step, length - from);
      inputs.forEach((input, i) => {
        slots[i]?.set(input.subarray(from, from + count));
      });
      run(count * width, ...scalars);
      outputs.forEach((output, i) => {
        output.set((slots[i] as Floats).subarray(0, count), from);
      });
    }
  };
}
