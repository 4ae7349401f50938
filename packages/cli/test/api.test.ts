import { compile, defineModel, lenet, localCluster, printModule } from 'placewright';
import { expect, it } from 'vitest';

it('compiles a model in a few lines', () => {
  const { module } = compile(lenet(), { strategy: 'replicated', cluster: localCluster({ numGpus: 2 }) });
  const { text } = printModule(module);
  expect(text).toContain('@/device:GPU:1');
  expect(text).toContain('NcclAllReduce');
});

it('compiles a model of the user', () => {
  const model = defineModel({
    name: 'line',
    inputs: { x: { dtype: 'float32', shape: [3] }, y: { dtype: 'float32', shape: [1] } },
    build: (b, { x, y }) => {
      const weights = b.variable('weights', { shape: [3, 1] });
      return { loss: b.mean(b.square(b.sub(b.matMul(x, weights.value), y))) };
    },
  });
  const { module } = compile(model, {
    strategy: 'parameter_server',
    numGpus: 2,
    localParameterDevice: 'cpu',
  });
  const [weights] = [...module.resources.values()].filter(
    ({ kind, device }) => kind === 'variable' && device !== '',
  );
  expect(weights?.device).toBe('/device:CPU:0');
});
