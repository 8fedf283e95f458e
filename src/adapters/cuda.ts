import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** Where the CUDA provider of onnxruntime-node lies once `npm run models -- cuda` has fetched it. */
export function cudaLibraryPath(
  packageDir = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
): string {
  return path.join(packageDir, 'bin', 'napi-v6', 'linux', 'x64', 'libonnxruntime_providers_cuda.so');
}

/** Whether the CUDA provider is installed; whether there is a GPU shows when a graph is loaded. */
export function cudaInstalled(): boolean {
  return process.platform === 'linux' && process.arch === 'x64' && existsSync(cudaLibraryPath());
}
