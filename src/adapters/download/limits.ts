import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.js';
import { TryAgain } from './request.js';

export interface DownloadLimits {
  /** Ranges fetched at once. */
  readonly connections: number;
  /** Smaller files travel in one piece; larger ones in at most 64 pieces of at least this size. */
  readonly pieceBytes: number;
  /** A connection that brings less than idleBytes in this time is given up and tried again. */
  readonly idleLimitMs: number;
  readonly idleBytes: number;
  /** Tries of one piece without real progress before the download fails. */
  readonly tries: number;
  /** Pause before the second try; doubled for each further one. */
  readonly pauseMs: number;
  /** No file is larger than this. */
  readonly maxBytes: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  connections: 4,
  pieceBytes: 16 * 1024 * 1024,
  idleLimitMs: 30_000,
  idleBytes: 16 * 1024,
  tries: 6,
  pauseMs: 1000,
  maxBytes: 64 * 1024 ** 3,
};

const LONGEST_PAUSE_MS = 30_000;
/** Bytes after which a piece that broke off counts as a fresh start. */
const REAL_PROGRESS_BYTES = 256 * 1024;

/**
 * Repeats a step that throws TryAgain, with growing pauses, or those that the server asks for.
 * @throws AppError timeout or no-capacity after `limits.tries` failures in a row without real progress
 */
export async function persist<T>(
  url: string,
  limits: Pick<DownloadLimits, 'tries' | 'pauseMs'>,
  signal: AbortSignal,
  step: () => Promise<T>,
  receivedBytes: () => number = () => 0,
): Promise<T> {
  let failures = 0;
  let mark = receivedBytes();
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof TryAgain)) throw error;
      if (receivedBytes() - mark >= REAL_PROGRESS_BYTES) failures = 0;
      mark = receivedBytes();
      failures += 1;
      if (failures >= limits.tries)
        throw new AppError(
          error.code,
          `${url} failed ${failures} times in a row, the last time because ${error.message}; run the same command again to go on`,
          { cause: error },
        );
      const pauseMs = error.waitMs ?? Math.min(limits.pauseMs * 2 ** (failures - 1), LONGEST_PAUSE_MS);
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    }
  }
}
