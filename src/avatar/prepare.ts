/**
 * Footage in, avatar out. One pass: each picture is decoded, judged by its face and, if usable, written to disk at
 * once; memory holds a picture or two and the landmarks. The longest stretch without a gap becomes the avatar,
 * because the idle loop walks it to and fro and must not jump. Disk: 1.4 MB a picture at 720p, 2 GB for 60 s.
 */
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { AppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import { Scope } from '../lib/scope.js';
import { mouthOpening } from '../media/face-topology.js';
import { LANDMARK_COUNT, type Landmarks, type RgbImage } from '../media/frame.js';
import { i420ToRgb } from '../media/yuv.js';
import { assertAvatarId } from './avatar-id.js';
import { finishAvatar } from './finish-avatar.js';
import { openFootage, type FootagePicture } from './footage.js';
import { FRAMES_FILE, type AvatarManifest, type QualityReport } from './manifest.js';
import { isCut, judge, MAX_YAW_DEG, MIN_INTER_OCULAR_PX, spreadOf, type Verdict } from './screening.js';
import { Workspace } from './workspace.js';

/** Longer footage is cut off; the idle loop repeats anyway. */
export const MAX_FOOTAGE_S = 60;
const DEFAULT_SHORT_SIDE_PX = 720;
/** Lips further apart than this in every picture speak badly: the closed mouth has to be invented. */
const OPEN_MOUTH = 0.05;

/** The part of the face tracker that preparation needs. It may not keep the picture. */
export interface FootageTracker {
  track(image: RgbImage): Promise<{ readonly face: { readonly landmarks: Landmarks } | undefined }>;
  reset(): void;
}

export interface PrepareOptions {
  id: string;
  sourcePath: string;
  avatarsDir: string;
  fps: number;
  maxShortSidePx?: number;
  ffmpeg: Ffmpeg;
  tracker: FootageTracker;
  /** Takes the tremor out of tracked points; one entry a picture. */
  smooth: (frames: readonly (Landmarks | undefined)[]) => readonly (Landmarks | undefined)[];
  /** Kept in the manifest for the engines of generated faces. */
  faceParameters?: Readonly<Record<string, number | string | boolean>>;
  /** 0 to 1, never falling. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal;
  log: Log;
}

interface Stretch {
  readonly fileName: string;
  readonly landmarks: Landmarks[];
}

/**
 * Prepares an avatar. Throws `no-face`, `media-undecodable`, `file-not-found`, `not-a-file`, `avatar-exists`, and the
 * signal's own reason when it aborts; then nothing is left behind.
 */
export async function prepareAvatar(options: PrepareOptions): Promise<AvatarManifest> {
  const { id, ffmpeg, fps, signal, log } = options;
  assertAvatarId(id);
  if (!(fps >= 1 && fps <= 60))
    throw new AppError('invalid-argument', `avatar ${id}: ${fps} is not a frame rate from 1 to 60`);
  signal?.throwIfAborted();
  const sourcePath = path.resolve(options.sourcePath);
  const name = path.basename(sourcePath);
  const maxFrames = MAX_FOOTAGE_S * fps;
  const footage = await openFootage(ffmpeg, sourcePath, {
    fps,
    maxShortSidePx: options.maxShortSidePx ?? DEFAULT_SHORT_SIDE_PX,
    maxFrames: maxFrames + 1, // one more tells that it was longer
    ...(signal === undefined ? {} : { signal }),
  });
  const source = await stat(sourcePath);

  const scope = new Scope();
  try {
    const workspace = await Workspace.create(options.avatarsDir, id);
    scope.defer(() => workspace.close());
    const sorter = new StretchSorter(workspace);
    scope.defer(() => sorter.close());
    const counts: Record<Verdict, number> = { usable: 0, 'no-face': 0, 'too-small': 0, 'turned-away': 0 };
    let size: { widthPx: number; heightPx: number } | undefined;
    let rgb: RgbImage | undefined; // reused: all pictures of one footage have one size
    let seen = 0;
    let progress = 0;
    let trimmed = false;
    options.tracker.reset();
    for await (const picture of footage.pictures) {
      signal?.throwIfAborted();
      if (seen === maxFrames) {
        trimmed = true;
        break;
      }
      seen++;
      const { widthPx, heightPx } = picture;
      size = { widthPx, heightPx };
      rgb ??= { ...size, data: new Uint8Array(widthPx * heightPx * 3) };
      i420ToRgb(picture.data, widthPx, heightPx, rgb.data);
      const { face } = await options.tracker.track(rgb);
      const verdict = judge(face?.landmarks);
      counts[verdict]++;
      if (verdict === 'usable' && face !== undefined) await sorter.add(picture, face.landmarks);
      else await sorter.endStretch();
      const expected = Math.min(footage.expectedFrames() ?? maxFrames, maxFrames);
      progress = Math.max(progress, Math.min(0.97, (0.97 * seen) / expected));
      options.onProgress?.(progress);
    }
    signal?.throwIfAborted();
    if (size === undefined) throw new AppError('media-undecodable', `${name} holds no picture`);
    const best = await sorter.finish();
    if (best === undefined) throw new AppError('no-face', noFaceMessage(name, seen, counts));

    const raw = best.landmarks;
    const smoothed = options.smooth(raw);
    const landmarks = raw.map((points, index) => smoothed[index] ?? points);
    await rename(workspace.file(best.fileName), workspace.file(FRAMES_FILE));
    const openings = landmarks.map((points) => mouthOpening(points));
    const quality: QualityReport = {
      framesUsed: landmarks.length,
      framesWithoutFace: counts['no-face'],
      framesTooSmall: counts['too-small'],
      framesTurnedAway: counts['turned-away'],
      mouthOpening: spreadOf(openings),
      notes: notesOn({
        counts,
        used: landmarks.length,
        stretches: sorter.stretches,
        trimmed,
        still: footage.still,
        fps,
        openings,
      }),
    };
    const manifest = await finishAvatar(workspace, ffmpeg, landmarks, {
      id,
      ...size,
      fps,
      still: footage.still || landmarks.length === 1,
      source: { name, sizeBytes: source.size, mtimeMs: source.mtimeMs, path: sourcePath },
      quality,
      ...(options.faceParameters === undefined ? {} : { faceParameters: options.faceParameters }),
    });
    signal?.throwIfAborted();
    await workspace.publish();
    options.onProgress?.(1);
    log.info(
      { avatar: id, source: name, ...size, frames: manifest.frameCount, still: manifest.still },
      'avatar prepared',
    );
    return manifest;
  } finally {
    await scope.close();
  }
}

/** Writes stretches of usable pictures as they come and keeps the longest on disk. */
class StretchSorter {
  /** How many stretches there were. */
  stretches = 0;
  readonly #workspace: Workspace;
  #best: Stretch | undefined;
  #current: (Stretch & { readonly handle: FileHandle }) | undefined;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  async add(picture: FootagePicture, landmarks: Landmarks): Promise<void> {
    const last = this.#current?.landmarks.at(-1);
    if (last !== undefined && isCut(last, landmarks)) await this.endStretch();
    if (this.#current === undefined) {
      const fileName = `stretch-${this.stretches++}`;
      this.#current = { fileName, landmarks: [], handle: await open(this.#workspace.file(fileName), 'wx') };
    }
    // The tracker may use its array again.
    this.#current.landmarks.push(Float32Array.from(landmarks.subarray(0, LANDMARK_COUNT * 3)));
    for (let at = 0; at < picture.data.length;) {
      at += (await this.#current.handle.write(picture.data, at, picture.data.length - at)).bytesWritten;
    }
  }

  async endStretch(): Promise<void> {
    const ended = this.#current;
    if (ended === undefined) return;
    this.#current = undefined;
    await ended.handle.close();
    const worse =
      this.#best === undefined || ended.landmarks.length > this.#best.landmarks.length ? this.#best : ended;
    if (worse !== ended) this.#best = { fileName: ended.fileName, landmarks: ended.landmarks };
    if (worse !== undefined) await rm(this.#workspace.file(worse.fileName), { force: true });
  }

  async finish(): Promise<Stretch | undefined> {
    await this.endStretch();
    return this.#best;
  }

  async close(): Promise<void> {
    await this.#current?.handle.close();
    this.#current = undefined;
  }
}

function noFaceMessage(name: string, seen: number, counts: Record<Verdict, number>): string {
  const pictures = seen === 1 ? 'the picture' : `the ${seen} pictures`;
  if (counts['no-face'] === seen) return `no face was found in ${pictures} of ${name}`;
  return (
    `no usable face was found in ${pictures} of ${name}: in ${counts['no-face']} none, in ${counts['too-small']} it is too small ` +
    `(under ${MIN_INTER_OCULAR_PX} pixels between the eyes), in ${counts['turned-away']} it is turned away by more than ${MAX_YAW_DEG} degrees`
  );
}

function notesOn(facts: {
  counts: Record<Verdict, number>;
  used: number;
  stretches: number;
  trimmed: boolean;
  still: boolean;
  fps: number;
  openings: readonly number[];
}): string[] {
  const { counts, used, fps } = facts;
  const notes: string[] = [];
  if (facts.trimmed) notes.push(`Only the first ${MAX_FOOTAGE_S} s were used.`);
  if (counts['no-face'] > 0) notes.push(`${counts['no-face']} pictures show no face and were left out.`);
  if (counts['too-small'] > 0)
    notes.push(`In ${counts['too-small']} pictures the face is too small; they were left out.`);
  if (counts['turned-away'] > 0)
    notes.push(`In ${counts['turned-away']} pictures the head is turned away; they were left out.`);
  if (facts.stretches > 1) {
    notes.push(
      `The usable pictures fall into ${facts.stretches} stretches; the longest one, ${(used / fps).toFixed(1)} s, was used so that the picture does not jump.`,
    );
  }
  if (!facts.still && used < fps)
    notes.push('Less than a second of footage is usable; the avatar will hardly move when idle.');
  if (spreadOf(facts.openings).min > OPEN_MOUTH)
    notes.push('The mouth is open throughout; footage with closed lips speaks better.');
  return notes;
}
