import { joinNalUnits, NAL, nalType, splitNalUnits } from '../media/nal-units.js';
import { FlvReader } from './flv-reader.js';
import type { LiveCodec } from './live-encoder.js';
import type { RenditionRequest } from './renditions.js';

/** Level 3.1 (ITU-T H.264 table A-1), which every browser offers to take. */
const LEVEL = '3.1';
const MAX_MACROBLOCKS = 3600;
const MAX_MACROBLOCKS_PER_S = 108_000;
const MACROBLOCK_PX = 16;

/**
 * Real-time H.264, constrained baseline, by libx264. A picture's data is its slices as NAL units, each behind its length
 * in four bytes; before a key picture's come the sequence and picture parameter sets.
 */
export const H264: LiveCodec = {
  codecArgs: ({ bitrateBps, fps }) => [
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-threads', '1'],
    ...['-profile:v', 'baseline', '-level', LEVEL, '-pix_fmt', 'yuv420p', '-bf', '0', '-refs', '1'],
    ...['-g', '9999', '-keyint_min', '1', '-sc_threshold', '0', '-forced-idr', '1'],
    // ffmpeg takes the input's clock for its frame rate, and x264 would code for a million pictures a second.
    ...['-x264-params', `fps=${Math.round(fps * 1000)}/1000`],
    // A buffer of 0.3 s keeps key pictures small, as for VP8.
    ...['-b:v', `${bitrateBps}`, '-maxrate', `${bitrateBps}`, '-bufsize', `${Math.round(0.3 * bitrateBps)}`],
  ],
  // FLV carries the time stamp with each picture and needs no look at the next one.
  muxerArgs: ['-flvflags', 'no_duration_filesize', '-f', 'flv'],
  reader(halfFramesPerSecond, onFrame) {
    let sets: Uint8Array[] = [];
    const reader = new FlvReader({
      onConfig: (record) => (sets = parameterSets(record)),
      onPicture({ timeMs, data }) {
        // Not x264's words about itself.
        const units = splitNalUnits(data);
        const slices = units.filter((unit) => isSlice(nalType(unit)));
        const key = slices.some((unit) => nalType(unit) === NAL.idrSlice);
        const halfFrames = Math.round((timeMs * halfFramesPerSecond) / 1000);
        onFrame({ halfFrames, key, data: joinNalUnits(key ? [...sets, ...slices] : slices) });
      },
    });
    return (bytes) => reader.push(bytes);
  },
};

/** A rendition of the same content and rate in H.264, made smaller where level 3.1 could not hold it. */
export function h264RenditionOf(like: RenditionRequest, fps: number): RenditionRequest {
  const limit = Math.min(MAX_MACROBLOCKS, Math.floor(MAX_MACROBLOCKS_PER_S / fps));
  const macroblocks = (px: number): number => Math.ceil(px / MACROBLOCK_PX);
  let { widthPx, heightPx } = like;
  for (let side = 1; macroblocks(widthPx) * macroblocks(heightPx) > limit; side -= 0.01) {
    widthPx = even(like.widthPx * side);
    heightPx = even(like.heightPx * side);
  }
  return { name: 'h264', widthPx, heightPx, bitrateBps: like.bitrateBps };
}

function isSlice(type: number): boolean {
  return type === NAL.slice || type === NAL.idrSlice;
}

/** Out of an AVCDecoderConfigurationRecord (ISO 14496-15 section 5.3.3.1). Throws an Error on anything else. */
function parameterSets(record: Uint8Array): Uint8Array[] {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  if (bytes[0] !== 1 || bytes.length < 7 || (bytes.readUInt8(4) & 3) !== 3)
    throw new Error('no record of parameter sets with lengths of four bytes');
  const sets: Uint8Array[] = [];
  let at = 5;
  for (const mask of [0x1f, 0xff]) {
    for (let left = bytes.readUInt8(at++) & mask; left > 0; left -= 1) {
      const end = at + 2 + bytes.readUInt16BE(at);
      sets.push(bytes.subarray(at + 2, end));
      at = end;
    }
  }
  return sets;
}

function even(px: number): number {
  return Math.max(2, 2 * Math.round(px / 2));
}
