import { AppError } from '../errors.js';
import type { ModelSetFile } from './model-manifest.js';

const HUB = 'https://huggingface.co';

/**
 * Addresses of a file, in the order in which they are to be asked; none where the manifest knows no source. A mirror
 * (`http:`, `https:` or `file:` base) replaces the hub, laid out as the hub is or flat (the file's name below the
 * base); files from elsewhere are looked for on the mirror first.
 */
export function sourceUrls(file: Pick<ModelSetFile, 'file' | 'source'>, mirror?: string): string[] {
  const { source } = file;
  if ('none' in source) return [];
  const flat = mirror === undefined ? [] : [`${mirrorBase(mirror)}/${file.file}`];
  if ('url' in source) return [...flat, source.url];
  const base = mirror === undefined ? HUB : mirrorBase(mirror);
  return [`${base}/${source.repo}/resolve/${source.revision}/${source.path}`, ...flat];
}

/** @throws AppError invalid-argument */
export function mirrorBase(mirror: string): string {
  if (!URL.canParse(mirror) || !['http:', 'https:', 'file:'].includes(new URL(mirror).protocol))
    throw new AppError(
      'invalid-argument',
      `the mirror must be an http, https or file address, got ${JSON.stringify(mirror)}`,
    );
  return mirror.replace(/\/+$/, '');
}
