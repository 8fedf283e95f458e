import type { FaceEngineSettings } from '../engine/engine-settings.js';
import type { FaceBasis } from '../engine/face-basis.js';
import type { FaceFamily } from '../engine/faces/face-family.js';
import { openMuseTalkPreparer } from '../engine/musetalk/face-encoder.js';
import { modelFileOptions } from '../engine/musetalk/model-options.js';
import { wav2LipPreparer } from '../engine/wav2lip/wav2lip-planes.js';
import type { Log } from '../lib/log.js';
import { precisionOf, providerOf } from '../engine/provider.js';

/** The part of a family that preparation needs, without the networks that draw. */
export type Preparer = Pick<FaceFamily, 'name' | 'faceSidePx' | 'inputValues' | 'prepare'> & {
  close(): Promise<void>;
};

/**
 * Loads what prepares avatars for an engine.
 * @param basis what faceBasisOf says of the same settings
 * @throws as the engine itself when its files are missing or wrong
 */
export async function openPreparer(face: FaceEngineSettings, basis: FaceBasis, log: Log): Promise<Preparer> {
  if (face.name === 'wav2lip')
    return wav2LipPreparer({
      faceSidePx: Number(basis.encoding?.['faceSidePx']),
      channelOrder: face.channelOrder,
    });
  const provider = providerOf(face);
  return openMuseTalkPreparer({
    ...modelFileOptions(face, precisionOf(provider)),
    provider,
    threads: face.compute.threads,
    overrides: face.vaeOverrides,
    log,
  });
}
