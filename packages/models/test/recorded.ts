/** A variable as recorded: name, shape, and whether it is trained. */
export type Recorded = readonly [name: string, shape: readonly number[], trainable: boolean];

const trained = (entries: readonly (readonly [string, readonly number[]])[]): readonly Recorded[] =>
  entries.map(([name, shape]) => [name, shape, true]);

/** Variables that tf_cnn_benchmarks itself creates for these models, in that order, `global_step` left out. */
export const RECORDED: ReadonlyMap<string, readonly Recorded[]> = new Map([
  [
    'lenet',
    trained([
      ['conv0/conv2d/kernel', [5, 5, 3, 32]],
      ['conv0/biases', [32]],
      ['conv1/conv2d/kernel', [5, 5, 32, 64]],
      ['conv1/biases', [64]],
      ['affine0/weights', [3136, 512]],
      ['affine0/biases', [512]],
      ['affine1/weights', [512, 1001]],
      ['affine1/biases', [1001]],
    ]),
  ],
  [
    'trivial',
    trained([
      ['affine0/weights', [154587, 1]],
      ['affine0/biases', [1]],
      ['affine1/weights', [1, 4096]],
      ['affine1/biases', [4096]],
      ['affine2/weights', [4096, 1001]],
      ['affine2/biases', [1001]],
    ]),
  ],
  [
    'tiny',
    trained([
      ['conv0/conv2d/kernel', [3, 3, 3, 8]],
      ['conv0/biases', [8]],
      ['conv1/conv2d/kernel', [3, 3, 8, 16]],
      ['conv1/biases', [16]],
      ['affine0/weights', [144, 32]],
      ['affine0/biases', [32]],
      ['affine1/weights', [32, 11]],
      ['affine1/biases', [11]],
    ]),
  ],
  [
    'tinybn',
    [
      ['conv0/conv2d/kernel', [3, 3, 3, 8], true],
      ['conv0/batchnorm0/beta', [8], true],
      ['conv0/batchnorm0/gamma', [8], true],
      ['conv0/batchnorm0/moving_mean', [8], false],
      ['conv0/batchnorm0/moving_variance', [8], false],
      ['conv1/conv2d/kernel', [3, 3, 8, 16], true],
      ['conv1/batchnorm1/beta', [16], true],
      ['conv1/batchnorm1/gamma', [16], true],
      ['conv1/batchnorm1/moving_mean', [16], false],
      ['conv1/batchnorm1/moving_variance', [16], false],
      ['affine0/weights', [144, 32], true],
      ['affine0/biases', [32], true],
      ['affine1/weights', [32, 11], true],
      ['affine1/biases', [11], true],
    ],
  ],
]);
