import { copyFile, mkdir, open, rename, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../errors.js';
import { assertRoom, formatBytes, sha256OfFile, type StatFs } from './checks.js';
import { DOWNLOAD_LIMITS, type DownloadLimits } from './limits.js';
import { TransferMeter, type TransferProgress } from './meter.js';
import { PartFile } from './part.js';
import { assertModel, askRemote, type Access, type Remote } from './remote.js';
import { NotThere } from './request.js';
import { fetchRanges, fetchWhole, RemoteChanged } from './transfer.js';

/**
 * Gets one big file: `<path>.part` grows in several ranges at once, survives a broken line and the end of the
 * program, and takes the file's name only when length and checksum are right.
 */
export interface DownloadOptions {
  /** http, https or file URLs of the same file; the next is asked when one answers that it has no such file. */
  readonly urls: readonly string[];
  readonly path: string;
  /** Lower-case hexadecimal. Without it the checksum that the hub states, if any, is held against the file. */
  readonly sha256?: string | undefined;
  /** Exact; another size is refused before anything is fetched. */
  readonly sizeBytes?: number | undefined;
  /** Bearer token for the origin of each http(s) URL; other hosts that it redirects to do not get it. */
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly limits?: Partial<DownloadLimits> | undefined;
  /** For tests. */
  readonly statFs?: StatFs | undefined;
}

export interface DownloadedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** What the checksum was compared with. */
  readonly checkedAgainst: 'manifest' | 'server' | 'nothing';
}

const MAX_PIECES = 64;
const RESTARTS = 3;
const HEAD_BYTES = 512;

/**
 * @throws AppError with a sentence: file-not-found, invalid-argument (token, address), model-invalid (wrong bytes),
 * no-capacity (disk, busy server), timeout (broken line), not-supported; the signal's reason when it aborts. What was
 * received is kept for the next call if the server can go on from there.
 */
export async function downloadFile(options: DownloadOptions): Promise<DownloadedFile> {
  for (const url of options.urls)
    if (!URL.canParse(url) || !['http:', 'https:', 'file:'].includes(new URL(url).protocol))
      throw new AppError('invalid-argument', `${JSON.stringify(url)} is not an http, https or file address`);
  const access: Access = {
    limits: { ...DOWNLOAD_LIMITS, ...options.limits },
    token: options.token,
    signal: options.signal ?? new AbortController().signal,
  };
  access.signal.throwIfAborted();
  await mkdir(path.dirname(options.path), { recursive: true });
  for (let round = 1; ; round += 1) {
    try {
      return await finish(options, await firstThatHasIt(options, access), access.signal);
    } catch (error) {
      if (!(error instanceof RemoteChanged)) throw error;
      if (round === RESTARTS)
        throw new AppError(
          'model-invalid',
          `${error.message} changed ${RESTARTS} times while it was read; try again later`,
        );
    }
  }
}

/** Fills the part file; resolves with the checksum that the server stated, if it did. */
async function firstThatHasIt(options: DownloadOptions, access: Access): Promise<string | undefined> {
  const missing: string[] = [];
  for (const url of options.urls) {
    try {
      if (url.startsWith('file:')) {
        await copy(url, options);
        return undefined;
      }
      const remote = await askRemote(url, access);
      try {
        assertSize(url, remote.sizeBytes, options, access.limits);
        await fetchRemote(remote, options, access);
      } finally {
        remote.whole?.close();
      }
      return remote.sha256;
    } catch (error) {
      if (!(error instanceof NotThere)) throw error;
      missing.push(error.message);
    }
  }
  throw new AppError('file-not-found', missing.join('; '));
}

