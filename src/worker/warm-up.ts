/**
 * Warms up batches of 1, 2, 4, ... and `largest` faces, since a GPU plans for each size that it sees. Stops at the first
 * size that does not fit into memory.
 * @param warmUp computes a batch of that size, and answers with the one that fits
 * @returns the largest batch that fits
 */
export async function warmUpSizes(
  largest: number,
  warmUp: (size: number) => Promise<number>,
): Promise<number> {
  for (let size = 1; ; size = Math.min(size * 2, largest)) {
    const fitting = await warmUp(size);
    if (fitting < size || size === largest) return fitting;
  }
}
