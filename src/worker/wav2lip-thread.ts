import type { OnnxProvider } from '../adapters/onnx-failure.js';
import type { Wav2LipSettings } from '../engine/engine-settings.js';
import { Wav2LipFamily } from '../engine/wav2lip/wav2lip-family.js';
import { createLogger } from '../logger.js';

/** What the network's thread is started with. */
export interface Wav2LipThreadOptions {
  settings: Wav2LipSettings;
  provider: OnnxProvider;
  logLevel: string;
}

/** The network as the thread's other side sees it: methods only. */
export type Wav2LipNets = Pick<Wav2LipFamily, 'prepare' | 'generate' | 'close'> & { sidePx(): number };

/** What the inference thread of a Wav2Lip worker hosts (engine/faces/inference-thread.ts). */
export async function createNets(options: Wav2LipThreadOptions): Promise<Wav2LipNets> {
  const { settings, provider, logLevel } = options;
  const family = await Wav2LipFamily.load({
    modelPath: settings.modelPath,
    channelOrder: settings.channelOrder,
    provider,
    threads: settings.compute.threads,
    maxBatch: settings.batch,
    log: createLogger(logLevel, { process: 'inference' }),
  });
  return {
    prepare: (crops) => family.prepare(crops),
    generate: (inputs, features, count) => family.generate(inputs, features, count),
    sidePx: () => family.faceSidePx,
    close: () => family.close(),
  };
}
