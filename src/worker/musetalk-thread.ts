import { modelFileOptions } from '../engine/musetalk/model-options.js';
import { MuseTalkNets, type StageMs } from '../engine/musetalk/musetalk-nets.js';
import { precisionOf } from '../engine/provider.js';
import type { OnnxProvider } from '../adapters/onnx-failure.js';
import type { MuseTalkSettings } from '../engine/engine-settings.js';
import { createLogger } from '../logger.js';

/** What the networks' thread is started with. */
export interface MuseTalkThreadOptions {
  settings: MuseTalkSettings;
  provider: OnnxProvider;
  logLevel: string;
}

/** The networks as the thread's other side sees them: methods only, so figures are one, too. */
export type MeasuredNets = Pick<MuseTalkNets, 'hear' | 'prepare' | 'faces' | 'warmUp' | 'close'> & {
  stages(): StageMs;
};

/** What the inference thread of a MuseTalk worker hosts (engine/faces/inference-thread.ts). */
export async function createNets(options: MuseTalkThreadOptions): Promise<MeasuredNets> {
  const { settings, provider, logLevel } = options;
  const nets = await MuseTalkNets.create({
    ...modelFileOptions(settings, precisionOf(provider)),
    provider,
    threads: settings.compute.threads,
    batch: settings.batch,
    log: createLogger(logLevel, { process: 'inference' }),
    overrides: settings.vaeOverrides,
  });
  return {
    hear: (mel, rows) => nets.hear(mel, rows),
    prepare: (crops) => nets.prepare(crops),
    faces: (inputs, features, count) => nets.faces(inputs, features, count),
    warmUp: (batch) => nets.warmUp(batch),
    stages: () => nets.stageMs,
    close: () => nets.close(),
  };
}
