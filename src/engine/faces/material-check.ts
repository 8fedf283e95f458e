import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  INPUTS_FILE,
  isCurrent,
  MASKS_FILE,
  MATERIAL_FILE,
  pixelsOf,
  whatIsWrong,
  type ExpectedMaterial,
  type MaterialFile,
} from './material-file.js';

/**
 * Checks material as far as it can be without reading the numbers: its list of pictures, and that its files are as long
 * as that says. A sentence about the first fault; undefined for material that can be opened.
 */
export async function findDamage(
  folder: string,
  file: MaterialFile,
  frameCount: number,
): Promise<string | undefined> {
  const wrong = whatIsWrong(file, frameCount);
  if (wrong !== undefined) return wrong;
  const { inputValues, pictures } = file;
  const sizes = {
    [INPUTS_FILE]: pictures.length * inputValues * 4,
    [MASKS_FILE]: pictures.reduce((sum, { mask }) => sum + pixelsOf(mask.area), 0),
  };
  for (const [name, sizeBytes] of Object.entries(sizes)) {
    const found = (await stat(path.join(folder, name)).catch(() => undefined))?.size;
    if (found !== sizeBytes) return `${name} has ${found ?? 'no'} bytes, not ${sizeBytes}`;
  }
  return undefined;
}

/**
 * Whether a folder holds material that can be used as it is. False for what is absent, made otherwise or damaged: then
 * it is to be prepared anew.
 */
export async function isPrepared(folder: string, expected: ExpectedMaterial): Promise<boolean> {
  try {
    const file = JSON.parse(await readFile(path.join(folder, MATERIAL_FILE), 'utf8')) as MaterialFile | null;
    return (
      file !== null &&
      isCurrent(file, expected) &&
      (await findDamage(folder, file, expected.frameCount)) === undefined
    );
  } catch {
    return false;
  }
}
