import path from 'node:path';
import { AppError } from '../errors.js';

/** The error for a user's file of which ffmpeg made nothing. Names the file, not where on this machine it lies. */
export function undecodable(filePath: string, what: 'sound' | 'picture', cause: Error): AppError {
  const name = path.basename(filePath);
  if (/matches no streams/.test(cause.message))
    return new AppError('media-undecodable', `${name} holds no ${what}`, { cause });
  const reason = cause.message
    .replaceAll(`file:${path.resolve(filePath)}`, name)
    .replaceAll(path.resolve(filePath), name);
  return new AppError('media-undecodable', `${name} holds no ${what} that can be decoded: ${reason}`, {
    cause,
  });
}