function assertSize(
  url: string,
  sizeBytes: number | undefined,
  options: DownloadOptions,
  limits: DownloadLimits,
): void {
  if (sizeBytes === undefined) return;
  if (options.sizeBytes !== undefined && sizeBytes !== options.sizeBytes)
    throw new AppError(
      'model-invalid',
      `${url} has ${sizeBytes} bytes, but ${path.basename(options.path)} must have ${options.sizeBytes}; nothing was fetched`,
    );
  if (sizeBytes > limits.maxBytes)
    throw new AppError(
      'model-invalid',
      `${url} claims ${formatBytes(sizeBytes)}, more than the limit of ${formatBytes(limits.maxBytes)}`,
    );
}

async function copy(url: string, options: DownloadOptions): Promise<void> {
  const from = fileURLToPath(url);
  const found = await stat(from).catch(() => undefined);
  if (found === undefined || !found.isFile()) throw new NotThere(url, 404);
  assertSize(url, found.size, options, DOWNLOAD_LIMITS);
  await assertRoom(path.dirname(options.path), found.size, options.path, options.statFs);
  const file = await open(from);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    if (bytesRead === 0) throw new AppError('model-invalid', `${url} is an empty file`);
    assertModel(url, buffer.subarray(0, bytesRead), '');
  } finally {
    await file.close();
  }
  await rm(`${options.path}.part.json`, { force: true });
  await copyFile(from, `${options.path}.part`);
}

async function fetchRemote(remote: Remote, options: DownloadOptions, access: Access): Promise<void> {
  const known = remote.sizeBytes ?? options.sizeBytes;
  const sizeBytes = known ?? access.limits.maxBytes;
  const ranges = remote.whole === undefined;
  // Without a version mark only a checksum can tell afterwards that two transfers did not fit together.
  const resumable = ranges && (remote.validator !== null || (options.sha256 ?? remote.sha256) !== undefined);
  const pieceBytes = ranges
    ? Math.max(access.limits.pieceBytes, Math.ceil(sizeBytes / MAX_PIECES))
    : sizeBytes;
  const part = await PartFile.open(
    `${options.path}.part`,
    { sizeBytes, validator: remote.validator },
    pieceBytes,
    resumable,
  );
  try {
    if (known !== undefined)
      await assertRoom(
        path.dirname(options.path),
        sizeBytes - part.receivedBytes,
        options.path,
        options.statFs,
      );
    const meter = new TransferMeter(part.receivedBytes, known, options.onProgress);
    if (ranges) await fetchRanges(remote, access, part, meter);
    else await fetchWhole(remote, access, part, meter, known);
    meter.end();
    // An earlier try or transfer may have left more behind.
    await truncate(part.path, part.receivedBytes);
    await (resumable ? part.save() : part.flush());
  } catch (error) {
    if (resumable && part.receivedBytes > 0 && !(error instanceof RemoteChanged))
      await part.save().catch(() => {});
    else await part.discard();
    throw diskError(error, part.path);
  } finally {
    await part.close();
  }
}

function diskError(error: unknown, file: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') return error;
  return new AppError(
    'no-capacity',
    `${file} does not fit on the disk any more (${code}); make room and run again`,
    {
      cause: error,
    },
  );
}

/** Holds the part against the checksum and gives it its name. */
async function finish(
  options: DownloadOptions,
  serverSha256: string | undefined,
  signal: AbortSignal,
): Promise<DownloadedFile> {
  const part = `${options.path}.part`;
  const { size } = await stat(part);
  const sha256 = await sha256OfFile(part, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  const expected = options.sha256 ?? serverSha256;
  await rm(`${part}.json`, { force: true });
  if (expected !== undefined && sha256 !== expected) {
    await rename(part, `${options.path}.bad`);
    throw new AppError(
      'model-invalid',
      `${path.basename(options.path)} arrived with other contents than expected (sha256 ${sha256}, not ${expected}); it is kept as ${options.path}.bad; delete that, and run again or use another --mirror`,
    );
  }
  await rename(part, options.path);
  const checkedAgainst =
    options.sha256 !== undefined ? 'manifest' : serverSha256 !== undefined ? 'server' : 'nothing';
  return { path: options.path, sizeBytes: size, sha256, checkedAgainst };
}
