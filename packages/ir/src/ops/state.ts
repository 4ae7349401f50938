import { FLOATS, NUMBERS } from '../dtype.js';
import type { VariableResource } from '../graph.js';
import { resourceName } from '../graph.js';
import type { Effect, InferContext, OpDecl, ResourceEffect } from '../op.js';
import { compatible, formatShape, formatType, type TensorType, tensorType } from '../shape.js';
import { BOOL_FALSE, checkKind, declareOps, ranked, same } from './shared.js';

const effects = (...list: readonly ResourceEffect[]): Effect => ({ kind: 'resources', effects: list });

/** The variable at an index of the node's resources. */
function variableAt(context: InferContext, index: number): VariableResource {
  const resource = context.resources[index];
  if (resource?.kind === 'variable') return resource;
  return context.fail(
    resource === undefined
      ? `it lacks its resource ${index}, a variable`
      : `its resource ${index} is a ${resource.kind}, not a variable`,
  );
}

function checkCount(context: InferContext, count: number): void {
  if (context.resources.length !== count) {
    context.fail(`it acts on ${count} resource${count === 1 ? '' : 's'}, not ${context.resources.length}`);
  }
}

/** Fails unless the input can be the value of the variable. */
function checkValue(context: InferContext, index: number, variable: VariableResource): void {
  const value = context.input(index);
  if (value.dtype !== variable.dtype || !compatible(value.shape, variable.shape)) {
    const name = JSON.stringify(resourceName(variable));
    context.fail(`input ${index} is ${formatType(value)}, but variable ${name} is ${formatType(variable)}`);
  }
}

/** An update of a variable by the value of input 0. */
function assignment(summary: string): Omit<OpDecl, 'op'> {
  return {
    summary,
    inputs: [same('value')],
    attrs: {},
    effect: effects('write'),
    infer: (context) => {
      checkCount(context, 1);
      checkValue(context, 0, variableAt(context, 0));
      return [];
    },
    gradient: 'none',
  };
}

/** Shape function of an optimizer's update: `names` are the inputs, all scalars but `tensor`. */
function updateOf(slots: readonly string[], names: readonly string[], tensor: string): OpDecl['infer'] {
  return (context): readonly TensorType[] => {
    checkCount(context, 1 + slots.length);
    checkKind(context, FLOATS);
    const variable = variableAt(context, 0);
    slots.forEach((slot, i) => {
      const { dtype, shape } = variableAt(context, i + 1);
      if (dtype !== variable.dtype || !compatible(shape, variable.shape)) {
        context.fail(
          `its slot ${slot} is ${dtype}${formatShape(shape)}, but the variable is ${formatType(variable)}`,
        );
      }
    });
    names.forEach((name, i) => {
      if (name === tensor) checkValue(context, i, variable);
      else ranked(context, i, 0, name);
    });
    return [];
  };
}

function update(
  summary: string,
  slots: readonly string[],
  names: readonly string[],
  attrs: OpDecl['attrs'] = {},
): Omit<OpDecl, 'op'> {
  return {
    summary,
    inputs: names.map(same),
    attrs,
    effect: effects('write', ...slots.map(() => 'write' as const)),
    infer: updateOf(slots, names, names.includes('grad') ? 'grad' : 'delta'),
    gradient: 'none',
  };
}

/** Reads and updates of variables. `resources[0]` is the variable, the others are its slots. */
export const stateOps = declareOps({
  ReadVariableOp: {
    summary: 'the value of the variable',
    inputs: [],
    attrs: {},
    effect: effects('read'),
    infer: (context) => {
      checkCount(context, 1);
      const { dtype, shape } = variableAt(context, 0);
      return [tensorType(dtype, shape)];
    },
    // Gradients are taken by what a read gives: autodiff treats it as a leaf.
    gradient: 'none',
  },
  AssignVariableOp: assignment('variable = value'),
  AssignAddVariableOp: numeric(assignment('variable += value')),
  AssignSubVariableOp: numeric(assignment('variable −= value')),
  ResourceApplyGradientDescent: update('variable −= alpha·delta', [], ['alpha', 'delta']),
  ResourceApplyMomentum: update(
    'accum = accum·momentum + grad; variable −= lr·accum, with Nesterov lr·grad + lr·momentum·accum',
    ['accum'],
    ['lr', 'grad', 'momentum'],
    { use_nesterov: BOOL_FALSE },
  ),
  ResourceApplyRMSProp: update(
    'ms += (grad² − ms)(1 − rho); mom = mom·momentum + lr·grad/√(ms + epsilon); variable −= mom',
    ['ms', 'mom'],
    ['lr', 'rho', 'momentum', 'epsilon', 'grad'],
  ),
});

/** The same op for numbers alone. */
function numeric(decl: Omit<OpDecl, 'op'>): Omit<OpDecl, 'op'> {
  return {
    ...decl,
    infer: (context) => {
      checkKind(context, NUMBERS);
      return decl.infer(context);
    },
  };
}
