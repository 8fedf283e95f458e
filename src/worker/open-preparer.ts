import type { FaceEngineSettings } from '../engine/engine-settings.js';
import type { FaceFamily } from '../engine/faces/face-family.js';
import { openMuseTalkPreparer } from '../engine/musetalk/face-encoder.js';
import { modelFileOptions } from '../engine/musetalk/model-options.js';
import { Wav2LipFamily } from '../engine/wav2lip/wav2lip-family.js';
import type { Log } from '../lib/log.js';
import { precisionOf, providerOf } from '../engine/provider.js';

/** The part of a family that preparation needs, without the networks that draw. */
export type Preparer = Pick<FaceFamily, 'name' | 'faceSidePx' | 'inputValues' | 'prepare'> & {
  close(): Promise<void>;
};

/** Loads what prepares avatars for an engine. @throws as the engine itself when its files are missing or wrong */
export function openPreparer(face: FaceEngineSettings, log: Log): Promise<Preparer> {
  const provider = providerOf(face);
  if (face.name === 'wav2lip') return Wav2LipFamily.load({ ...face, provider, log });
  return openMuseTalkPreparer({
    ...modelFileOptions(face, precisionOf(provider)),
    provider,
    threads: face.compute.threads,
    overrides: face.vaeOverrides,
    log,
  });
}
