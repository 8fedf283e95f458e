import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from './media.js';

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
