import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/**
 * SHA-256 (hex) of each model file by role; a data file beside a graph (`.onnx.data`, `.onnx_data`) goes into the same
 * hash, after the graph. Reads everything: about a second a gigabyte.
 */
export async function hashModelFiles(
  files: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const [role, path] of Object.entries(files)) hashes[role] = await hashModelFile(path);
  return hashes;
}

async function hashModelFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for (const part of [path, `${path}.data`, `${path}_data`]) {
    if (!existsSync(part)) continue;
    await pipeline(
      createReadStream(part, { highWaterMark: 1 << 20 }),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) hash.update(chunk);
      },
    );
  }
  return hash.digest('hex');
}
