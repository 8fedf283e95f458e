import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { AppError, isAppError } from '../errors.js';
import { PcmAssembler } from '../media/pcm.js';
import { LIVE_RATES, Upsampler, type LiveRate } from '../media/upsample.js';
import { decodeAudio } from './decode.js';

/** Sound as a speech service sent it. */
export interface SentSound {
  /** Lower case. */
  readonly contentType: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface SentSoundOptions {
  /** It was asked for bare samples: 16 bit, mono, little-endian, of this rate. */
  readonly pcmRate: LiveRate | undefined;
  readonly ffmpeg: Ffmpeg;
  /** Where a file lies while it is decoded. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** One sentence is no more than minutes of sound. */
const MAX_FILE_BYTES = 32 * 2 ** 20;
/** Widened at once, so that the server's thread is not held up: half a second of sound. */
const STRIDE_BYTES = 24_000;
/** RIFF, Ogg, FLAC, ID3, and the box of MP4. */
const FILE_HEAD = /^(?:RIFF|OggS|fLaC|ID3|....ftyp)/s;

/**
 * What a speech service sent as interleaved stereo at 48 kHz. Samples are passed on as they come, also a service that was
 * asked for samples and sent a file is understood; a file goes through ffmpeg once it is there.
 * @throws service-failed for what is no sound
 */
export async function* soundOfSent(sent: SentSound, options: SentSoundOptions): AsyncGenerator<Int16Array> {
  const { contentType } = sent;
  if (/json|text\/|html|xml/.test(contentType))
    throw new AppError('service-failed', `the speech service sent ${contentType}, which is no sound`);
  const pieces = sent.bytes[Symbol.asyncIterator]();
  try {
    const head = await headOf(pieces);
    const all = (async function* () {
      yield head;
      for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
    })();
    const rate = rateOf(contentType) ?? options.pcmRate;
    const isFile =
      /audio\/(?!pcm|l16|x-pcm|raw)/.test(contentType) ||
      FILE_HEAD.test(Buffer.from(head).toString('latin1'));
    if (rate === undefined || isFile) yield* fileSound(all, options);
    else yield* pcmSound(all, rate);
  } finally {
    await pieces.return?.();
  }
}

/** The first bytes, twelve at least if there are so many. */
async function headOf(pieces: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 12) {
    const next = await pieces.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  return head;
}

/** `audio/pcm;rate=16000` */
function rateOf(contentType: string): LiveRate | undefined {
  const rate = Number(/audio\/(?:x-)?(?:pcm|l16)\s*;.*\brate=(\d+)/.exec(contentType)?.[1]);
  return LIVE_RATES.find((known) => known === rate);
}

async function* pcmSound(bytes: AsyncIterable<Uint8Array>, rate: LiveRate): AsyncGenerator<Int16Array> {
  const assembler = new PcmAssembler(1);
  const upsampler = new Upsampler(rate);
  let isEmpty = true;
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length; at += STRIDE_BYTES) {
      const sound = upsampler.push(assembler.push(piece.subarray(at, at + STRIDE_BYTES)));
      if (sound.length === 0) continue;
      isEmpty = false;
      yield sound;
      await nextTurn();
    }
  }
  const rest = upsampler.flush();
  if (rest.length > 0 && !isEmpty) yield rest;
}

async function* fileSound(
  bytes: AsyncIterable<Uint8Array>,
  { folder, ffmpeg, signal }: SentSoundOptions,
): AsyncGenerator<Int16Array> {
  const file = path.join(folder, `${randomUUID()}.speech`);
  const out = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  try {
    await pipeline(limited(bytes), out);
    if (!signal.aborted) yield* decodeAudio(ffmpeg, file, { signal });
  } catch (error) {
    if (!isAppError(error, 'media-undecodable')) throw error;
    throw new AppError('service-failed', 'the speech service sent what cannot be decoded as sound', {
      cause: error,
    });
  } finally {
    // It may still be about to be opened, and would be there again.
    if (!out.closed) await new Promise<void>((resolve) => out.once('close', () => resolve()));
    await rm(file, { force: true });
  }
}

async function* limited(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const piece of bytes) {
    sizeBytes += piece.length;
    if (sizeBytes > MAX_FILE_BYTES)
      throw new AppError('service-failed', 'the speech service sent more than 32 MiB for one sentence');
    yield piece;
  }
}
