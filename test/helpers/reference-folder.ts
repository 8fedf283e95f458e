import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { makeMedia, temporaryFolder } from './media.js';

const FIXTURES = path.resolve(process.cwd(), 'test/fixtures/musetalk/reference-folder');

interface Expected {
  readonly boxes: readonly (readonly number[])[];
  readonly squares: readonly (readonly number[])[];
  readonly info: { readonly avatar_id: string; readonly video_path: string; readonly bbox_shift: number };
  readonly latents: readonly { readonly first: readonly number[]; readonly sha256: string }[];
  readonly masks: readonly { readonly side: number; readonly sha256: string; readonly sum: number }[];
  readonly frames: readonly { readonly sha256Rgb: string }[];
  readonly array: readonly (readonly number[])[];
  readonly tensors: Record<string, { readonly dims: readonly number[]; readonly values: readonly number[] }>;
}

/** What the script that made the fixtures put into them. */
export async function expectedReference(): Promise<Expected> {
  return JSON.parse(await readFile(path.join(FIXTURES, 'expected.json'), 'utf8')) as Expected;
}

export function referenceFile(name: string): Promise<Buffer> {
  return readFile(path.join(FIXTURES, name));
}

/** Pickles by name. */
export async function pickles(): Promise<Map<string, Uint8Array>> {
  const hexes = JSON.parse((await referenceFile('pickles.json')).toString()) as Record<string, string>;
  return new Map(Object.entries(hexes).map(([name, hex]) => [name, Buffer.from(hex, 'hex')]));
}

/** A copy of the folder of the reference that a test may damage; removed when the test ends. */
export async function referenceCopy(t: TestContext): Promise<string> {
  const folder = path.join(await temporaryFolder(t), 'avator_1');
  await cp(path.join(FIXTURES, 'avatar'), folder, { recursive: true });
  return folder;
}

/** Two boxes of the demo portrait's face, brow to chin, and the squares around them (512x600 pixels). */
const PORTRAIT_BOXES = [
  { box: [166, 165, 357, 345], square: [119, 113, 403, 397] },
  { box: [165, 166, 356, 346], square: [118, 114, 402, 398] },
] as const;

/**
 * Makes a folder as the reference would of two pictures of the demo portrait, to and fro: a real face, round masks,
 * the latents of the fixtures. Version v15.
 */
export async function makePortraitReference(folder: string): Promise<void> {
  const part = (name: string, index: number): string =>
    path.join(folder, name, `${String(index).padStart(8, '0')}.png`);
  for (const name of ['full_imgs', 'mask']) await mkdir(path.join(folder, name), { recursive: true });
  for (const name of ['latents.pt', 'avator_info.json'])
    await copyFile(path.join(FIXTURES, 'avatar', name), path.join(folder, name));
  for (const [index, { square }] of PORTRAIT_BOXES.entries()) {
    const portrait = path.resolve('web/public/demo/portrait.jpg');
    const brighter = `lutrgb=${['r', 'g', 'b'].map((colour) => `${colour}=min(255\\,val+${3 * index})`).join(':')}`;
    await makeMedia(['-i', portrait, '-vf', `format=rgb24,${brighter}`, part('full_imgs', index)]);
    const sidePx = square[2] - square[0];
    const round = `geq=lum='255*lt(hypot(X-${sidePx / 2},Y-${0.6 * sidePx}),${0.2 * sidePx})'`;
    const grey = `color=s=${sidePx}x${sidePx}:d=1,format=gray,${round}`;
    await makeMedia(['-f', 'lavfi', '-i', grey, '-frames:v', '1', part('mask', index)]);
    for (const name of ['full_imgs', 'mask']) await copyFile(part(name, index), part(name, 3 - index));
  }
  const toAndFro = [...PORTRAIT_BOXES, ...[...PORTRAIT_BOXES].reverse()];
  await writeFile(path.join(folder, 'coords.pkl'), boxPickle(toAndFro.map(({ box }) => box)));
  await writeFile(path.join(folder, 'mask_coords.pkl'), boxPickle(toAndFro.map(({ square }) => square)));
}

/** A list of tuples of whole numbers in protocol 0. */
function boxPickle(boxes: readonly (readonly number[])[]): string {
  return `(${boxes.map((box) => `(${box.map((side) => `I${side}\n`).join('')}t`).join('')}l.`;
}
