import { Decoder } from '@evan/opus';
import { MEDIA_RATE } from '../media/timeline.js';

/** Samples of an Opus frame at 48 kHz by its configuration (RFC 6716 section 3.1, table 2). */
const SILK_MS = [10, 20, 40, 60];
const HYBRID_MS = [10, 20];
const CELT_MS = [2.5, 5, 10, 20];
/** RFC 6716 section 3.2.5. */
const MAX_PACKET_MS = 120;

/** Opus in process: packets in, mono at 48 kHz out. */
export class OpusDecoder {
  readonly #decoder = new Decoder({ channels: 1, sample_rate: MEDIA_RATE });

  /** The samples of one packet as PCM16LE, in a buffer of its own; undefined for what is no Opus. */
  decode(packet: Buffer): Uint8Array | undefined {
    try {
      return this.#decoder.decode(packet).slice();
    } catch {
      return undefined;
    }
  }
}

/** How many samples at 48 kHz a packet holds, by its first bytes; 0 for what is no Opus. */
export function opusPacketSamples(packet: Buffer): number {
  const toc = packet[0];
  if (toc === undefined) return 0;
  const config = toc >> 3;
  const frameMs =
    config < 12 ? SILK_MS[config & 3] : config < 16 ? HYBRID_MS[config & 1] : CELT_MS[config & 3];
  const code = toc & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (packet[1] ?? 0) & 0x3f;
  const ms = (frameMs ?? 0) * frames;
  return ms <= MAX_PACKET_MS ? (ms * MEDIA_RATE) / 1000 : 0;
}
