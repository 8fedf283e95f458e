import path from 'node:path';
import { runFfmpeg, isStillPicture, type Ffmpeg } from '../../../src/adapters/ffmpeg.js';
import { prepareAvatar } from '../../../src/avatar/prepare.js';
import { AvatarStore } from '../../../src/avatar/store.js';
import type { MouthBasis } from '../../../src/compositor/mouth-basis.js';
import { smoothLandmarks } from '../../../src/face/smoothing.js';
import type { FaceTracker } from '../../../src/face/tracker.js';
import { silentLog } from '../../../src/lib/log.js';
import { interOcularPx, mouthOpening, mouthWidth } from '../../../src/media/face-topology.js';
import { REST_MOUTH, type Landmarks, type MouthShape } from '../../../src/media/frame.js';
import type { BaseMeshTracker } from './base-mesh.js';
import { widthOf } from './clip-scores.js';
import { drawFootage, drawShapes, FPS, type Seen } from './drawn.js';
import { landmarkFlicker, pixelFlicker } from './flicker.js';
import { HELD, slow, talkLike } from './known-curves.js';
import { valueAt } from './offset.js';
import { drawMontage } from './montage.js';
import { bestLag, lagsMs, mean, pearson } from './scores.js';

/** How a drawn mouth, looked at by another tracker, follows what it was told. */
export interface Obedience {
  readonly open: number;
  readonly width: number;
  /** Of the opening's best r; positive: the picture is late. */
  readonly lagMs: number;
}

export interface Flicker {
  /** Thousandths of the distance of the eyes. */
  readonly lips: number;
  /** Levels of 0..255. */
  readonly pixels: number;
}

export interface RenderScores {
  readonly avatar: string;
  readonly eyesPx: number;
  readonly unseen: number;
  readonly curve: Obedience;
  /** The same by the product's own tracker, which prepared the face: what the second tracker fails to see shows here. */
  readonly curveByOwn: Obedience;
  /** How far both trackers agree on the opening in the footage itself; NaN of a photo. Little where it hardly moves. */
  readonly trackersAgree: number;
  /** Tracked gap over face height where the curve is shut (below 0.02), and where it is wide (above 0.8). */
  readonly gapShut: number;
  readonly gapWide: number;
  /** Driven by the network's prediction for speech. */
  readonly speech: Obedience;
  readonly flicker: {
    /** The footage as it is; a photo in silence. */
    readonly source: Flicker;
    /** Mouth held at 0, 0.4 and 0.8. */
    readonly held: Flicker;
    /** Opening and shutting once in 4 s. */
    readonly slow: Flicker;
  };
}

const FOOTAGE_S = 5;
const PICTURES = FOOTAGE_S * FPS;
const MOST_LAG_MS = 120;
/** Flicker is not counted in the first pictures, in which the mouth begins to speak. */
const SETTLED_AFTER = 10;

export interface RenderTools {
  readonly ffmpeg: Ffmpeg;
  readonly tracker: FaceTracker;
  readonly judge: BaseMeshTracker;
  readonly basis: MouthBasis;
  /** What the network hears in speech, one shape each 10 ms. */
  readonly speech: readonly MouthShape[];
  /** Where avatars may be prepared. */
  readonly folder: string;
  /** Where a picture of each face with several mouths shall go. */
  readonly plots: string | undefined;
}

