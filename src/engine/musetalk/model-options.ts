import type { MuseTalkSettings } from '../engine-settings.js';
import type { ModelFileOptions, Precision } from './models/model-files.js';

/** Which files a MuseTalk engine's settings name. */
export function modelFileOptions(settings: MuseTalkSettings, precision: Precision): ModelFileOptions {
  const { folder, unetPath, whisperPath, tinyDecoder, parameters } = settings;
  return {
    folder,
    precision,
    version: parameters.version,
    tiny: tinyDecoder,
    paths: {
      ...(unetPath === undefined ? {} : { unet: unetPath }),
      ...(whisperPath === undefined ? {} : { whisperEncoder: whisperPath }),
    },
  };
}
