import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { AppError } from '../errors.js';

export const CUDA_NEEDS =
  'The CUDA provider of onnxruntime-node needs an NVIDIA GPU with a driver for CUDA 12, and the CUDA 12 runtime and cuDNN 9 libraries where the loader finds them (LD_LIBRARY_PATH). A new npm ci removes it; then run this again.';

const LIBRARY = path.join('bin', 'napi-v6', 'linux', 'x64', 'libonnxruntime_providers_cuda.so');

export interface CudaOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `linux/x64`. */
  readonly platform: string;
  /** Folder of the package onnxruntime-node; for tests. */
  readonly packageDir?: string;
}

/**
 * Runs the package's own install script, which `npm ci --ignore-scripts` left out, and tells it to fetch the CUDA 12
 * libraries. Returns the path of the library. What the script says goes to stderr.
 * @throws AppError not-supported with one sentence
 */
export function installCuda(options: CudaOptions): string {
  if (options.platform !== 'linux/x64')
    throw new AppError(
      'not-supported',
      `onnxruntime-node has CUDA libraries for linux/x64 only, and this is ${options.platform}`,
    );
  const packageDir =
    options.packageDir ??
    path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const script = path.join(packageDir, 'script', 'install.js');
  if (!existsSync(script))
    throw new AppError('not-supported', `onnxruntime-node has no install script at ${script}; run npm ci`);
  // The variable goes before the script's flag of the same meaning, so it is set whatever the user's says.
  const run = spawnSync(process.execPath, [script], {
    cwd: packageDir,
    env: { ...options.env, ONNXRUNTIME_NODE_INSTALL: 'cuda12' },
    stdio: ['ignore', 2, 'pipe'],
    encoding: 'utf8',
  });
  const library = path.join(packageDir, LIBRARY);
  if (run.status === 0 && existsSync(library)) return library;
  const words = run.stderr.split('\n').find((line) => /^\w*Error\b/.test(line)) ?? '';
  throw new AppError(
    'not-supported',
    `the CUDA libraries were not installed: ${words.trim() || run.error?.message || `the script ended with ${run.signal ?? run.status}`}; it fetches them from api.nuget.org, which must be reachable`,
  );
}
