/**
 * Reads a folder that the MuseTalk reference's real-time script prepared (full_imgs, mask, coords.pkl, mask_coords.pkl,
 * latents.pt, avator_info.json), without Python and without running anything of it.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { AppError, isAppError } from '../../errors.js';
import type { Box } from '../../media/frame.js';
import { fileInside } from '../png-files.js';
import { NUMPY_GLOBALS, NumpyArray } from './numpy-pickle.js';
import { readPickle } from './pickle-reader.js';
import { readTorchFile, TorchTensor } from './torch-archive.js';

/** Half of them are of the picture with its lower half blanked, the other half of the whole one. */
const LATENT_DIMS = [1, 8, 32, 32];
/** 64 KB a picture would still be a quarter of an hour. */
const MAX_LATENTS_BYTES = 1536 * 1024 * 1024;
const MAX_COORDS_BYTES = 64 * 1024 * 1024;
const MAX_INFO_BYTES = 1024 * 1024;
/** The reference rounds the square's middle and half side on their own. */
const CENTRE_TOLERANCE_PX = 2;
/** Beyond every picture; also keeps a mask below 70 MB. */
const MAX_SIDE_PX = 8192;

export interface ReferenceInfo {
  readonly avatarId: string;
  /** As the reference noted it; the file need not be there any more. */
  readonly videoPath?: string;
  readonly bboxShift: number;
  /** Which weights the latents are for; folders of older versions do not tell. */
  readonly version?: 'v1' | 'v15';
}

/** All lists have one entry a picture. If the folder's second half is its first reversed, only the first is here. */
export interface ReferenceFolder {
  readonly info: ReferenceInfo;
  /** Paths of PNG files. */
  readonly frames: readonly string[];
  /** Face boxes in picture pixels, margin included; version 1 lets them leave the picture at the right and below. */
  readonly boxes: readonly Box[];
  /** Squares that the masks cover; they may leave the picture. */
  readonly squares: readonly Box[];
  /** Paths of PNG files, each as large as its square. */
  readonly maskPaths: readonly string[];
  /** [8, 32, 32]: four channels of the blanked face, then four of the whole one, scaled. */
  readonly latents: readonly Float32Array[];
}

/** Whether this looks like a folder that the reference prepared; a folder of pictures has no latents. */
export async function isReferenceFolder(folder: string): Promise<boolean> {
  return (await stat(path.join(folder, 'latents.pt')).catch(() => undefined))?.isFile() ?? false;
}

/**
 * @throws AppError file-not-found, not-a-file, path-outside-roots (a link that leads out of the folder), not-supported
 * (latents in torch's old format), media-undecodable (anything damaged, foreign or inconsistent); the sentence names
 * the file and what to do
 */
export async function readReferenceFolder(folder: string): Promise<ReferenceFolder> {
  const info = await readInfo(folder);
  const boxes = await readBoxes(folder, 'coords.pkl');
  const squares = await readBoxes(folder, 'mask_coords.pkl');
  const tensors = await readTensors(folder);
  const frames = await numberedPngs(folder, 'full_imgs');
  const masks = await numberedPngs(folder, 'mask');
  const counts = {
    'coords.pkl': boxes.length,
    'mask_coords.pkl': squares.length,
    'latents.pt': tensors.length,
    full_imgs: frames.length,
    mask: masks.length,
  };
  if (boxes.length === 0) throw damaged('coords.pkl holds no box');
  if (Object.values(counts).some((count) => count !== boxes.length))
    throw damaged(
      `its parts do not have one length (${Object.entries(counts)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ')}); the reference loses step at pictures without a face`,
    );
  boxes.forEach((box, index) => checkPair(box, squares[index]!, index));
  // The way back consists of the same tensors.
  const read = new Map<TorchTensor, Float32Array>();
  tensors.forEach((tensor, index) => read.set(tensor, read.get(tensor) ?? latentsOf(tensor, index)));
  const latents = tensors.map((tensor) => read.get(tensor)!);
  const sizes = await Promise.all(frames.map(async (file) => (await stat(file)).size));
  const used = isToAndFro(boxes, squares, latents, sizes) ? boxes.length / 2 : boxes.length;
  return {
    info,
    frames: frames.slice(0, used),
    boxes: boxes.slice(0, used),
    squares: squares.slice(0, used),
    maskPaths: masks.slice(0, used),
    latents: latents.slice(0, used),
  };
}

function damaged(what: string): AppError {
  return new AppError(
    'media-undecodable',
    `the reference's folder cannot be used: ${what}; prepare it again`,
  );
}

async function readLimited(folder: string, name: string, maxBytes: number): Promise<Uint8Array> {
  const file = await fileInside(folder, name);
  const { size } = await stat(file);
  if (size > maxBytes)
    throw new AppError('media-too-large', `${name} has ${size} bytes and may have ${maxBytes}`);
  return readFile(file);
}

