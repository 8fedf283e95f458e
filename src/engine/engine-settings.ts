import type { MuseTalkNetsOptions } from './musetalk/models/open-nets.js';
import type { UtteranceWindowOptions } from './musetalk/hearing/feature-windows.js';
import type { FaceParameters } from './faces/face-material.js';

/** Where and how networks compute. */
export interface ComputeSettings {
  provider: 'auto' | 'cpu' | 'cuda';
  gpuId: number;
  /** Threads of one run on a CPU. */
  threads: number;
}

/** What a worker or a job needs to know to build an engine of generated faces; plain JSON. */
export type FaceEngineSettings = MuseTalkSettings | Wav2LipSettings;

interface CommonFaceSettings {
  compute: ComputeSettings;
  /** Largest number of faces generated at once. */
  batch: number;
  mode: 'auto' | 'live' | 'prerendered';
  /** Frame rate that the cost is judged for. */
  fps: number;
  parameters: FaceParameters;
  /** Folder of the optional landmark, face presence and face parsing models. */
  faceModelsDir: string;
}

export interface MuseTalkSettings extends CommonFaceSettings {
  name: 'musetalk';
  folder: string;
  unetPath?: string;
  whisperPath?: string;
  /** The small decoder (TAESD) instead of the full one. */
  tinyDecoder: boolean;
  /** How its VAE files differ from the usual. */
  vaeOverrides: NonNullable<MuseTalkNetsOptions['overrides']>;
  windows: UtteranceWindowOptions;
}

export interface Wav2LipSettings extends CommonFaceSettings {
  name: 'wav2lip';
  modelPath: string;
  /** Order of the colours in the network's pictures; OpenCV's is bgr. */
  channelOrder: 'bgr' | 'rgb';
}
