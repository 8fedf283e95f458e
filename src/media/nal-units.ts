/** H.264 pictures as they flow here: NAL units one after the other, each behind its length in four bytes (ISO 14496-15). */

/** Types of NAL units (ITU-T H.264 table 7-1). */
export const NAL = { slice: 1, idrSlice: 5, sequenceParameters: 7, pictureParameters: 8 } as const;

const LENGTH_BYTES = 4;

export function nalType(unit: Uint8Array): number {
  return (unit[0] ?? 0) & 0x1f;
}

/** Views of the units, empty ones left out. Throws an Error where a length does not fit. */
export function splitNalUnits(picture: Uint8Array): Uint8Array[] {
  const view = new DataView(picture.buffer, picture.byteOffset, picture.length);
  const units: Uint8Array[] = [];
  for (let at = 0; at < picture.length;) {
    const end = at + LENGTH_BYTES <= picture.length ? at + LENGTH_BYTES + view.getUint32(at) : Infinity;
    if (end > picture.length) throw new Error('a NAL unit is longer than its picture');
    if (end > at + LENGTH_BYTES) units.push(picture.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return units;
}

/** The opposite, in a buffer of its own. */
export function joinNalUnits(units: readonly Uint8Array[]): Uint8Array {
  const picture = new Uint8Array(units.reduce((sum, unit) => sum + LENGTH_BYTES + unit.length, 0));
  const view = new DataView(picture.buffer);
  let at = 0;
  for (const unit of units) {
    view.setUint32(at, unit.length);
    picture.set(unit, at + LENGTH_BYTES);
    at += LENGTH_BYTES + unit.length;
  }
  return picture;
}
