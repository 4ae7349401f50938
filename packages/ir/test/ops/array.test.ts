import { describe } from 'vitest';
import { tensorOf } from '../../src/tensor.js';
import { inferenceTable } from './table.js';

describe('values', () => {
  inferenceTable([
    ['Const', [], { value: tensorOf('float64', [2], [1, 2]) }, ['float64[2]']],
    ['Placeholder', [], { dtype: 'string', shape: [null, 2] }, ['string[?, 2]']],
    ['Placeholder', [], { dtype: 'float32', shape: [-1] }, /must be shape/],
    ['Placeholder', [], { dtype: 'float32', shape: [65536, 65536] }, /has 4294967296 elements/],
    ['Placeholder', [], { dtype: 'float32' }, /lacks its attribute "shape"/],
    ['Identity', ['bool[?]'], {}, ['bool[?]']],
    ['StopGradient', ['float32[2]'], {}, ['float32[2]']],
    ['NoOp', [], {}, []],
    ['NoOp', ['float32[]'], {}, /takes 0 inputs/],
    ['Shape', ['float32[?, 2, 3]'], {}, ['int32[3]']],
    ['Shape', ['bool[]'], {}, ['int32[0]']],
    ['Size', ['float32[?, 2]'], {}, ['int32[]']],
    ['Cast', ['bool[?, 2]'], { DstT: 'float16' }, ['float16[?, 2]']],
    ['Cast', ['string[2]'], { DstT: 'float32' }, /cannot convert string\[2\]/],
    ['Cast', ['float32[2]'], { DstT: 'complex64' }, /no element type/],
    ['ZerosLike', ['int64[?]'], {}, ['int64[?]']],
    ['OnesLike', ['float64[2]'], {}, ['float64[2]']],
    ['ZerosLike', ['string[2]'], {}, /must be float32/],
    ['Fill', [], { shape: [2, 0], value: 1, dtype: 'bfloat16' }, ['bfloat16[2, 0]']],
    ['Fill', [], { shape: [null], value: 1, dtype: 'float32' }, /fully known/],
    ['Fill', [], { shape: [], value: 1, dtype: 'string' }, /strings/],
    ['ArgMax', ['float32[?, 10]'], { axis: 1 }, ['int64[?]']],
    ['ArgMax', ['float32[2, 10, 3]'], { axis: -2 }, ['int64[2, 3]']],
    ['ArgMax', ['float32[2]'], { axis: 1 }, /axis 1 is outside/],
    ['ArgMax', ['float32[2, 0]'], { axis: 1 }, /no elements/],
    ['ArgMax', ['bool[2]'], { axis: 0 }, /must be/],
    ['OneHot', ['int32[?]'], { depth: 10 }, ['float32[?, 10]']],
    ['OneHot', ['uint8[]'], { depth: 0, dtype: 'float64' }, ['float64[0]']],
    ['OneHot', ['int32[?]'], { depth: -1 }, /depth -1 is negative/],
    ['OneHot', ['int32[?]'], { depth: 2, dtype: 'int32' }, /not a float/],
    ['OneHot', ['float32[?]'], { depth: 2 }, /must be int32/],
  ]);
});

describe('random numbers', () => {
  inferenceTable([
    ['StatelessRandomUniform', [], { shape: [3, 2], seed: 1 }, ['float32[3, 2]']],
    ['StatelessRandomNormal', [], { shape: [], seed: 4294967295 }, ['float32[]']],
    ['StatelessTruncatedNormal', [], { shape: [0], seed: 1, seed2: 2 }, ['float32[0]']],
    ['StatelessRandomUniform', [], { shape: [null], seed: 1 }, /fully known/],
    ['StatelessRandomUniform', [], { shape: [1], seed: -1 }, /seed -1 must be/],
    ['StatelessRandomNormal', [], { shape: [1], seed: 1, seed2: 4294967296 }, /seed2 4294967296 must be/],
    ['StatelessRandomUniformV2', [[3, 2], 'int64[2]'], {}, ['float32[3, 2]']],
    ['StatelessRandomUniformV2', ['int32[2]', 'int64[2]'], { seed: 1 }, ['float32[?, ?]']],
    ['StatelessRandomUniformV2', ['int32[2]', 'int64[?]'], {}, ['float32[?, ?]']],
    ['StatelessRandomUniformV2', [[3, -1], 'int64[2]'], {}, /negative dimension/],
    ['StatelessRandomUniformV2', ['int32[?]', 'int64[2]'], {}, /length of shape is not known/],
    ['StatelessRandomUniformV2', [[3], 'int64[3]'], {}, /must hold 2 numbers, not 3/],
    ['StatelessRandomUniformV2', [[3], 'int64[]'], {}, /seed must have 1 dimension/],
    ['StatelessRandomUniformV2', [[3], 'int32[2]'], {}, /must be int64/],
    ['StatelessRandomUniformV2', [[3], 'int64[2]'], { seed2: -1 }, /seed2 -1 must be/],
  ]);
});
