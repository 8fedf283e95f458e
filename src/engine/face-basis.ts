import path from 'node:path';
import type { AvatarSource } from './engine.js';
import type { FaceEngineSettings } from './engine-settings.js';
import type { FaceParameters } from './faces/face-material.js';
import { materialKey, type ExpectedMaterial, type MaterialOrigin } from './faces/material-file.js';
import { hashModelFiles } from './faces/file-hashes.js';
import { findModelFiles, type Precision } from './musetalk/models/model-files.js';
import { modelFileOptions } from './musetalk/model-options.js';
import { findFaceModels } from '../face/load-face-models.js';

/** What prepared faces depend on besides their parameters: the models that were used, and which family they serve. */
export type FaceBasis = Omit<MaterialOrigin, 'parameters'>;

/**
 * Hashes the files that a preparation uses (not the UNet and the decoder, which only draw).
 * @throws file-not-found, invalid-argument
 */
export async function faceBasisOf(settings: FaceEngineSettings, precision: Precision): Promise<FaceBasis> {
  const faceModels = await findFaceModels(settings.faceModelsDir);
  const files: Record<string, string> = { ...faceModels };
  if (settings.name === 'musetalk')
    files['vaeEncoder'] = findModelFiles(modelFileOptions(settings, precision)).vaeEncoder;
  else files['model'] = settings.modelPath;
  return {
    family: settings.name,
    modelHashes: await hashModelFiles(files),
    landmarks: faceModels.landmarker === undefined ? 'mesh' : 'dwpose',
    parsing: faceModels.parser === undefined ? 'mesh' : 'parsing',
  };
}

/** This avatar's parameters: the server's, with what it was created with instead. */
export function faceParametersOf(
  settings: FaceEngineSettings,
  avatar: Pick<AvatarSource, 'faceParameters'>,
): FaceParameters {
  return { ...settings.parameters, ...avatar.faceParameters };
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
