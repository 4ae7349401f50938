import type { GraphEditor, Why } from '../editor.js';
import { PlacewrightError } from '../errors.js';
import type { NodeId, ResourceId, TensorRef } from '../graph.js';
import { formatShape, isStatic, type Shape } from '../shape.js';

/** How a variable starts. Random ones draw from a counter-based generator keyed by the seed and the variable's logical name. */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  /** Normal, redrawn beyond two standard deviations. */
  | { readonly kind: 'truncatedNormal'; readonly stddev: number }
  /** Uniform in ±√(6/(fanIn+fanOut)) (Glorot and Bengio 2010), TensorFlow's default for kernels. */
  | { readonly kind: 'glorotUniform' };

/** FNV-1a, 32 bits: a seed that depends on the variable's name alone, so that every placement draws the same values. */
export function nameSeed(name: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 1;
}

/** Numbers of inputs and outputs of one unit of a kernel: receptive field × channels. */
function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const channels = shape.slice(-2);
  const field = shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
  const last = channels.at(-1) ?? 1;
  return { fanIn: field * (channels.length > 1 ? (channels[0] ?? 1) : last), fanOut: field * last };
}

/** Adds the nodes of an initial value. Throws PW_VARIABLE_SHAPE when the shape is not fully known. */
export function addInitialValue(
  editor: GraphEditor,
  init: Initializer,
  spec: { readonly name: string; readonly shape: Shape; readonly seed: number },
  why: Why,
): TensorRef {
  const { shape } = spec;
  if (!isStatic(shape)) {
    throw new PlacewrightError(
      'PW_VARIABLE_SHAPE',
      `variable ${JSON.stringify(spec.name)} has the shape ${formatShape(shape)}`,
      {
        hint: 'a variable needs a fully known shape',
      },
    );
  }
  const seed = nameSeed(spec.name, spec.seed);
  const add = (op: string, attrs: Record<string, number | readonly number[] | string>): TensorRef => ({
    node: editor.addNode(
      {
        op,
        name: `${spec.name}/Initializer/${op}`,
        attrs: { shape, ...attrs },
        phase: 'init',
        variable: spec.name,
      },
      why,
    ),
    port: 0,
  });
  switch (init.kind) {
    case 'zeros':
      return add('Fill', { value: 0, dtype: 'float32' });
    case 'ones':
      return add('Fill', { value: 1, dtype: 'float32' });
    case 'constant':
      return add('Fill', { value: init.value, dtype: 'float32' });
    case 'truncatedNormal':
      return add('StatelessTruncatedNormal', { seed, stddev: init.stddev });
    case 'glorotUniform': {
      const { fanIn, fanOut } = fans(shape);
      const limit = Math.sqrt(6 / Math.max(1, fanIn + fanOut));
      return add('StatelessRandomUniform', { seed, minval: -limit, maxval: limit });
    }
  }
}

/** Adds the assignment of an initial value, placed with the variable later; an `initializer` role goes with it. */
export function addInitializer(
  editor: GraphEditor,
  init: Initializer,
  variable: {
    readonly id: ResourceId;
    readonly name: string;
    readonly shape: Shape;
    readonly seed: number;
    readonly replica: number | null;
  },
  why: Why,
): NodeId {
  const value = addInitialValue(editor, init, variable, why);
  const node = editor.addNode(
    {
      op: 'AssignVariableOp',
      name: `${variable.name}/Assign`,
      inputs: [value],
      resources: [variable.id],
      phase: 'init',
      variable: variable.name,
    },
    why,
  );
  editor.addRole({ kind: 'initializer', replica: variable.replica, variable: variable.name, node });
  return node;
}
