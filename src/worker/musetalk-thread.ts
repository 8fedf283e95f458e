import { modelFileOptions } from '../engine/musetalk/model-options.js';
import { MuseTalkNets } from '../engine/musetalk/musetalk-nets.js';
import { createLogger } from '../logger.js';
import { precisionOf, type MuseTalkThreadOptions } from './open-engine.js';

/** What the inference thread of a MuseTalk worker hosts (engine/faces/inference-thread.ts). */
export function createNets({ settings, provider, logLevel }: MuseTalkThreadOptions): Promise<MuseTalkNets> {
  return MuseTalkNets.create({
    ...modelFileOptions(settings, precisionOf(provider)),
    provider,
    threads: settings.compute.threads,
    batch: settings.batch,
    log: createLogger(logLevel, { process: 'inference' }),
  });
}
