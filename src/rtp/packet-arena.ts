/**
 * Memory for outgoing packets. A socket may keep what it was given until the kernel takes it, so a packet's bytes are
 * never used twice; carving them out of large blocks spares an allocation for each.
 */
const BLOCK_BYTES = 256 * 1024;

let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
let used = 0;

/** Uninitialized; at most 64 KB. */
export function takePacket(sizeBytes: number): Buffer {
  if (used + sizeBytes > BLOCK_BYTES) {
    block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    used = 0;
  }
  const packet = block.subarray(used, used + sizeBytes);
  used += sizeBytes;
  return packet;
}
