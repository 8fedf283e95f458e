/**
 * Writes `from` turning into `to` into `target`, sample by sample: `share` 0 is all `from`, 1 all `to`. Three arrays of
 * one length; `target` may be one of the others.
 */
export function dissolve(target: Uint8Array, from: Uint8Array, to: Uint8Array, share: number): void {
  const part = Math.round(Math.min(1, Math.max(0, share)) * 256);
  const rest = 256 - part;
  for (let i = 0; i < target.length; i += 1) target[i] = (to[i]! * part + from[i]! * rest + 128) >> 8;
}
