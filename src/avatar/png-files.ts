/** Footage as single PNG files: found, checked and fed to ffmpeg one behind the other. */
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { AppError } from '../errors.js';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Signature, length and type of the first chunk, width, height. */
const HEAD_BYTES = 24;
/** An 8K picture that cannot be compressed at all. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/**
 * The pictures in a folder, in order: names that end in exactly `.png`, sorted, as the MuseTalk reference takes them.
 * Links are followed, but not out of the folder.
 * @throws AppError file-not-found; not-a-file if there is none; path-outside-roots
 */
export async function listPngs(folder: string): Promise<string[]> {
  const name = path.basename(folder);
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new AppError('file-not-found', `there is no folder ${name}`, { cause });
  });
  const pictures = names.filter((file) => file.split('.').at(-1) === 'png').sort();
  if (pictures.length === 0)
    throw new AppError('not-a-file', `${name} is a directory without a file that ends in .png`);
  return Promise.all(pictures.map((picture) => fileInside(folder, picture)));
}

/**
 * The real path of a plain file in a folder.
 * @throws AppError file-not-found, not-a-file, or path-outside-roots if a link leads out of the folder
 */
export async function fileInside(folder: string, name: string): Promise<string> {
  const missing = (cause: unknown): never => {
    throw new AppError('file-not-found', `there is no file ${path.join(path.basename(folder), name)}`, {
      cause,
    });
  };
  const root = await realpath(folder).catch(missing);
  const file = await realpath(path.join(folder, name)).catch(missing);
  if (!file.startsWith(root + path.sep))
    throw new AppError(
      'path-outside-roots',
      `${path.join(path.basename(folder), name)} is a link out of its folder`,
    );
  if (!(await stat(file)).isFile())
    throw new AppError('not-a-file', `${path.join(path.basename(folder), name)} is not a plain file`);
  return file;
}

/** Width and height that all the files have. @throws AppError media-undecodable if one is no PNG or of another size */
export async function sizeOfPngs(files: readonly string[]): Promise<{ widthPx: number; heightPx: number }> {
  let first: { widthPx: number; heightPx: number } | undefined;
  for (const file of files) {
    const handle = await open(file, 'r');
    try {
      const head = new Uint8Array(HEAD_BYTES);
      const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
      const size = sizeOfPng(head.subarray(0, bytesRead), path.basename(file));
      first ??= size;
      if (size.widthPx !== first.widthPx || size.heightPx !== first.heightPx)
        throw new AppError(
          'media-undecodable',
          `${path.basename(file)} has ${size.widthPx}x${size.heightPx} pixels and ${path.basename(files[0]!)} ${first.widthPx}x${first.heightPx}; all pictures of a folder must have one size`,
        );
    } finally {
      await handle.close();
    }
  }
  if (first === undefined) throw new AppError('internal', 'no PNG file was given');
  return first;
}

/** Width and height by the head of a PNG. @throws AppError media-undecodable */
export function sizeOfPng(head: Uint8Array, name: string): { widthPx: number; heightPx: number } {
  if (head.length < HEAD_BYTES || SIGNATURE.some((byte, index) => head[index] !== byte))
    throw new AppError('media-undecodable', `${name} is not a PNG picture`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return { widthPx: view.getUint32(16), heightPx: view.getUint32(20) };
}

/**
 * The bytes of one PNG file, its chunks and checksums checked: a reader of many in a row would otherwise pass over a
 * damaged one, and whatever belongs to the pictures would be a picture off from there.
 * @throws AppError media-undecodable
 */
export async function readPng(file: string): Promise<Uint8Array> {
  const name = path.basename(file);
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) throw new AppError('media-too-large', `${name} has ${size} bytes`);
  const bytes = await readFile(file);
  sizeOfPng(bytes, name);
  const chunks = pngChunks(bytes, name);
  if (chunks[0]?.type !== 'IHDR' || chunks.at(-1)?.type !== 'IEND')
    throw new AppError(
      'media-undecodable',
      `${name} is not a whole PNG picture: it was cut off, copy it again`,
    );
  return bytes;
}

export interface PngChunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** The chunks up to IEND; `data` are views. @throws AppError media-undecodable if one is cut off or damaged */
export function pngChunks(bytes: Uint8Array, name: string): PngChunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: PngChunk[] = [];
  let at = SIGNATURE.length;
  while (chunks.at(-1)?.type !== 'IEND') {
    const length = at + 12 <= bytes.length ? view.getUint32(at) : Infinity;
    if (at + 12 + length > bytes.length)
      throw new AppError('media-undecodable', `${name} ends early: it was cut off, copy it again`);
    const type = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1');
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      throw new AppError(
        'media-undecodable',
        `${name} is damaged: the checksum of its ${type} is wrong; copy it again`,
      );
    chunks.push({ type, data: bytes.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

/**
 * Writes the files to ffmpeg's standard input at its pace and closes it. Resolves also when ffmpeg leaves first.
 * @throws AppError media-undecodable for a damaged file; the pictures before it have been written
 */
export async function feedPngs(files: readonly string[], stdin: Writable): Promise<void> {
  async function* contents(): AsyncGenerator<Uint8Array> {
    for (const file of files) yield await readPng(file);
  }
  try {
    await pipeline(Readable.from(contents(), { objectMode: true, highWaterMark: 1 }), stdin);
  } catch (error) {
    // A broken pipe means that ffmpeg has left, and why it did is told by its exit.
    if (error instanceof AppError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (
      code !== 'EPIPE' &&
      code !== 'ERR_STREAM_PREMATURE_CLOSE' &&
      code !== 'ECONNRESET' &&
      code !== 'ERR_STREAM_DESTROYED'
    )
      throw error;
  }
}
