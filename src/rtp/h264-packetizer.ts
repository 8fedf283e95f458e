import { NAL, nalType, splitNalUnits } from '../media/nal-units.js';
import { MAX_PAYLOAD_BYTES } from './vp8-packetizer.js';

/**
 * H.264 over RTP in the non-interleaved mode (RFC 6184): parameter sets together in a STAP-A (section 5.7.1), a unit that
 * fits by itself (5.6), a larger one in FU-A fragments (5.8). What decoders weigh units by (NRI) stays as the encoder
 * wrote it.
 */

const STAP_A = 24;
const FU_A = 28;
const FU_HEAD_BYTES = 2;
const FU_START = 0x80;
const FU_END = 0x40;
/** All of a unit's first byte but its type. */
const NOT_TYPE = 0xe0;
const NRI = 0x60;

/** The payloads of one picture (media/nal-units.ts), in order, each at most 1150 bytes. */
export function splitH264(picture: Uint8Array): Uint8Array[] {
  const units = splitNalUnits(picture);
  const sets = units.filter((unit) => isParameterSet(unit));
  const others = units.filter((unit) => !isParameterSet(unit));
  const together = aggregate(sets);
  const heads = sets.length > 1 && together.length <= MAX_PAYLOAD_BYTES ? [together] : sets;
  return [...heads, ...others].flatMap((unit) =>
    unit.length <= MAX_PAYLOAD_BYTES ? [unit] : fragments(unit),
  );
}

function isParameterSet(unit: Uint8Array): boolean {
  return nalType(unit) === NAL.sequenceParameters || nalType(unit) === NAL.pictureParameters;
}

function aggregate(units: readonly Uint8Array[]): Uint8Array {
  const payload = Buffer.alloc(units.reduce((sum, unit) => sum + 2 + unit.length, 1));
  payload[0] = STAP_A | Math.max(0, ...units.map((unit) => (unit[0] ?? 0) & NRI));
  let at = 1;
  for (const unit of units) {
    at = payload.writeUInt16BE(unit.length, at);
    payload.set(unit, at);
    at += unit.length;
  }
  return payload;
}

/** About equal in size. */
function fragments(unit: Uint8Array): Uint8Array[] {
  const head = unit[0] ?? 0;
  const body = unit.subarray(1);
  const count = Math.ceil(body.length / (MAX_PAYLOAD_BYTES - FU_HEAD_BYTES));
  return Array.from({ length: count }, (_, part) => {
    const bytes = body.subarray(
      Math.round((body.length * part) / count),
      Math.round((body.length * (part + 1)) / count),
    );
    const payload = new Uint8Array(FU_HEAD_BYTES + bytes.length);
    payload[0] = (head & NOT_TYPE) | FU_A;
    payload[1] = nalType(unit) | (part === 0 ? FU_START : 0) | (part === count - 1 ? FU_END : 0);
    payload.set(bytes, FU_HEAD_BYTES);
    return payload;
  });
}
