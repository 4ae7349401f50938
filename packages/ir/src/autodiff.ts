export { type GradientOptions, gradients } from './autodiff/reverse.js';
export { addWeightDecay, differentiate, type VariableTensor } from './autodiff/training.js';
