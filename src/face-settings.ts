import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Config } from './config.js';
import type { FaceEngineSettings, MuseTalkSettings } from './engine/engine-settings.js';
import { modelFileOptions } from './engine/musetalk/model-options.js';
import { findModelFiles } from './engine/musetalk/models/model-files.js';
import { AppError, toAppError } from './errors.js';

/**
 * The engine of generated faces that a configuration asks for and has the files of, or one sentence why there is none.
 * @throws model-invalid when an engine was asked for by name and its files are missing or are not ONNX
 */
export function faceSettingsOf(config: Config): FaceEngineSettings | { missing: string } {
  if (config.engine === 'cpu') return { missing: 'this server was started with --engine cpu' };
  const settings = config.engine === 'wav2lip' ? wav2lip(config) : museTalk(config);
  try {
    assertFiles(settings);
    return settings;
  } catch (error) {
    // Files that somebody named are meant to be used: their absence is not passed over.
    if (config.engine !== 'auto' || config.unetModelPath !== undefined || config.whisperDir !== undefined)
      throw error;
    if (!existsSync(config.musetalkDir))
      return { missing: 'no MuseTalk models are installed here; npm run models -- download fetches them' };
    // Clients read this: no path of the machine.
    const folder = path.basename(config.musetalkDir);
    return { missing: toAppError(error).message.replaceAll(config.musetalkDir, folder) };
  }
}

function common(config: Config) {
  return {
    compute: { provider: config.onnxProvider, gpuId: config.gpuId, threads: config.onnxThreads },
    batch: config.batchSize,
    mode: config.engineMode,
    fps: config.fps,
    faceModelsDir: config.musetalkDir,
    parameters: {
      version: config.version,
      bboxShiftPx: config.bboxShift,
      extraMarginPx: config.extraMargin,
      parsingMode: config.parsingMode,
      leftCheekWidthPx: config.leftCheekWidth,
      rightCheekWidthPx: config.rightCheekWidth,
      smoothBoxes: config.boxSmoothing,
    },
  };
}

function museTalk(config: Config): FaceEngineSettings {
  return {
    ...common(config),
    name: 'musetalk',
    folder: config.musetalkDir,
    ...(config.unetModelPath === undefined ? {} : { unetPath: path.resolve(config.unetModelPath) }),
    ...(config.whisperDir === undefined ? {} : { whisperPath: path.resolve(config.whisperDir) }),
    tinyDecoder: config.vaeType === 'taesd',
    vaeOverrides: Object.fromEntries(
      config.vaeOverrides.map((given) => given.split('=')),
    ) as MuseTalkSettings['vaeOverrides'],
    windows: {
      audioPaddingLengthLeft: config.audioPaddingLeft,
      audioPaddingLengthRight: config.audioPaddingRight,
      reference: config.referenceWindows,
    },
  };
}

function wav2lip(config: Config): FaceEngineSettings {
  return {
    ...common(config),
    name: 'wav2lip',
    modelPath: config.wav2lipModel,
    channelOrder: config.wav2lipOrder,
  };
}

function assertFiles(settings: FaceEngineSettings): void {
  if (settings.name === 'musetalk') {
    findModelFiles(modelFileOptions(settings, 'fp32'));
    return;
  }
  if (!existsSync(settings.modelPath))
    throw new AppError(
      'model-invalid',
      `there is no Wav2Lip model at ${settings.modelPath}; name one with --wav2lip-model`,
    );
}