/** Prepares `file` (its first seconds, or a photo), lets it speak and measures what is seen. */
export async function scoreRender(file: string, tools: RenderTools): Promise<RenderScores> {
  const { basis, speech } = tools;
  const trackers = { second: tools.judge, own: tools.tracker };
  const avatar = await prepare(file, tools);
  try {
    if (tools.plots !== undefined)
      await drawMontage(
        tools.ffmpeg,
        avatar,
        basis,
        path.join(tools.plots, `mouths-${path.parse(file).name}.png`),
      );
    const draw = (shapeAt: (timeMs: number) => MouthShape, count = PICTURES): Promise<Seen> =>
      drawShapes(avatar, basis, trackers, (frame) => shapeAt(frame * 10), count);
    const heard = (timeMs: number): MouthShape => speech[Math.round(timeMs / 10)] ?? REST_MOUTH;
    const talked = await draw(talkLike);
    const spoken = await draw(heard);
    const source = avatar.still
      ? await draw(() => REST_MOUTH)
      : await drawFootage(avatar, trackers, PICTURES);
    const held: Seen[] = [];
    for (const curve of HELD) held.push(await draw(curve, 2 * FPS));
    const openings = curveOf(talked.landmarks, mouthOpening);
    const wanted = openings.map((_, k) => talkLike((k * 1000) / FPS).open);
    return {
      avatar: path.basename(file),
      eyesPx: Math.round(interOcularPx(avatar.landmarks(0))),
      unseen: [talked, spoken, source].flatMap((seen) => seen.landmarks).filter((points) => !points).length,
      curve: obedience(talked.landmarks, talkLike),
      curveByOwn: obedience(talked.own, talkLike),
      trackersAgree: avatar.still
        ? Number.NaN
        : pearson(curveOf(source.landmarks, mouthOpening), curveOf(source.own, mouthOpening)),
      gapShut: mean(openings.filter((_, k) => wanted[k]! < 0.02)),
      gapWide: mean(openings.filter((_, k) => wanted[k]! > 0.8)),
      speech: obedience(spoken.landmarks, heard),
      flicker: {
        source: flickerOf(source),
        held: worst(held.map(flickerOf)),
        slow: flickerOf(await draw(slow)),
      },
    };
  } finally {
    avatar.close();
  }
}

async function prepare(file: string, { ffmpeg, tracker, folder }: RenderTools) {
  const id = `bench-${path.parse(file).name.toLowerCase()}`;
  let sourcePath = file;
  if (!isStillPicture(file)) {
    sourcePath = path.join(folder, `${id}.mp4`);
    const quality = ['-c:v', 'libx264', '-crf', '12', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'];
    const run = runFfmpeg(ffmpeg, [
      ...['-y', '-i', file, '-t', String(FOOTAGE_S), '-an', ...quality, sourcePath],
    ]);
    run.stdin.end();
    run.stdout.resume();
    await run.done;
  }
  await prepareAvatar({
    ...{ id, sourcePath, avatarsDir: folder, fps: FPS, ffmpeg, tracker, smooth: smoothLandmarks },
    log: silentLog,
  });
  return new AvatarStore(folder).open(id);
}

function obedience(landmarks: Seen['landmarks'], told: (timeMs: number) => MouthShape): Obedience {
  const timesMs = landmarks.map((_, k) => (k * 1000) / FPS);
  const frames = Array.from({ length: (timesMs.at(-1)! + MOST_LAG_MS) / 10 + 2 }, (_, k) => k * 10);
  const follow = (
    seen: readonly number[],
    read: (mouth: MouthShape) => number,
  ): ((lagMs: number) => number) => {
    const curve = frames.map((timeMs) => read(told(timeMs)));
    return (lagMs) =>
      pearson(
        seen,
        timesMs.map((timeMs) => valueAt(frames, curve, timeMs - lagMs)),
      );
  };
  const open = follow(curveOf(landmarks, mouthOpening), (mouth) => mouth.open);
  return {
    open: open(0),
    width: follow(curveOf(landmarks, mouthWidth), widthOf)(0),
    lagMs: bestLag(lagsMs(MOST_LAG_MS), open).lagMs,
  };
}

function curveOf(landmarks: Seen['landmarks'], read: (points: Landmarks) => number): number[] {
  return landmarks.map((points) => (points ? read(points) : Number.NaN));
}

function flickerOf({ landmarks, mouths }: Seen): Flicker {
  return {
    lips: landmarkFlicker(landmarks.slice(SETTLED_AFTER)),
    pixels: pixelFlicker(mouths.slice(SETTLED_AFTER)),
  };
}

function worst(all: readonly Flicker[]): Flicker {
  return {
    lips: Math.max(...all.map(({ lips }) => lips)),
    pixels: Math.max(...all.map(({ pixels }) => pixels)),
  };
}
