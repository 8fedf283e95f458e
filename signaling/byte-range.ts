/** Half open: from the first byte to before the one at `to`. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * One range of RFC 9110 section 14.1.2: `bytes=0-99`, `bytes=100-`, `bytes=-50`. Undefined asks for the whole: no header,
 * another unit, several ranges (which a server may answer so), nonsense. `none`: it lies behind the end.
 */
export function byteRange(header: string | undefined, sizeBytes: number): ByteRange | 'none' | undefined {
  const [, first, last] = /^bytes=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    const count = Math.min(Number(last), sizeBytes);
    return count === 0 ? 'none' : { from: sizeBytes - count, to: sizeBytes };
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return undefined;
  if (from >= sizeBytes) return 'none';
  return { from, to: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}
