import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CpuEngine } from '../engine/cpu/cpu-engine.js';
import type { MouthTiming } from '../engine/cpu/mouth-model.js';
import type { Engine } from '../engine/engine.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import { faceBasisOf, materialFolder, materialFor } from '../engine/face-basis.js';
import { decideCost, measureFaceCost } from '../engine/faces/cost-model.js';
import { FaceBatcher } from '../engine/faces/face-batcher.js';
import { FaceEngine } from '../engine/faces/face-engine.js';
import { openMaterial } from '../engine/faces/material-store.js';
import { precisionOf, providerOf } from '../engine/provider.js';
import type { OnnxProvider } from '../adapters/onnx-failure.js';
import { AppError, isAppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import { Scope } from '../lib/scope.js';
import { openFamily, type OpenFamily } from './open-family.js';
import type { FaceReadiness } from './protocol.js';

export interface OpenEngineOptions {
  modelsDir: string;
  avatarsDir: string;
  /** Absent: the CPU engine. */
  face?: FaceEngineSettings;
  /** When the CPU engine's mouth is told; `sure` if absent. */
  lipTiming?: MouthTiming;
  /** Absolute path of a compiled {@link EngineModule} that is used instead of the CPU engine. */
  engineModule?: string;
  logLevel: string;
  log: Log;
}

/** What the file of another engine exports. */
export interface EngineModule {
  createEngine(): Promise<Engine>;
}

/** Builds the engine of a worker or a job; one of generated faces is warmed up and timed first. */
export async function openEngine(
  options: OpenEngineOptions,
): Promise<{ engine: Engine; faces?: FaceReadiness }> {
  const { modelsDir, avatarsDir, face, lipTiming = 'sure', engineModule, logLevel, log } = options;
  if (face === undefined && engineModule !== undefined) return { engine: await importEngine(engineModule) };
  if (face === undefined) return { engine: await CpuEngine.create({ modelsDir, lipTiming, log }) };
  const scope = new Scope();
  try {
    const { provider, opened } = await openSomewhere(face, { logLevel, log });
    const { family, hear, close } = opened;
    scope.defer(close);
    const basis = await faceBasisOf(face, precisionOf(provider), family.faceSidePx);
    const cost = await measureFaceCost({ generator: family, hear, batch: opened.batch });
    const maxWaitMs = 1000 / face.fps;
    const plan = decideCost(cost, { fps: face.fps, mode: face.mode, maxWaitMs });
    log.info({ engine: face.name, ...plan }, 'engine measured');
    const batcher = new FaceBatcher({ generator: family, batch: plan.batch, maxWaitMs });
    scope.defer(() => batcher.close());
    const engine = new FaceEngine({
      family,
      submit: (inputs, features, signal) => batcher.submit(inputs, features, signal),
      plan,
      async openMaterial(avatar) {
        // An action lies elsewhere than an avatar.
        const stored = avatar.folder === undefined ? avatarsDir : path.dirname(avatar.folder);
        const folder = materialFolder(stored, avatar.id, face.name);
        const material = await openMaterial(folder, materialFor(face, basis, avatar));
        if (material !== undefined) return material;
        throw new AppError(
          'avatar-not-ready',
          `avatar ${avatar.id} is not prepared for the ${face.name} engine`,
        );
      },
      close: () => scope.close(),
      log,
    });
    return { engine, faces: { plan, basis, provider: provider.provider } };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function importEngine(file: string): Promise<Engine> {
  const { createEngine } = (await import(pathToFileURL(file).href)) as EngineModule;
  return createEngine();
}

/** On the GPU where there is one; with the provider `auto` a GPU that cannot be used leaves the CPU. */
async function openSomewhere(
  face: FaceEngineSettings,
  options: { logLevel: string; log: Log },
): Promise<{ provider: OnnxProvider; opened: OpenFamily }> {
  const provider = providerOf(face);
  try {
    return { provider, opened: await openFamily(face, provider, options) };
  } catch (error) {
    if (
      face.compute.provider !== 'auto' ||
      provider.provider !== 'cuda' ||
      !isAppError(error, 'not-supported')
    )
      throw error;
    options.log.warn({ err: error }, 'CUDA cannot be used: the CPU computes instead');
    const cpu: OnnxProvider = { provider: 'cpu' };
    return { provider: cpu, opened: await openFamily(face, cpu, options) };
  }
}
