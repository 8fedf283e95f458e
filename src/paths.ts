import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from './errors.js';

/** The checkout's folder: the nearest one above this file that holds package.json (sources and build lie at different depths). */
export function projectRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json')) && folder !== path.dirname(folder))
    folder = path.dirname(folder);
  return folder;
}

/**
 * Resolves a path that a client named to a real file (or folder, where that is of use) inside one of the roots. Links are followed first and the
 * target is judged, so neither `..` nor a link leaves the roots. A relative path is tried against each root.
 * Outside and missing are told apart only for paths that would lie inside a root, so nothing can be probed.
 */
export async function resolveMediaPath(
  given: string,
  roots: readonly string[],
  options: { folders?: boolean } = {},
): Promise<string> {
  if (given.trim() === '' || given.includes('\0'))
    throw new AppError('invalid-argument', 'the path is empty or holds a NUL byte');
  const realRoots = (await Promise.all(roots.map((root) => realpath(root).catch(() => undefined)))).filter(
    (root) => root !== undefined,
  );
  const candidates = path.isAbsolute(given)
    ? [path.normalize(given)]
    : roots.map((root) => path.resolve(root, given));
  let inside = false;
  let escapes = false;
  for (const candidate of candidates) {
    const real = await realpath(candidate).catch(() => undefined);
    if (real === undefined) {
      inside ||= [...roots, ...realRoots].some((root) => isInside(candidate, root));
      continue;
    }
    if (!realRoots.some((root) => isInside(real, root))) {
      escapes = true;
      continue;
    }
    const entry = await stat(real);
    if (!entry.isFile() && !(options.folders === true && entry.isDirectory()))
      throw new AppError('not-a-file', `${given} is not a file`);
    return real;
  }
  if (inside && !escapes)
    throw new AppError('file-not-found', `there is no file ${given} in the media roots`);
  throw new AppError('path-outside-roots', `${given} lies outside the media roots`);
}

function isInside(file: string, root: string): boolean {
  const relative = path.relative(root, file);
  return (
    relative === '' ||
    (!relative.startsWith(`..${path.sep}`) && relative !== '..' && !path.isAbsolute(relative))
  );
}
