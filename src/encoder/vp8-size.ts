/** RFC 6386 section 9.1: a key frame tells its size in 14 bits each, behind a start code. Undefined of any other. */
export function vp8Size(frame: Uint8Array): { widthPx: number; heightPx: number } | undefined {
  const [tag = 1, , , a, b, c] = frame;
  if ((tag & 1) !== 0 || frame.length < 10 || a !== 0x9d || b !== 0x01 || c !== 0x2a) return undefined;
  const sides = (at: number) => (frame[at]! | (frame[at + 1]! << 8)) & 0x3fff;
  return { widthPx: sides(6), heightPx: sides(8) };
}
