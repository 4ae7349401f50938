import { describe } from 'vitest';
import { type NewResource, tensorType } from '../../src/index.js';
import { barrier, stagingArea, variable } from './support.js';
import { inferenceTable } from './table.js';

const w = variable('float32[2, 3]');
const SCALAR = 'float32[]';
const GRAD = 'float32[2, 3]';

describe('variables', () => {
  inferenceTable([
    ['ReadVariableOp', [], {}, [GRAD], [w]],
    ['ReadVariableOp', [], {}, /acts on 1 resource, not 0/],
    ['ReadVariableOp', [], {}, /acts on 1 resource, not 2/, [w, w]],
    ['ReadVariableOp', [], {}, /resource 0 is a barrier, not a variable/, [barrier]],
    ['AssignVariableOp', [GRAD], {}, [], [w]],
    ['AssignVariableOp', ['float32[?, 3]'], {}, [], [w]],
    ['AssignVariableOp', ['float32[3, 2]'], {}, /variable "w" is float32\[2, 3\]/, [w]],
    ['AssignVariableOp', ['float64[2, 3]'], {}, /input 0 is float64\[2, 3\]/, [w]],
    ['AssignAddVariableOp', ['int64[]'], {}, [], [variable('int64[]')]],
    ['AssignAddVariableOp', ['bool[]'], {}, /must be/, [variable('bool[]')]],
    ['AssignSubVariableOp', [GRAD], {}, [], [w]],
    ['AssignSubVariableOp', [SCALAR], {}, /input 0 is float32\[\]/, [w]],
  ]);
});

describe('optimizers', () => {
  const slot = variable('float32[2, 3]', 'w/Momentum');
  const other = variable('float32[3]', 'other');
  inferenceTable([
    ['ResourceApplyGradientDescent', [SCALAR, GRAD], {}, [], [w]],
    ['ResourceApplyGradientDescent', [GRAD, GRAD], {}, /alpha must have 0 dimensions/, [w]],
    ['ResourceApplyGradientDescent', [SCALAR, 'float32[3]'], {}, /input 1 is float32\[3\]/, [w]],
    ['ResourceApplyMomentum', [SCALAR, GRAD, SCALAR], { use_nesterov: true }, [], [w, slot]],
    ['ResourceApplyMomentum', [SCALAR, GRAD, SCALAR], {}, /acts on 2 resources, not 1/, [w]],
    ['ResourceApplyMomentum', [SCALAR, GRAD, SCALAR], {}, /slot accum is float32\[3\]/, [w, other]],
    ['ResourceApplyMomentum', [SCALAR, GRAD, 'float32[1]'], {}, /momentum must have 0 dimensions/, [w, slot]],
    ['ResourceApplyRMSProp', [SCALAR, SCALAR, SCALAR, SCALAR, GRAD], {}, [], [w, slot, slot]],
    [
      'ResourceApplyRMSProp',
      [SCALAR, SCALAR, SCALAR, SCALAR, SCALAR],
      {},
      /input 4 is float32\[\]/,
      [w, slot, slot],
    ],
    ['ResourceApplyRMSProp', [SCALAR, SCALAR, SCALAR, SCALAR, GRAD], {}, /slot mom is/, [w, slot, other]],
  ]);
});

describe('staging areas', () => {
  const area = stagingArea('float32[2]', 'int32[?]');
  inferenceTable([
    ['Stage', ['float32[2]', 'int32[4]'], {}, [], [area]],
    ['Stage', ['float32[2]'], {}, /takes 2 values, not 1/, [area]],
    ['Stage', ['float32[3]', 'int32[4]'], {}, /value 0 is float32\[3\]/, [area]],
    ['Stage', ['float32[2]', 'int64[4]'], {}, /value 1 is int64\[4\]/, [area]],
    ['Stage', [], {}, /one staging area/, [w]],
    ['Unstage', [], {}, ['float32[2]', 'int32[?]'], [area]],
    ['Unstage', [], {}, /one staging area/],
  ]);
});

describe('queues', () => {
  const types = [tensorType('float32', [2])];
  const queue: NewResource = {
    kind: 'queue',
    container: '',
    device: '',
    replica: null,
    name: 'queue',
    types,
    capacity: 2,
  };
  inferenceTable([
    ['QueueEnqueueV2', ['float32[2]'], {}, [], [queue]],
    ['QueueEnqueueV2', ['float32[3]'], {}, /value 0 is float32\[3\], but queue/, [queue]],
    ['QueueEnqueueV2', ['float32[2]'], {}, /one queue/, [stagingArea('float32[2]')]],
    ['QueueDequeueV2', [], {}, ['float32[2]'], [queue]],
    ['QueueDequeueV2', [], {}, /one queue/],
    ['QueueDequeueManyV2', [], { n: 2 }, ['float32[2, 2]'], [queue]],
    ['QueueDequeueManyV2', [], { n: 0 }, ['float32[0, 2]'], [queue]],
    ['QueueDequeueManyV2', [], { n: -1 }, /n -1 must be 0 or more/, [queue]],
    ['QueueDequeueManyV2', [], { n: 3 }, /takes 3 tuples at once, and queue "queue" has room for 2/, [queue]],
    ['QueueDequeueManyV2', [], { n: 1 }, /one queue/, [stagingArea('float32[2]')]],
  ]);
});

describe('communication', () => {
  inferenceTable([
    ['Transfer', ['bool[?, 2]'], {}, ['bool[?, 2]']],
    [
      'AllReduce',
      ['float32[?, 2]', 'float32[3, 2]'],
      { reduction: 'mean' },
      ['float32[3, 2]', 'float32[3, 2]'],
    ],
    ['AllReduce', [], {}, /nothing to reduce/],
    ['AllReduce', ['float32[2]', 'float32[3]'], {}, /shapes of the towers are/],
    ['AllReduce', ['float32[2]'], { reduction: 'max' }, /cannot be "max"/],
    ['NcclAllReduce', ['float32[2]'], { num_devices: 2, shared_name: 'a' }, ['float32[2]']],
    ['NcclAllReduce', ['float32[2]'], { num_devices: 0, shared_name: 'a' }, /num_devices 0/],
    ['NcclAllReduce', ['float32[2]'], { num_devices: 2, shared_name: '' }, /shared_name is empty/],
    [
      'NcclAllReduce',
      ['float32[2]'],
      { num_devices: 2, shared_name: 'a', reduction: 'max' },
      /cannot be "max"/,
    ],
    ['Barrier', [], {}, [], [barrier]],
    ['Barrier', [], {}, /one barrier/, [w]],
  ]);
});
