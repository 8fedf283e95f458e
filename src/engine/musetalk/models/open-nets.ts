import { basename } from 'node:path';
import type { GraphRunner } from '../../../adapters/graph-runner.js';
import type { OnnxProvider } from '../../../adapters/onnx-failure.js';
import { OnnxGraph } from '../../../adapters/onnx.js';
import type { Log } from '../../../lib/log.js';
import { Scope } from '../../../lib/scope.js';
import { findModelFiles, isHalf, type ModelFileOptions, type MuseTalkFiles } from './model-files.js';
import type { BoundGraph } from '../../faces/batch-graph.js';
import { bindUnet, bindVaeDecoder, bindVaeEncoder } from './model-set.js';
import { VaeCodec, type VaeOverrides } from './vae-codec.js';
import { probeVae } from './vae-probe.js';
import { WhisperEncoder } from './whisper-encoder.js';

export interface MuseTalkNetsOptions extends Omit<ModelFileOptions, 'precision'> {
  readonly provider?: OnnxProvider;
  /** CPU threads of one run; 0 is one a core. */
  readonly threads?: number;
  /** fp16 on a GPU and fp32 on the CPU if left out. */
  readonly precision?: ModelFileOptions['precision'];
  /** Faces generated in one run at most; 8 if left out. A file with a fixed batch is looped over. */
  readonly batch?: number;
  /**
   * Whether part batches are filled up to a warmed-up size. A GPU plans anew for every other size; a CPU would only
   * compute more. On a GPU by default.
   */
  readonly fixedShapes?: boolean;
  readonly overrides?: VaeOverrides & {
    /** Leaves the check of the VAE at start out, for weights that no picture survives. */
    readonly probe?: 'on' | 'off';
  };
  readonly log: Log;
  /** Loads one graph; ONNX Runtime if left out. */
  readonly load?: (path: string) => Promise<GraphRunner>;
}

export interface NetInfo {
  readonly file: string;
  /** Of its first input. */
  readonly type: string;
  readonly batch: number | 'dynamic';
}

export interface MuseTalkInfo {
  /** Whose export it is, by the files' names. */
  readonly family: 'canonical' | 'musetalk_export' | 'mixed';
  readonly tiny: boolean;
  readonly encoderScaling: string;
  readonly decoderScaling: string;
  readonly nets: Readonly<Record<'unet' | 'vaeEncoder' | 'vaeDecoder' | 'whisperEncoder', NetInfo>>;
}

/** One set of networks, loaded, checked and fitting together. */
export interface OpenNets {
  readonly files: MuseTalkFiles;
  readonly unet: BoundGraph;
  readonly codec: VaeCodec;
  readonly whisper: WhisperEncoder;
}

/** Finds, loads and checks the files of one set; closes what it opened when it fails. See MuseTalkNets.create. */
export async function openNets(options: MuseTalkNetsOptions): Promise<OpenNets> {
  const { files, load } = filesOf(options);
  if (options.provider?.provider !== 'cuda' && isHalf(files.unet)) {
    options.log.warn(
      { unet: basename(files.unet) },
      'the CPU computes half-float files in float32 and converts all the time: the fp32 file is faster here',
    );
  }
  const scope = new Scope();
  try {
    const unet = await open(scope, load, files.unet, bindUnet);
    const { codec } = await openVae(options);
    scope.defer(() => codec.close());
    const whisper = await open(scope, load, files.whisperEncoder, (file, runner) =>
      WhisperEncoder.bind(file, runner),
    );
    return { files, unet, codec, whisper };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

/** The VAE of a set alone, with a picture sent through it and back. */
export async function openVae(
  options: MuseTalkNetsOptions,
): Promise<{ files: MuseTalkFiles; codec: VaeCodec }> {
  const { files, load } = filesOf(options);
  const scope = new Scope();
  try {
    const encoder = await open(scope, load, files.vaeEncoder, bindVaeEncoder);
    const decoder = await open(scope, load, files.vaeDecoder, bindVaeDecoder);
    const fp32 = files.vaeDecoderFp32;
    const half = isHalf(files.vaeDecoder) || decoder.output.type === 'float16';
    const codec = new VaeCodec(encoder, decoder, files.tiny, {
      overrides: options.overrides ?? {},
      loadFp32Decoder: half && fp32 !== undefined ? () => open(scope, load, fp32, bindVaeDecoder) : undefined,
      log: options.log,
    });
    if (options.overrides?.probe !== 'off') await probeVae(codec);
    return { files, codec };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

type Load = (path: string) => Promise<GraphRunner>;

function filesOf(options: MuseTalkNetsOptions): { files: MuseTalkFiles; load: Load } {
  const provider = options.provider ?? { provider: 'cpu' };
  const files = findModelFiles({
    ...options,
    precision: options.precision ?? (provider.provider === 'cuda' ? 'fp16' : 'fp32'),
  });
  const load = (path: string): Promise<GraphRunner> =>
    OnnxGraph.load(path, {
      provider,
      ...(options.threads === undefined ? {} : { threads: options.threads }),
    });
  return { files, load: options.load ?? load };
}

async function open<T>(
  scope: Scope,
  load: Load,
  path: string,
  bind: (file: string, runner: GraphRunner) => T,
): Promise<T> {
  const runner = await load(path);
  scope.defer(() => runner.close());
  return bind(path, runner);
}

export function describeNets(
  files: MuseTalkFiles,
  unet: BoundGraph,
  codec: VaeCodec,
  whisper: WhisperEncoder,
): MuseTalkInfo {
  const net = (graph: BoundGraph): NetInfo => ({
    file: graph.file,
    type: graph.inputs[0]!.type,
    batch: graph.fixedBatch ?? 'dynamic',
  });
  const names = [files.unet, files.vaeEncoder, files.vaeDecoder, files.whisperEncoder];
  const prefixed = names.filter((path) => basename(path).startsWith('musetalk_')).length;
  return {
    family: prefixed === 0 ? 'canonical' : prefixed === names.length ? 'musetalk_export' : 'mixed',
    tiny: files.tiny,
    encoderScaling: codec.encoderScaling,
    decoderScaling: codec.decoderScaling,
    nets: {
      unet: net(unet),
      vaeEncoder: net(codec.encoder),
      vaeDecoder: net(codec.decoder),
      whisperEncoder: { file: files.whisperEncoder, type: whisper.type, batch: 1 },
    },
  };
}
