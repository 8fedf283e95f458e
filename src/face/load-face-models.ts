import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OnnxModel } from '../adapters/onnx.js';
import type { FloatTensor, OnnxModelOptions } from '../adapters/onnx.js';
import { AppError } from '../errors.js';
import { Scope } from '../lib/scope.js';
import { DWPose } from './dwpose.js';
import type { DWPoseOptions } from './dwpose.js';
import { runOne } from './network.js';
import type { Network } from './network.js';
import { S3FD } from './s3fd.js';

/** A face parsing network: [1,3,512,512] ImageNet-normalised RGB planes to logits [1,19,512,512], which are the caller's. */
export type FaceParser = (input: Float32Array) => Promise<Float32Array>;

export interface FaceModels {
  readonly landmarker?: DWPose;
  readonly faceFinder?: S3FD;
  readonly parser?: FaceParser;
  close(): Promise<void>;
}

/** What the files of each role are called; the first name that matches a file wins, of several files the first. */
const ROLES = {
  landmarker: {
    names: [/^dw-ll_ucoco_384\.onnx$/i, /^rtmpose.*\.onnx$/i],
    what: 'a landmark model (DWPose or RTMPose, 133 points, float32)',
  },
  faceFinder: {
    names: [/^s3fd.*\.onnx$/i],
    what: 'a face finder (S3FD, float32 pictures [1,3,h,w] of any size)',
  },
  parser: {
    names: [/^face_parsing\.onnx$/i, /^faceparser\.onnx$/i],
    what: 'a face parsing model (19 labels, float32 input [1,3,512,512])',
  },
} as const;

const PARSER_PX = 512;
const PARSER_LABELS = 19;

/** The paths of the models that `folder` holds, by role; the folder may be missing. */
export async function findFaceModels(folder: string): Promise<Partial<Record<keyof typeof ROLES, string>>> {
  const files = (await readdir(folder).catch(() => [])).sort();
  const found: Partial<Record<keyof typeof ROLES, string>> = {};
  for (const role of Object.keys(ROLES) as (keyof typeof ROLES)[]) {
    const file = ROLES[role].names.flatMap((name) => files.filter((each) => name.test(each)))[0];
    if (file !== undefined) found[role] = join(folder, file);
  }
  return found;
}

/**
 * Opens the landmark, face presence and face parsing models that `folder` holds; each may be missing, and so may the
 * folder. Every model is tried once, so that a wrong file is refused here.
 * @throws AppError model-invalid for a file with a right name and a wrong content, in one sentence
 */
export async function loadFaceModels(
  folder: string,
  options: OnnxModelOptions & DWPoseOptions = {},
): Promise<FaceModels> {
  const paths = await findFaceModels(folder);
  const scope = new Scope();
  try {
    const landmarker = await open('landmarker', (network) => DWPose.create(network, options));
    const faceFinder = await open('faceFinder', (network) => S3FD.create(network));
    const parser = await open('parser', parserOf);
    return {
      ...(landmarker && { landmarker }),
      ...(faceFinder && { faceFinder }),
      ...(parser && { parser }),
      close: () => scope.close(),
    };
  } catch (error) {
    await scope.close();
    throw error;
  }

  async function open<T>(
    role: keyof typeof ROLES,
    make: (network: Network) => Promise<T>,
  ): Promise<T | undefined> {
    const { what } = ROLES[role];
    const path = paths[role];
    if (path === undefined) return undefined;
    const network = await OnnxModel.load(path, options);
    scope.defer(() => network.close());
    try {
      return await make(network);
    } catch (cause) {
      const told = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, ' ');
      throw new AppError(
        'model-invalid',
        `${path} cannot be used as ${what}, replace or remove it: ${told}`,
        { cause },
      );
    }
  }
}

async function parserOf(network: Network): Promise<FaceParser> {
  const dims = [1, 3, PARSER_PX, PARSER_PX];
  const answer = async (data: Float32Array): Promise<FloatTensor | undefined> =>
    (await runOne(network, { data, dims }))[0];
  const found = (await answer(new Float32Array(3 * PARSER_PX * PARSER_PX)))?.dims ?? [];
  const expected = [1, PARSER_LABELS, PARSER_PX, PARSER_PX];
  if (found.join() !== expected.join()) {
    throw new AppError(
      'model-invalid',
      `its first output is [${found.join(',')}], expected [${expected.join(',')}]`,
    );
  }
  return async (input) => (await answer(input))?.data ?? new Float32Array(0);
}
