import { existsSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { AppError } from '../../../errors.js';

/** The networks of MuseTalk. The tiny decoder (TAESD) may stand in for the decoder. */
export type MuseTalkRole = 'unet' | 'vaeEncoder' | 'vaeDecoder' | 'vaeDecoderTiny' | 'whisperEncoder';
export type Precision = 'fp32' | 'fp16';

export interface ModelFileOptions {
  /** Where the files are looked for by name. */
  readonly folder?: string;
  /** Paths that come before the search. A folder is searched for its role's names (the reference's whisper_dir). */
  readonly paths?: Readonly<Partial<Record<MuseTalkRole, string>>>;
  /** Which files are taken where a folder has both; the other kind if it has only that. */
  readonly precision: Precision;
  /** Weights whose names carry a version: v15 (the default) prefers `_v15`, v1 never takes it. */
  readonly version?: 'v1' | 'v15';
  /** Takes the tiny decoder: about 18 times less work, slightly softer teeth. */
  readonly tiny?: boolean;
}

/** One set of files, each of which exists. */
export interface MuseTalkFiles {
  readonly unet: string;
  readonly vaeEncoder: string;
  readonly vaeDecoder: string;
  readonly whisperEncoder: string;
  /** Whether vaeDecoder is the tiny one. */
  readonly tiny: boolean;
  /** A decoder to turn to when the half-float one overflows; undefined if there is no other file. */
  readonly vaeDecoderFp32: string | undefined;
}

interface RoleNames {
  readonly what: string;
  readonly stems: readonly string[];
  /** Option of models/export/export.py; all but --unet take the checkpoint's folder. */
  readonly exportOption: string;
  /** Where the reference keeps the weights, below its models folder. */
  readonly weights: readonly string[];
}

const ROLES: Record<MuseTalkRole, RoleNames> = {
  unet: {
    what: 'the UNet',
    stems: ['unet'],
    exportOption: '--unet',
    weights: ['musetalkV15/unet.pth', 'unet.pth', 'musetalk/pytorch_model.bin', 'pytorch_model.bin'],
  },
  vaeEncoder: {
    what: 'the VAE encoder',
    stems: ['vae_encoder'],
    exportOption: '--vae',
    weights: vaeWeights(),
  },
  vaeDecoder: {
    what: 'the VAE decoder',
    stems: ['vae_decoder'],
    exportOption: '--vae',
    weights: vaeWeights(),
  },
  vaeDecoderTiny: {
    what: 'the tiny VAE decoder',
    stems: ['vae_decoder_tiny', 'taesd_decoder'],
    exportOption: '--taesd',
    weights: ['taesd/diffusion_pytorch_model.safetensors', 'taesd_decoder.pth'],
  },
  whisperEncoder: {
    what: 'the Whisper encoder',
    stems: ['whisper_encoder'],
    exportOption: '--whisper',
    weights: [
      'pytorch_model.bin',
      'model.safetensors',
      'whisper/pytorch_model.bin',
      'tiny.pt',
      'whisper/tiny.pt',
    ],
  },
};

/** What PyTorch, diffusers and transformers write. */
const CHECKPOINTS = ['.pth', '.pt', '.bin', '.ckpt', '.safetensors'];

/**
 * Finds the files of one set by the names that exports are known under: plain, `_fp16`, `_v15`, with the prefix
 * `musetalk_`.
 * @throws AppError file-not-found naming what is missing and the accepted names; invalid-argument with the export
 *   command for a PyTorch checkpoint
 */
export function findModelFiles(options: ModelFileOptions): MuseTalkFiles {
  const unet = findRole('unet', options);
  const vaeEncoder = findRole('vaeEncoder', options);
  const decoderRole = options.tiny ? 'vaeDecoderTiny' : 'vaeDecoder';
  const vaeDecoder = findRole(decoderRole, options);
  const whisperEncoder = findRole('whisperEncoder', options);
  const fp32 = lookFor(decoderRole, options.folder ?? dirname(vaeDecoder), { ...options, precision: 'fp32' });
  return {
    unet,
    vaeEncoder,
    vaeDecoder,
    whisperEncoder,
    tiny: options.tiny ?? false,
    vaeDecoderFp32: fp32 !== undefined && fp32 !== vaeDecoder && !isHalf(fp32) ? fp32 : undefined,
  };
}

/** Whether a file's name says that it holds half floats. */
export function isHalf(path: string): boolean {
  return /fp16|float16|half/i.test(basename(path));
}

/** The names that a role's file may have, the preferred ones first. */
export function acceptedNames(
  role: MuseTalkRole,
  { precision, version = 'v15' }: Pick<ModelFileOptions, 'precision' | 'version'>,
): string[] {
  const versions = [`_${version}`, ''];
  const precisions = precision === 'fp16' ? ['_fp16', '', '_fp32'] : ['', '_fp32', '_fp16'];
  const names = ROLES[role].stems.flatMap((stem) =>
    versions.flatMap((versionPart) =>
      precisions.flatMap((precisionPart) =>
        ['', 'musetalk_'].flatMap((prefix) => [
          `${prefix}${stem}${versionPart}${precisionPart}.onnx`,
          `${prefix}${stem}${precisionPart}${versionPart}.onnx`,
        ]),
      ),
    ),
  );
  return [...new Set(names)];
}

function findRole(role: MuseTalkRole, options: ModelFileOptions): string {
  const given = options.paths?.[role];
  const folder = given ?? options.folder;
  if (given !== undefined && !isFolder(given)) {
    refuseCheckpoint(role, given);
    if (existsSync(given)) {
      if (role === 'unet') refuseOtherVersion(given, options.version ?? 'v15');
      return given;
    }
    throw new AppError(
      'file-not-found',
      `${ROLES[role].what} ${given} is not there: give the path of its .onnx file`,
    );
  }
  const found = lookFor(role, folder, options);
  if (found !== undefined) return found;
  if (folder === undefined) {
    throw new AppError(
      'file-not-found',
      `no file for ${ROLES[role].what}: give its path or a folder with the models`,
    );
  }
  if (!isFolder(folder)) {
    throw new AppError(
      'file-not-found',
      `the models folder ${folder} is not there: give the folder with the .onnx files`,
    );
  }
  const checkpoint = ROLES[role].weights.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (checkpoint !== undefined) refuseCheckpoint(role, checkpoint);
  throw new AppError(
    'file-not-found',
    `${ROLES[role].what} is missing in ${folder}: download it (npm run models -- download) or put it there under one of the names ${acceptedNames(role, options).join(', ')}`,
  );
}

function lookFor(
  role: MuseTalkRole,
  folder: string | undefined,
  options: ModelFileOptions,
): string | undefined {
  if (folder === undefined) return undefined;
  return acceptedNames(role, options)
    .map((name) => join(folder, name))
    .find((path) => existsSync(path));
}

function refuseCheckpoint(role: MuseTalkRole, path: string): void {
  if (!CHECKPOINTS.includes(extname(path).toLowerCase())) return;
  const { exportOption } = ROLES[role];
  const source = role === 'unet' ? path : dirname(path);
  throw new AppError(
    'invalid-argument',
    `${path} is a PyTorch checkpoint, which cannot be run here: export it with "python models/export/export.py ${exportOption} ${source} --out <folder>" and give that folder`,
  );
}

/** The weights of v1 with the parameters of v1.5 (the MuseTalk reference's own defaults) give bad mouths, not errors. */
function refuseOtherVersion(path: string, version: 'v1' | 'v15'): void {
  const found = /(?:^|[^a-z0-9])v(1\.?5|1)(?![.\d]*\d)/i.exec(basename(path, extname(path)))?.[1];
  const named = found === undefined ? undefined : found === '1' ? 'v1' : 'v15';
  if (named === undefined || named === version) return;
  throw new AppError(
    'invalid-argument',
    `${path} has the weights of ${named} by its name, but the version is ${version}: give --version ${named} or another UNet`,
  );
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function vaeWeights(): string[] {
  return ['sd-vae', 'sd-vae-ft-mse', '.'].flatMap((folder) => [
    `${folder}/diffusion_pytorch_model.bin`,
    `${folder}/diffusion_pytorch_model.safetensors`,
  ]);
}
