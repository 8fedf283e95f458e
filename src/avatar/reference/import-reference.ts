/** A folder prepared by the MuseTalk reference in, avatar out: its own pictures, boxes, masks and latents are kept. */
import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Ffmpeg } from '../../adapters/ffmpeg.js';
import { AppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import { Scope } from '../../lib/scope.js';
import { mouthOpening, NOSE_TIP } from '../../media/face-topology.js';
import {
  LANDMARK_COUNT,
  type AlphaMask,
  type Box,
  type Landmarks,
  type RgbImage,
} from '../../media/frame.js';
import { i420ToRgb } from '../../media/yuv.js';
import { assertAvatarId } from '../avatar-id.js';
import { finishAvatar } from '../finish-avatar.js';
import { openPngs } from '../footage.js';
import { FRAMES_FILE, type AvatarManifest, type QualityReport } from '../manifest.js';
import { MAX_FOOTAGE_S, type FootageTracker } from '../prepare.js';
import { judge, spreadOf, type Verdict } from '../screening.js';
import { Workspace } from '../workspace.js';
import { clipMask, decodeMaskPng } from './mask-png.js';
import { readReferenceFolder, type ReferenceFolder, type ReferenceInfo } from './reference-folder.js';

/** One picture's material for the face networks. The arrays belong to the receiver. */
export interface ReferenceEntry {
  /** Where the face sits; inside the picture. */
  readonly box: Box;
  readonly mask: AlphaMask;
  /** 8 x 32 x 32 latents. */
  readonly input: Float32Array;
}

/** Takes the material of all pictures in order, and writes it into the avatar's folder. */
export interface MaterialSink {
  add(entry: ReferenceEntry): void | Promise<void>;
  /** All entries are there; what was written must be complete when it resolves. */
  finish(): Promise<void>;
  /** Called in any case, after `finish` or instead of it. */
  close(): void | Promise<void>;
}

export interface MaterialTarget {
  /** The folder that becomes the avatar's; new files may be written here. */
  readonly folder: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly frameCount: number;
  readonly info: ReferenceInfo;
}

export interface ImportReferenceOptions {
  id: string;
  /** The folder that the reference prepared. */
  folderPath: string;
  avatarsDir: string;
  /** The reference keeps no rate: it shows one picture per drawn picture, so this is the session's rate. */
  fps: number;
  ffmpeg: Ffmpeg;
  tracker: FootageTracker;
  /** Takes the tremor out of tracked points; one entry a picture. */
  smooth: (frames: readonly (Landmarks | undefined)[]) => readonly (Landmarks | undefined)[];
  openSink: (target: MaterialTarget) => MaterialSink | Promise<MaterialSink>;
  /** 0 to 1, never falling. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal;
  log: Log;
}

/**
 * Makes an avatar of a folder of the reference. All its pictures are used (the first minute), at their own size, less
 * the last row or column of an odd side. Where no face is tracked in the reference's box, the points of the nearest
 * picture stand in.
 * @throws AppError what readReferenceFolder throws, `no-face`, `avatar-exists`, and the signal's reason when it aborts;
 * then nothing is left behind
 */
export async function importReference(options: ImportReferenceOptions): Promise<AvatarManifest> {
  const { id, ffmpeg, fps, signal, log } = options;
  assertAvatarId(id);
  if (!(fps >= 1 && fps <= 60))
    throw new AppError('invalid-argument', `avatar ${id}: ${fps} is not a frame rate from 1 to 60`);
  signal?.throwIfAborted();
  const folderPath = path.resolve(options.folderPath);
  const source = await stat(folderPath).catch((cause: unknown) => {
    throw new AppError('file-not-found', `there is no folder ${path.basename(folderPath)}`, { cause });
  });
  if (!source.isDirectory())
    throw new AppError(
      'media-undecodable',
      `${path.basename(folderPath)} is a file, not a folder that the MuseTalk reference prepared`,
    );
  const whole = await readReferenceFolder(folderPath);
  const frameCount = Math.min(whole.frames.length, MAX_FOOTAGE_S * fps);
  const footage = await openPngs(ffmpeg, whole.frames.slice(0, frameCount), {
    fps,
    ...(signal === undefined ? {} : { signal }),
  });

  const scope = new Scope();
  try {
    const workspace = await Workspace.create(options.avatarsDir, id);
    scope.defer(() => workspace.close());
    const frames = await open(workspace.file(FRAMES_FILE), 'wx');
    scope.defer(() => frames.close());
    const counts: Record<Verdict, number> = { usable: 0, 'no-face': 0, 'too-small': 0, 'turned-away': 0 };
    const tracked: (Landmarks | undefined)[] = [];
    let sink: MaterialSink | undefined;
    let rgb: RgbImage | undefined;
    options.tracker.reset();
    for await (const { widthPx, heightPx, data } of footage.pictures) {
      signal?.throwIfAborted();
      if (sink === undefined) {
        sink = await options.openSink({
          folder: workspace.folder,
          widthPx,
          heightPx,
          frameCount,
          info: whole.info,
        });
        const opened = sink;
        scope.defer(() => opened.close());
      }
      rgb ??= { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx * 3) };
      const index = tracked.length;
      await writeAll(frames, data);
      await sink.add(await entryOf(whole, index, widthPx, heightPx));
      i420ToRgb(data, widthPx, heightPx, rgb.data);
      const landmarks = (await options.tracker.track(rgb)).face?.landmarks;
      const own = landmarks !== undefined && isIn(whole.boxes[index]!, landmarks) ? landmarks : undefined;
      counts[judge(own)]++;
      // The tracker may use its array again.
      tracked.push(own && Float32Array.from(own.subarray(0, LANDMARK_COUNT * 3)));
      options.onProgress?.((0.97 * tracked.length) / frameCount);
    }
    signal?.throwIfAborted();
    if (sink === undefined || rgb === undefined)
      throw new AppError('media-undecodable', `${path.basename(folderPath)} holds no picture`);
    const landmarks = fillFromNearest(fillGaps(tracked, options.smooth(tracked)));
    if (landmarks === undefined)
      throw new AppError(
        'no-face',
        `no face was found in the boxes of the ${tracked.length} pictures of ${path.basename(folderPath)}`,
      );
    await sink.finish();
    const { widthPx, heightPx } = rgb;
    const manifest = await finishAvatar(workspace, ffmpeg, landmarks, {
      id,
      widthPx,
      heightPx,
      fps,
      still: landmarks.length === 1,
      source: {
        name: path.basename(folderPath),
        sizeBytes: source.size,
        mtimeMs: source.mtimeMs,
        path: folderPath,
      },
      quality: qualityOf(whole.info, landmarks, counts, whole.frames.length > frameCount),
    });
    signal?.throwIfAborted();
    await workspace.publish();
    options.onProgress?.(1);
    log.info({ avatar: id, source: manifest.source.name, frames: manifest.frameCount }, 'avatar imported');
    return manifest;
  } finally {
    await scope.close();
  }
}

async function entryOf(
  { boxes, squares, maskPaths, latents }: ReferenceFolder,
  index: number,
  widthPx: number,
  heightPx: number,
): Promise<ReferenceEntry> {
  const square = squares[index]!;
  const maskPath = maskPaths[index]!;
  const name = path.join('mask', path.basename(maskPath));
  const grey = decodeMaskPng(await readFile(maskPath), square.x2 - square.x1, name);
  return {
    box: insideOf(boxes[index]!, widthPx, heightPx, index),
    mask: clipMask(grey, square, widthPx, heightPx),
    input: latents[index]!,
  };
}

/**
 * The part of a box in the picture. The reference cuts out this part only, but pastes the face into the whole box,
 * which stretches it; with the cut box the face comes back to where it was taken from.
 */
function insideOf(box: Box, widthPx: number, heightPx: number, index: number): Box {
  const cut = {
    x1: Math.max(0, box.x1),
    y1: Math.max(0, box.y1),
    x2: Math.min(widthPx, box.x2),
    y2: Math.min(heightPx, box.y2),
  };
  if (cut.x2 <= cut.x1 || cut.y2 <= cut.y1)
    throw new AppError(
      'media-undecodable',
      `the face box of picture ${index} lies outside of the picture of ${widthPx}x${heightPx} pixels; prepare the folder again`,
    );
  return cut;
}

/** Whether these are the points of the face that the box is around, and not of another one in the picture. */
function isIn(box: Box, landmarks: Landmarks): boolean {
  const x = landmarks[3 * NOSE_TIP]!;
  const y = landmarks[3 * NOSE_TIP + 1]!;
  return x >= box.x1 && x < box.x2 && y >= box.y1 && y < box.y2;
}

function fillGaps(
  tracked: readonly (Landmarks | undefined)[],
  smoothed: readonly (Landmarks | undefined)[],
): (Landmarks | undefined)[] {
  return tracked.map((points, index) => smoothed[index] ?? points);
}

/** Each gap takes the points of the nearest picture that has some, the earlier of two; undefined if none has. */
export function fillFromNearest(frames: readonly (Landmarks | undefined)[]): Landmarks[] | undefined {
  const known = frames.flatMap((points, index) => (points === undefined ? [] : [index]));
  if (known.length === 0) return undefined;
  let next = 0;
  return frames.map((points, index) => {
    while (next + 1 < known.length && known[next + 1]! - index < Math.abs(index - known[next]!)) next++;
    return points ?? frames[known[next]!]!;
  });
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
}

function qualityOf(
  info: ReferenceInfo,
  landmarks: readonly Landmarks[],
  counts: Record<Verdict, number>,
  trimmed: boolean,
): QualityReport {
  const made = info.version === undefined ? '' : ` (${info.version})`;
  const notes = [
    `Imported from a folder of the MuseTalk reference${made}; its boxes, masks and latents are used.`,
  ];
  if (trimmed) notes.push(`Only the first ${MAX_FOOTAGE_S} s were used.`);
  if (counts['no-face'] > 0)
    notes.push(
      `In ${counts['no-face']} pictures no face was tracked; the nearest picture's points stand in.`,
    );
  return {
    framesUsed: landmarks.length,
    framesWithoutFace: counts['no-face'],
    framesTooSmall: counts['too-small'],
    framesTurnedAway: counts['turned-away'],
    mouthOpening: spreadOf(landmarks.map((points) => mouthOpening(points))),
    notes,
  };
}
