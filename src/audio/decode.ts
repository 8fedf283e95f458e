import path from 'node:path';
import { assertDecodable, runFfmpeg, userInputArgs, type Ffmpeg } from '../adapters/ffmpeg.js';
import { readOutput } from '../adapters/ffmpeg-read.js';
import { undecodable } from '../adapters/ffmpeg-undecodable.js';
import { AppError, isAppError } from '../errors.js';
import { PcmAssembler } from '../media/pcm.js';
import { WavHead } from './wav-head.js';

const STALL_LIMIT_MS = 15_000;

/**
 * The first sound track of any file as interleaved stereo at 48 kHz, in pieces as ffmpeg gives them (any even
 * length). ffmpeg is held back by the reader, so a long file costs no memory and the first piece comes at once. The
 * sequence just ends when `signal` aborts. Throws `media-undecodable` if there is no sound in it.
 */
export async function* decodeAudio(
  ffmpeg: Ffmpeg,
  filePath: string,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<Int16Array, void, undefined> {
  const { signal } = options;
  const name = path.basename(filePath);
  await assertDecodable(filePath);
  if (signal?.aborted) return;
  const args = [
    ...['-threads', '1', ...userInputArgs(filePath), '-map', '0:a:0', '-vn', '-sn', '-dn'],
    // Mono stays mono here: ffmpeg's own widening makes it 3 dB quieter. WAV tells which of the two came.
    ...[
      '-af',
      'aformat=channel_layouts=mono|stereo',
      '-ar',
      '48000',
      '-c:a',
      'pcm_s16le',
      '-f',
      'wav',
      'pipe:1',
    ],
  ];
  const run = runFfmpeg(ffmpeg, args, signal === undefined ? {} : { signal });
  run.stdin.end();
  const head = new WavHead();
  let assembler: PcmAssembler | undefined;
  let heard = 0;
  try {
    for await (const bytes of readOutput(run, STALL_LIMIT_MS)) {
      const body = head.push(bytes);
      if (head.channels === undefined) continue;
      assembler ??= new PcmAssembler(head.channels);
      const pcm = assembler.push(body);
      if (pcm.length === 0) continue;
      const samples = head.channels === 1 ? widen(pcm) : pcm;
      heard += samples.length;
      yield samples;
    }
  } catch (error) {
    // A file that breaks off late still spoke; what there was has been played.
    if (!isAppError(error, 'ffmpeg-failed')) throw error;
    if (heard === 0) throw undecodable(filePath, 'sound', error);
  }
  if (heard === 0 && !signal?.aborted)
    throw new AppError('media-undecodable', `${name} holds no sound, or less than a few milliseconds of it`);
}

function widen(mono: Int16Array): Int16Array {
  const stereo = new Int16Array(mono.length * 2);
  for (let index = 0; index < mono.length; index++) {
    const value = mono[index] as number;
    stereo[2 * index] = value;
    stereo[2 * index + 1] = value;
  }
  return stereo;
}
