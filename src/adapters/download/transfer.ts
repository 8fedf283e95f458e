import { AppError } from '../../errors.js';
import { persist } from './limits.js';
import type { TransferMeter } from './meter.js';
import type { Chunk, PartFile } from './part.js';
import { assertModel, openWith, rangeOf, type Access, type Remote } from './remote.js';
import { TryAgain } from './request.js';

/** The remote file is not what the first answer described. */
export class RemoteChanged extends Error {}

const SAVE_EVERY_MS = 2000;

/** Several workers take the pieces in order; the first failure stops them all. The state is saved now and then. */
export async function fetchRanges(
  remote: Remote,
  access: Access,
  part: PartFile,
  meter: TransferMeter,
): Promise<void> {
  const waiting = part.chunks.filter((chunk) => part.next(chunk) < chunk.end);
  const failed = new AbortController();
  const signal = AbortSignal.any([access.signal, failed.signal]);
  const timer = setInterval(() => {
    part.save().catch((error: unknown) => failed.abort(error));
  }, SAVE_EVERY_MS);
  const worker = async (): Promise<void> => {
    for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift())
      await fetchChunk(remote, { ...access, signal }, part, meter, chunk);
  };
  await Promise.all(
    Array.from({ length: access.limits.connections }, () =>
      worker().catch((error: unknown) => failed.abort(error)),
    ),
  );
  clearInterval(timer);
  signal.throwIfAborted();
}

function fetchChunk(
  remote: Remote,
  access: Access,
  part: PartFile,
  meter: TransferMeter,
  chunk: Chunk,
): Promise<void> {
  const stretch = async (): Promise<void> => {
    while (part.next(chunk) < chunk.end) {
      const start = part.next(chunk);
      const response = await openWith(remote.url, access, {
        range: `bytes=${start}-${chunk.end - 1}`,
        ...ifRange(remote.validator),
      });
      try {
        const range = rangeOf(response.headers);
        const validator = response.headers.get('etag') ?? response.headers.get('last-modified');
        // The whole file (200) is the answer to a version mark that no longer fits; 416, to a file that shrank.
        if (
          response.status !== 206 ||
          validator !== remote.validator ||
          range?.totalBytes !== remote.sizeBytes
        )
          throw new RemoteChanged(remote.url);
        if (range?.start !== start)
          throw new AppError(
            'not-supported',
            `${remote.url} sent the bytes from ${range?.start} when those from ${start} were asked for`,
          );
        for await (const bytes of response.body()) {
          const room = chunk.end - part.next(chunk);
          if (bytes.length > room)
            throw new AppError('not-supported', `${remote.url} sent more bytes than it was asked for`);
          await part.append(chunk, bytes);
          meter.add(bytes.length);
        }
      } finally {
        response.close();
      }
      if (part.next(chunk) === start) throw new TryAgain('it sent nothing of the range');
    }
  };
  return persist(remote.url, access.limits, access.signal, stretch, () => part.next(chunk));
}

/** A weak mark must not be sent back for a range; it is only compared. */
function ifRange(validator: string | null): Record<string, string> {
  return validator === null || validator.startsWith('W/') ? {} : { 'if-range': validator };
}

/**
 * The file in one go, from the start again when the line breaks.
 * @param sizeBytes undefined where nobody knows it; then the end of the stream is the end of the file
 */
export async function fetchWhole(
  remote: Remote,
  access: Access,
  part: PartFile,
  meter: TransferMeter,
  sizeBytes: number | undefined,
): Promise<void> {
  const [chunk] = part.chunks;
  if (chunk === undefined) return;
  let response = remote.whole;
  await persist(remote.url, access.limits, access.signal, async () => {
    meter.add(-part.receivedBytes);
    part.reset(chunk);
    response ??= await openWith(remote.url, access);
    try {
      for await (const bytes of response.body()) {
        if (part.receivedBytes === 0) assertModel(remote.url, bytes, '');
        if (bytes.length > chunk.end - part.next(chunk))
          throw new AppError(
            'model-invalid',
            `${remote.url} sent more than the ${chunk.end} bytes that were expected`,
          );
        await part.append(chunk, bytes);
        meter.add(bytes.length);
      }
    } finally {
      response.close();
      response = undefined;
    }
    if (sizeBytes !== undefined && part.receivedBytes < sizeBytes)
      throw new TryAgain(`it ended after ${part.receivedBytes} of ${sizeBytes} bytes`);
    if (part.receivedBytes === 0) throw new AppError('model-invalid', `${remote.url} is an empty file`);
  });
}
