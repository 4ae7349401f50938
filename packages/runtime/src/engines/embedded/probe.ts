import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import type { EngineProbe } from '../../engine.js';
import { graphBuilder } from './onnx/builder.js';
import { encodeModel } from './onnx/proto.js';
import { loadOrt } from './ort.js';

type Detail = EngineProbe['details'][number];

/** What a provider needs that does not come with ONNX Runtime. */
const NEEDS: Readonly<Record<string, string>> = {
  webgpu:
    'it needs a GPU driver with Vulkan and its loader (Debian: libvulkan1); without a GPU, SwiftShader does: install ' +
    'chromium, and name its vk_swiftshader_icd.json in VK_DRIVER_FILES and VK_ICD_FILENAMES',
  cuda: "it needs NVIDIA's CUDA libraries and the provider's own, which are not in the package: run the install script of onnxruntime-node",
  tensorrt: "it needs NVIDIA's TensorRT libraries and the provider's own, which are not in the package",
  coreml: 'it needs macOS',
  dml: 'it needs Windows with DirectX 12',
};
const UNUSED = 'this version computes on the cpu provider alone';
const TRIAL_MS = 10_000;

/** Whether ONNX Runtime loads, and which of the providers that its binary lists work here. Never throws. */
export async function probeEmbedded(): Promise<EngineProbe> {
  try {
    const ort = await loadOrt();
    const backends = ort.listSupportedBackends();
    const version = ort.env.versions.node;
    const details = await Promise.all(backends.map(({ name, bundled }) => probeProvider(name, bundled)));
    return { available: true, ...(version === undefined ? {} : { version }), details };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const how = `onnxruntime-node has no binary for ${process.platform} ${process.arch}, or it does not load: ${text.split('\n')[0]}`;
    return { available: false, details: [{ name: 'onnxruntime-node', status: 'missing', how }] };
  }
}

async function probeProvider(provider: string, bundled: boolean): Promise<Detail> {
  const name = `provider ${provider}`;
  if (provider === 'cpu') return { name, status: 'available', how: `${availableParallelism()} cores` };
  const works = bundled && (await tryProvider(provider));
  if (works) return { name, status: 'available', how: UNUSED };
  const how = NEEDS[provider] ?? 'it does not start on this machine';
  return { name, status: 'missing', how };
}

const TRIAL = `
const [ort, provider, model] = process.argv.slice(1);
require(ort).InferenceSession.create(Buffer.from(model, 'base64'), { executionProviders: [provider] }).then(
  () => process.exit(0),
  () => process.exit(1),
);`;

/** Starts the provider in a process of its own: drivers crash, and write to the terminal as they like. */
function tryProvider(provider: string): Promise<boolean> {
  const builder = graphBuilder();
  builder.input('i0', 'float32', [1]);
  builder.output('i0', 'o0', 'float32', [1]);
  const model = Buffer.from(encodeModel(builder.finish('trial'))).toString('base64');
  const ort = createRequire(import.meta.url).resolve('onnxruntime-node');
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', TRIAL, ort, provider, model], { timeout: TRIAL_MS }, (error) => {
      resolve(error === null);
    });
  });
}
