import { modelFileOptions } from '../engine/musetalk/model-options.js';
import { MuseTalkNets, type StageMs } from '../engine/musetalk/musetalk-nets.js';
import { createLogger } from '../logger.js';
import { precisionOf, type MuseTalkThreadOptions } from './open-engine.js';

/** The networks as the thread's other side sees them: methods only, so figures are one, too. */
export type MeasuredNets = Pick<MuseTalkNets, 'hear' | 'prepare' | 'faces' | 'warmUp' | 'close'> & {
  stages(): StageMs;
};

/** What the inference thread of a MuseTalk worker hosts (engine/faces/inference-thread.ts). */
export async function createNets(options: MuseTalkThreadOptions): Promise<MeasuredNets> {
  const { settings, provider, logLevel, probe } = options;
  const nets = await MuseTalkNets.create({
    ...modelFileOptions(settings, precisionOf(provider)),
    provider,
    threads: settings.compute.threads,
    batch: settings.batch,
    log: createLogger(logLevel, { process: 'inference' }),
    ...(probe === false ? { overrides: { probe: 'off' } } : {}),
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
