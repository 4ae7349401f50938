import type { EngineProbe } from '../../engine.js';
import { loadOrt } from './ort.js';

/** What to do for a provider that the binary lists but that this machine lacks something for. */
const NEEDS: Readonly<Record<string, string>> = {
  cpu: 'reinstall onnxruntime-node',
};
export async function probeEmbedded(): Promise<EngineProbe> {
  try {
    await loadOrt();
    return { available: true, details: [] };
  } catch (error) {
    return {
      available: false,
      details: [{ name: 'onnxruntime-node', status: 'missing', how: NEEDS[String(error)] ?? '' }],
    };
  }
}
