import { cudaInstalled } from '../adapters/cuda.js';
import type { OnnxProvider } from '../adapters/onnx-failure.js';
import type { FaceEngineSettings } from './engine-settings.js';

/** Where the networks of an engine run; `auto` is the GPU where ONNX Runtime's CUDA provider is installed. */
export function providerOf({ compute }: FaceEngineSettings): OnnxProvider {
  const { provider, gpuId } = compute;
  const cuda = provider === 'cuda' || (provider === 'auto' && cudaInstalled());
  return cuda ? { provider: 'cuda', gpuId } : { provider: 'cpu' };
}

/** Half floats are twice as fast on a GPU and slower on a CPU. */
export function precisionOf({ provider }: OnnxProvider): 'fp16' | 'fp32' {
  return provider === 'cuda' ? 'fp16' : 'fp32';
}
