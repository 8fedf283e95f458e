import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { AppError } from '../../errors.js';

/** Room that stays free for everything else on the disk. */
const SPARE_BYTES = 64 * 1024 * 1024;

export type StatFs = (folder: string) => Promise<{ bavail: number; bsize: number }>;

/** @throws AppError no-capacity when `neededBytes` do not fit into the folder's disk. */
export async function assertRoom(
  folder: string,
  neededBytes: number,
  what: string,
  stat: StatFs = (path) => statfs(path),
): Promise<void> {
  if (neededBytes <= 0) return;
  const { bavail, bsize } = await stat(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes + SPARE_BYTES) return;
  throw new AppError(
    'no-capacity',
    `${what} needs ${formatBytes(neededBytes)} more in ${folder}, where ${formatBytes(freeBytes)} are free; make room or choose another --dir`,
  );
}

/** A sentence about why these first bytes are no model file, or undefined. `contentType` may be empty. */
export function notAModel(head: Uint8Array, contentType: string): string | undefined {
  const text = Buffer.from(head.subarray(0, 256)).toString('latin1').trimStart().toLowerCase();
  if (/^text\/html\b/.test(contentType) || /^<(!doctype|html|head|body)/.test(text))
    return 'a web page instead of the file (a login or error page, perhaps of a proxy)';
  if (/^<(\?xml|error)/.test(text)) return 'an XML message instead of the file';
  if (text.startsWith('version https://git-lfs.github.com/spec/'))
    return 'a Git LFS pointer instead of the file itself';
  return undefined;
}

export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { highWaterMark: 1 << 20, ...(signal ? { signal } : {}) });
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** `1.6 GB`, `68.4 MB`, `748 B`: decimal, as hubs and disks count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
