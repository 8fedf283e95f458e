import { AvatarStore } from '../avatar/store.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import {
  faceBasisOf,
  faceParametersOf,
  materialFolder,
  sameBasis,
  type FaceBasis,
} from '../engine/face-basis.js';
import { MaterialWriter } from '../engine/faces/material-writer.js';
import { prepareMaterial, type MaterialSummary } from '../engine/faces/prepare-material.js';
import { AppError } from '../errors.js';
import { loadFaceModels } from '../face/load-face-models.js';
import type { Log } from '../lib/log.js';
import { Scope } from '../lib/scope.js';
import { precisionOf, providerOf } from '../engine/provider.js';
import { openPreparer } from './open-preparer.js';

export interface PrepareFacesInput {
  id: string;
  avatarsDir: string;
  face: FaceEngineSettings;
  /** What the engine that asks has loaded; absent: whatever the files are now. */
  basis?: FaceBasis;
}

/**
 * Makes what an engine of generated faces needs of an avatar, beside its pictures: boxes, masks, networks' inputs. What
 * was there before stays until the new is whole.
 * @throws model-invalid when the engine that asks has loaded other files than are there now: it would never use the
 *   material; what loading the models and prepareMaterial throw
 */
export async function prepareFaces(
  options: PrepareFacesInput & { onProgress(fraction: number): void; signal: AbortSignal; log: Log },
): Promise<MaterialSummary> {
  const { id, avatarsDir, face, onProgress, signal, log } = options;
  const scope = new Scope();
  try {
    const store = new AvatarStore(avatarsDir);
    const avatar = await store.open(id);
    scope.defer(() => avatar.close());
    const basis = await faceBasisOf(face, precisionOf(providerOf(face)));
    if (options.basis !== undefined && !sameBasis(basis, options.basis))
      throw new AppError(
        'model-invalid',
        `the model files of the ${face.name} engine changed since the server started: restart it`,
      );
    const family = await openPreparer(face, basis, log);
    scope.defer(() => family.close());
    const models = await loadFaceModels(face.faceModelsDir, { threads: face.compute.threads });
    scope.defer(() => models.close());
    const parameters = faceParametersOf(face, avatar);
    const writer = await MaterialWriter.create(materialFolder(avatarsDir, id, face.name), {
      ...basis,
      parameters,
      faceSidePx: family.faceSidePx,
      inputValues: family.inputValues,
    });
    scope.defer(() => writer.close());
    const summary = await prepareMaterial({
      ...{ avatar, family, parameters, onProgress, signal, log },
      landmarker: models.landmarker,
      faceFinder: models.faceFinder,
      parser: models.parser,
      sink: writer,
    });
    signal.throwIfAborted();
    await writer.finish();
    const notes = [...summary.notes];
    if (basis.landmarks === 'dwpose' && summary.landmarks === 'mesh')
      notes.unshift('The landmark model does not see this face; the face mesh took its part.');
    await store.noteFaces(id, face.name, notes);
    return { ...summary, notes };
  } finally {
    await scope.close();
  }
}