async function readInfo(folder: string): Promise<ReferenceInfo> {
  const read = async (name: string): Promise<Uint8Array> => readLimited(folder, name, MAX_INFO_BYTES);
  const foreign = (cause: unknown): never => {
    if (!isAppError(cause, 'file-not-found')) throw cause;
    throw new AppError(
      'file-not-found',
      `there is no avator_info.json in ${path.basename(folder)}; name a folder that the MuseTalk reference prepared`,
      { cause },
    );
  };
  // The reference misspells the name.
  const bytes = await read('avator_info.json').catch((error: unknown) => {
    if (isAppError(error, 'file-not-found')) return read('avatar_info.json').catch(foreign);
    throw error;
  });
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw damaged('avator_info.json is not JSON');
  }
  if (json === null || typeof json !== 'object') throw damaged('avator_info.json is not an object');
  const { avatar_id: id, video_path: video, bbox_shift: shift, version } = json as Record<string, unknown>;
  if (version !== undefined && version !== 'v1' && version !== 'v15')
    throw damaged(`avator_info.json names version ${String(version).slice(0, 20)}, not v1 or v15`);
  return {
    avatarId: typeof id === 'string' || typeof id === 'number' ? String(id) : path.basename(folder),
    ...(typeof video === 'string' ? { videoPath: video } : {}),
    bboxShift: typeof shift === 'number' && Number.isFinite(shift) ? shift : 0,
    ...(version === undefined ? {} : { version }),
  };
}

async function readBoxes(folder: string, name: string): Promise<Box[]> {
  const bytes = await readLimited(folder, name, MAX_COORDS_BYTES);
  const value = readPickle(bytes, { fileName: name, globals: NUMPY_GLOBALS });
  const entries = value instanceof NumpyArray && value.dims.length === 2 ? rowsOf(value) : value;
  if (!Array.isArray(entries)) throw damaged(`${name} holds no list of boxes`);
  return entries.map((entry: unknown, index) => {
    const numbers = entry instanceof NumpyArray ? entry.values : entry;
    const [x1, y1, x2, y2] = Array.isArray(numbers) && numbers.length === 4 ? (numbers as unknown[]) : [];
    const whole = (side: unknown): side is number =>
      Number.isSafeInteger(side) && Math.abs(side as number) <= MAX_SIDE_PX;
    if (!whole(x1) || !whole(y1) || !whole(x2) || !whole(y2))
      throw damaged(`entry ${index} of ${name} is not four whole numbers of pixels`);
    return { x1, y1, x2, y2 };
  });
}

function rowsOf(array: NumpyArray): (readonly number[])[] {
  const [rows = 0, columns = 0] = array.dims;
  return Array.from({ length: rows }, (_, row) => array.values.slice(row * columns, (row + 1) * columns));
}

function checkPair(box: Box, square: Box, index: number): void {
  if (box.x2 <= box.x1 || box.y2 <= box.y1) throw damaged(`picture ${index} has no face box`);
  const sidePx = square.x2 - square.x1;
  if (sidePx <= 0 || sidePx > MAX_SIDE_PX || sidePx !== square.y2 - square.y1)
    throw damaged(`entry ${index} of mask_coords.pkl is not a square`);
  const offX = Math.abs(box.x1 + box.x2 - square.x1 - square.x2) / 2;
  const offY = Math.abs(box.y1 + box.y2 - square.y1 - square.y2) / 2;
  if (offX > CENTRE_TOLERANCE_PX || offY > CENTRE_TOLERANCE_PX)
    throw damaged(`the mask of picture ${index} does not lie around its face box`);
}

async function readTensors(folder: string): Promise<TorchTensor[]> {
  const list = readTorchFile(await readLimited(folder, 'latents.pt', MAX_LATENTS_BYTES), 'latents.pt');
  if (!Array.isArray(list)) throw damaged('latents.pt holds no list');
  return list.map((tensor: unknown, index) => {
    if (tensor instanceof TorchTensor && tensor.dims.join() === LATENT_DIMS.join()) return tensor;
    const found = tensor instanceof TorchTensor ? `the shape [${tensor.dims.join(', ')}]` : 'no tensor';
    throw damaged(`entry ${index} of latents.pt has ${found}, not [${LATENT_DIMS.join(', ')}]`);
  });
}

function latentsOf(tensor: TorchTensor, index: number): Float32Array {
  const values = tensor.values();
  if (!values.every((value) => Number.isFinite(value)))
    throw damaged(`entry ${index} of latents.pt holds values that are not finite (half floats overflowed)`);
  return values;
}

/** The files 00000000.png, 00000001.png, ... without a gap; others in the folder do not count. */
async function numberedPngs(folder: string, part: string): Promise<string[]> {
  const names = await readdir(path.join(folder, part)).catch((cause: unknown) => {
    throw new AppError('file-not-found', `there is no folder ${part} in ${path.basename(folder)}`, { cause });
  });
  const numbered = names.filter((name) => /^\d{8}\.png$/.test(name)).sort();
  const gap = numbered.findIndex((name, index) => Number(name.slice(0, 8)) !== index);
  if (gap >= 0) throw damaged(`${part}/${String(gap).padStart(8, '0')}.png is missing`);
  return Promise.all(numbered.map((name) => fileInside(folder, path.join(part, name))));
}

/** Whether the second half is the first one reversed, as the reference writes it; pictures are told by their bytes' count. */
function isToAndFro(
  boxes: readonly Box[],
  squares: readonly Box[],
  latents: readonly Float32Array[],
  frameSizes: readonly number[],
): boolean {
  const count = boxes.length;
  if (count % 2 !== 0) return false;
  const sameBox = (a: Box, b: Box): boolean =>
    a.x1 === b.x1 && a.y1 === b.y1 && a.x2 === b.x2 && a.y2 === b.y2;
  for (let k = 0; k < count / 2; k++) {
    const twin = count - 1 - k;
    const later = latents[twin]!;
    if (!sameBox(boxes[k]!, boxes[twin]!) || !sameBox(squares[k]!, squares[twin]!)) return false;
    if (frameSizes[k] !== frameSizes[twin] || !latents[k]!.every((value, i) => value === later[i]))
      return false;
  }
  return true;
}
