import { assertFootage } from '../avatar/footage.js';
import { isReferenceFolder } from '../avatar/reference/reference-folder.js';

/**
 * Which job makes an avatar of a file or a folder: a folder that the MuseTalk reference prepared is imported, anything
 * else is footage.
 * @throws what assertFootage throws for footage that cannot be used at first sight
 */
export async function avatarJobFor(sourcePath: string): Promise<'prepare-job' | 'import-job'> {
  if (await isReferenceFolder(sourcePath)) return 'import-job';
  await assertFootage(sourcePath);
  return 'prepare-job';
}
