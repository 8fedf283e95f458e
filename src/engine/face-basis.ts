import path from 'node:path';
import type { AvatarSource } from './engine.js';
import type { FaceEngineSettings } from './engine-settings.js';
import { DEFAULT_FACE_PARAMETERS, type FaceParameters } from './faces/face-material.js';
import { materialKey, type ExpectedMaterial, type MaterialOrigin } from './faces/material-file.js';
import { hashModelFiles } from './faces/file-hashes.js';
import { findModelFiles, type Precision } from './musetalk/models/model-files.js';
import { modelFileOptions } from './musetalk/model-options.js';
import { findFaceModels } from '../face/load-face-models.js';
import type { Wav2LipFaceFormat } from './wav2lip/wav2lip-planes.js';
import { wav2LipSidePx } from './wav2lip/wav2lip-model.js';

/** What prepared faces depend on besides their parameters: the models that were used, and which family they serve. */
export type FaceBasis = Omit<MaterialOrigin, 'parameters'>;

/** Parameters that one avatar may have for itself; the weights' version is the server's. */
export type AvatarFaceParameters = Partial<Omit<FaceParameters, 'version'>>;

/**
 * Hashes the files that a preparation uses (not the UNet and the decoder, which only draw). Wav2Lip's network only
 * draws, too: no more of it counts than how it takes a face.
 * @param faceSidePx of a Wav2Lip network that is loaded already; else its file is opened for it
 * @throws file-not-found, invalid-argument; model-invalid for a file that is no Wav2Lip network
 */
export async function faceBasisOf(
  settings: FaceEngineSettings,
  precision: Precision,
  faceSidePx?: number,
): Promise<FaceBasis> {
  const faceModels = await findFaceModels(settings.faceModelsDir);
  const common = {
    family: settings.name,
    landmarks: faceModels.landmarker === undefined ? 'mesh' : 'dwpose',
    parsing: faceModels.parser === undefined ? 'mesh' : 'parsing',
  };
  if (settings.name === 'wav2lip') {
    const { modelPath, channelOrder, compute } = settings;
    const sidePx = faceSidePx ?? (await wav2LipSidePx(modelPath, { threads: compute.threads }));
    const format: Wav2LipFaceFormat = { faceSidePx: sidePx, channelOrder };
    return { ...common, modelHashes: await hashModelFiles(faceModels), encoding: { ...format } };
  }
  const { vaeEncoder } = findModelFiles(modelFileOptions(settings, precision));
  const { encoderOrder, encoderScaling } = settings.vaeOverrides;
  return {
    ...common,
    modelHashes: await hashModelFiles({ ...faceModels, vaeEncoder }),
    encoding: {
      ...(encoderOrder === undefined ? {} : { encoderOrder }),
      ...(encoderScaling === undefined ? {} : { encoderScaling }),
    },
  };
}

/** Whether two bases give the same material. */
export function sameBasis(one: FaceBasis, other: FaceBasis): boolean {
  const [key, otherKey] = [one, other].map((basis) =>
    materialKey({ ...basis, parameters: DEFAULT_FACE_PARAMETERS }),
  );
  return key === otherKey;
}

/**
 * This avatar's parameters: the server's, with what it was created with instead. The version is that of the server's
 * weights whatever an avatar says.
 */
export function faceParametersOf(
  settings: FaceEngineSettings,
  avatar: Pick<AvatarSource, 'faceParameters'>,
): FaceParameters {
  const { parameters } = settings;
  return { ...parameters, ...avatar.faceParameters, version: parameters.version };
}

/** The material that an avatar must have for these models. */
export function materialFor(
  settings: FaceEngineSettings,
  basis: FaceBasis,
  avatar: Pick<AvatarSource, 'faceParameters' | 'frameCount'>,
): ExpectedMaterial {
  const key = materialKey({ ...basis, parameters: faceParametersOf(settings, avatar) });
  return { frameCount: avatar.frameCount, key };
}

/** Where a family's material lies in an avatar's folder. */
export function materialFolder(avatarsDir: string, avatarId: string, family: string): string {
  return path.join(avatarsDir, avatarId, family);
}
