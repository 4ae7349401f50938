import type { TensorType } from '@placewright/ir';
import type { EmitContext } from './context.js';

/** The context of the same node in which all float32 tensors are float64: cast on the way in, rounded on the way out. */
export function inFloat64(context: EmitContext): EmitContext {
  const { builder } = context;
  const widened = (index: number, form: string, read: () => string): string =>
    context.type(index).dtype === 'float32'
      ? context.derived(index, `float64 ${form}`, () => builder.cast(read(), 'float64'))
      : read();
  const rounded = (port: number, name: string): string =>
    context.output(port).dtype === 'float32' ? builder.cast(name, 'float32') : name;
  return {
    ...context,
    type: (index) => wide(context.type(index)),
    output: (port) => wide(context.output(port)),
    input: (index) => widened(index, 'plain', () => context.input(index)),
    image: (index) => widened(index, 'image', () => context.image(index)),
    derived: (index, key, make) => context.derived(index, `float64 ${key}`, make),
    set: (port, name) => context.set(port, rounded(port, name)),
    setImage: (port, name) => context.setImage(port, rounded(port, name)),
  };
}

function wide({ dtype, shape }: TensorType): TensorType {
  return { dtype: dtype === 'float32' ? 'float64' : dtype, shape };
}
