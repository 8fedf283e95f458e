import type { OnnxProvider } from '../adapters/onnx-failure.js';
import type { FaceEngineSettings, MuseTalkSettings, Wav2LipSettings } from '../engine/engine-settings.js';
import type { FaceFamily } from '../engine/faces/face-family.js';
import { InferenceThread } from '../engine/faces/inference-thread.js';
import { MuseTalkFamily } from '../engine/musetalk/musetalk-family.js';
import { MEL_BANDS, SEGMENT_FRAMES } from '../engine/musetalk/hearing/whisper-mel.js';
import { SEGMENT_ROWS } from '../engine/musetalk/hearing/whisper-states.js';
import { Wav2LipRemote } from '../engine/wav2lip/wav2lip-remote.js';
import type { AppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import type { MeasuredNets, MuseTalkThreadOptions } from './musetalk-thread.js';
import { warmUpSizes } from './warm-up.js';
import type { Wav2LipNets, Wav2LipThreadOptions } from './wav2lip-thread.js';

/** A family whose networks run in a thread of this process. */
export interface OpenFamily {
  readonly family: FaceFamily;
  /** One run of the network that hears, for the cost model. */
  hear(): Promise<unknown>;
  /** Faces that fit into memory at once. */
  readonly batch: number;
  close(): Promise<void>;
}

/** Loads the networks of a family, and computes once so that their memory is taken and their plans are made. */
export function openFamily(
  face: FaceEngineSettings,
  provider: OnnxProvider,
  options: { logLevel: string; log: Log },
): Promise<OpenFamily> {
  const onDeath = (error: AppError): void => {
    // Without its networks this process is of no use; its server starts another one.
    options.log.error({ err: error }, 'the inference thread died');
    process.exit(1);
  };
  const { logLevel } = options;
  return face.name === 'musetalk'
    ? museTalk(face, { settings: face, provider, logLevel }, onDeath)
    : wav2lip({ settings: face, provider, logLevel }, onDeath);
}

async function museTalk(
  face: MuseTalkSettings,
  options: MuseTalkThreadOptions,
  onDeath: (error: AppError) => void,
): Promise<OpenFamily> {
  const thread = await InferenceThread.create<MeasuredNets>({
    module: new URL('./musetalk-thread.js', import.meta.url).href,
    options,
    urgent: ['hear'],
    onDeath,
  });
  let { batch } = face;
  try {
    // On a GPU part batches are filled up to a size that was warmed up. A CPU needs none of it.
    if (options.provider.provider === 'cuda')
      batch = await warmUpSizes(batch, (size) => thread.nets.warmUp(size));
  } catch (error) {
    await thread.close();
    throw error;
  }
  return {
    batch,
    family: new MuseTalkFamily(thread.nets, face.windows),
    hear: () => thread.nets.hear(new Float32Array(MEL_BANDS * SEGMENT_FRAMES), SEGMENT_ROWS),
    close: () => thread.close(),
  };
}

async function wav2lip(
  options: Wav2LipThreadOptions & { settings: Wav2LipSettings },
  onDeath: (error: AppError) => void,
): Promise<OpenFamily> {
  const thread = await InferenceThread.create<Wav2LipNets>({
    module: new URL('./wav2lip-thread.js', import.meta.url).href,
    options,
    onDeath,
  });
  const sidePx = await thread.nets.sidePx().catch(async (error: unknown) => {
    await thread.close();
    throw error;
  });
  return {
    batch: options.settings.batch,
    family: new Wav2LipRemote(thread.nets, sidePx),
    hear: () => Promise.resolve(), // arithmetic, no network
    close: () => thread.close(),
  };
}
