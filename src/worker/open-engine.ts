import type { OnnxProvider } from '../adapters/onnx-failure.js';
import { CpuEngine, loadMouthBasis } from '../engine/cpu/cpu-engine.js';
import type { Engine } from '../engine/engine.js';
import type { FaceEngineSettings, MuseTalkSettings } from '../engine/engine-settings.js';
import { faceBasisOf, materialFolder, materialKeyOf } from '../engine/face-basis.js';
import { decideCost, measureFaceCost } from '../engine/faces/cost-model.js';
import { FaceBatcher } from '../engine/faces/face-batcher.js';
import { FaceEngine } from '../engine/faces/face-engine.js';
import type { FaceFamily } from '../engine/faces/face-family.js';
import { InferenceThread } from '../engine/faces/inference-thread.js';
import { openMaterial } from '../engine/faces/material-store.js';
import { precisionOf, providerOf } from '../engine/provider.js';
import { MuseTalkFamily } from '../engine/musetalk/musetalk-family.js';
import { AppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import { Scope } from '../lib/scope.js';
import type { MeasuredNets, MuseTalkThreadOptions } from './musetalk-thread.js';
import type { FaceReadiness } from './protocol.js';

export interface OpenEngineOptions {
  modelsDir: string;
  avatarsDir: string;
  /** Absent: the CPU engine. */
  face?: FaceEngineSettings;
  log: Log;
}

/** Builds the engine of a worker or a job; one of generated faces is warmed up and timed first. */
export async function openEngine(
  options: OpenEngineOptions,
): Promise<{ engine: Engine; faces?: FaceReadiness }> {
  const { modelsDir, avatarsDir, face, log } = options;
  if (face === undefined) return { engine: await CpuEngine.create({ modelsDir, log }) };
  const scope = new Scope();
  try {
    const provider = providerOf(face);
    const basis = await faceBasisOf(face, precisionOf(provider));
    const { family, hear } = await openFamily(face, provider, scope, log);
    const cost = await measureFaceCost({ generator: family, hear, batch: face.batch });
    const plan = decideCost(cost, { fps: face.fps, mode: face.mode });
    log.info({ engine: face.name, ...plan }, 'engine measured');
    const batcher = new FaceBatcher({ generator: family, batch: plan.batch });
    scope.defer(() => batcher.close());
    const engine = new FaceEngine({
      family,
      submit: (inputs, features, signal) => batcher.submit(inputs, features, signal),
      plan,
      basis: await loadMouthBasis(modelsDir),
      async openMaterial(avatar) {
        const folder = materialFolder(avatarsDir, avatar.id, face.name);
        const key = materialKeyOf(face, basis, avatar);
        const material = await openMaterial(folder, { frameCount: avatar.frameCount, key });
        if (material !== undefined) return material;
        throw new AppError(
          'avatar-not-ready',
          `avatar ${avatar.id} is not prepared for the ${face.name} engine`,
        );
      },
      close: () => scope.close(),
      log,
    });
    return { engine, faces: { plan, basis } };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function openFamily(
  face: FaceEngineSettings,
  provider: OnnxProvider,
  scope: Scope,
  log: Log,
): Promise<{ family: FaceFamily; hear(): Promise<unknown> }> {
  const onDeath = (error: AppError) => {
    // Without its networks this process is of no use; its server starts another one.
    log.error({ err: error }, 'the inference thread died');
    process.exit(1);
  };
  const options: MuseTalkThreadOptions = { settings: face as MuseTalkSettings, provider, logLevel: 'info' };
  const thread = await InferenceThread.create<MeasuredNets>({
    module: new URL('./musetalk-thread.js', import.meta.url).href,
    options,
    urgent: ['hear'],
    onDeath,
  });
  scope.defer(() => thread.close());
  await thread.nets.warmUp(face.batch);
  const family = new MuseTalkFamily(thread.nets, (face as MuseTalkSettings).windows);
  return { family, hear: () => thread.nets.hear(new Float32Array(80 * 3000), 1500) };
}
