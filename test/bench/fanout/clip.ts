/** What the fan-out bench sends: ten seconds of a moving, slightly noisy picture and of sound, coded in advance. */
import { findFfmpeg } from '../../../src/adapters/ffmpeg.js';
import { LiveEncoder } from '../../../src/encoder/live-encoder.js';
import { OpusEncoder } from '../../../src/encoder/opus-encoder.js';
import { VP8 } from '../../../src/encoder/vp8-encoder.js';
import { silentLog } from '../../../src/lib/log.js';
import { OPUS_FRAME_SAMPLES } from '../../../src/media/timeline.js';
import { lcgBytes } from '../../helpers/lcg.js';
import { movingPicture, tone } from '../../helpers/moving-picture.js';

export const SIDE_PX = 512;
export const FPS = 25;
export const VIDEO_BPS = 800_000;
export const AUDIO_BPS = 56_000;
const SECONDS = 10;
/** Enough of it that the encoder needs the whole bit rate, as it does for a face. */
const NOISE_BITS_DROPPED = 5;

export interface Clip {
  /** VP8; only the first is a key picture, so a key picture is had by beginning again. */
  readonly pictures: readonly Uint8Array[];
  /** Opus, 20 ms each. */
  readonly sounds: readonly Uint8Array[];
}

const noise = lcgBytes(7, SIDE_PX * SIDE_PX);

/** Raw picture `index` of the clip: I420 in a buffer of its own. */
export function drawPicture(index: number): Uint8Array {
  const { data } = movingPicture(SIDE_PX, SIDE_PX, index);
  const shift = (index * 7919) % noise.length;
  for (let at = 0; at < noise.length; at++) {
    const grain = noise[(at + shift) % noise.length] ?? 0;
    data[at] = (data[at] ?? 0) + (grain >> NOISE_BITS_DROPPED);
  }
  return data;
}

export async function makeClip(): Promise<Clip> {
  const pictures: Uint8Array[] = [];
  const encoder = await LiveEncoder.open(VP8, {
    ffmpeg: await findFfmpeg({ log: silentLog }),
    ...{ widthPx: SIDE_PX, heightPx: SIDE_PX, fps: FPS, bitrateBps: VIDEO_BPS },
    onPicture: ({ data }) => pictures.push(data),
    onFailed: (error) => {
      throw error;
    },
  });
  for (let index = 0; index < SECONDS * FPS; index++) {
    const picture = { widthPx: SIDE_PX, heightPx: SIDE_PX, data: drawPicture(index) };
    await encoder.push(picture, index, false);
  }
  await encoder.close();
  if (pictures.length !== SECONDS * FPS) throw new Error(`ffmpeg coded ${pictures.length} pictures`);
  return { pictures, sounds: codeSound() };
}

function codeSound(): Uint8Array[] {
  const opus = new OpusEncoder({ bitrateBps: AUDIO_BPS });
  const hiss = lcgBytes(3, 2 * OPUS_FRAME_SAMPLES);
  const sounds = Array.from({ length: SECONDS * 50 }, (_, packet) => {
    const pcm = tone(packet * OPUS_FRAME_SAMPLES);
    for (let at = 0; at < pcm.length; at++)
      pcm[at] = (pcm[at] ?? 0) + 8 * ((hiss[(at * (packet + 1)) % hiss.length] ?? 0) - 128);
    return opus.encode(pcm);
  });
  opus.close();
  return sounds;
}

/** Payload bits a second of the whole clip. */
export function clipBitrates(clip: Clip): { videoBps: number; audioBps: number } {
  const bits = (parts: readonly Uint8Array[]) => 8 * parts.reduce((sum, part) => sum + part.length, 0);
  return {
    videoBps: Math.round(bits(clip.pictures) / SECONDS),
    audioBps: Math.round(bits(clip.sounds) / SECONDS),
  };
}
