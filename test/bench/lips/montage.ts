import { runFfmpeg, type Ffmpeg } from '../../../src/adapters/ffmpeg.js';
import type { StoredAvatar } from '../../../src/avatar/store.js';
import type { MouthBasis } from '../../../src/compositor/mouth-basis.js';
import { interOcularPx } from '../../../src/media/face-topology.js';
import { REST_MOUTH, type MouthShape } from '../../../src/media/frame.js';
import { FPS, speak } from './drawn.js';

/** In two rows: shut, a slit, half, wide; a broad "ee", pursed, pursed and open, lip under the teeth. */
const MOUTHS: readonly MouthShape[] = [
  { ...REST_MOUTH },
  { ...REST_MOUTH, open: 0.15 },
  { ...REST_MOUTH, open: 0.45 },
  { ...REST_MOUTH, open: 0.9 },
  { ...REST_MOUTH, open: 0.25, spread: 0.9 },
  { ...REST_MOUTH, open: 0.15, spread: 0, round: 0.9 },
  { ...REST_MOUTH, open: 0.5, spread: 0, round: 0.6 },
  { ...REST_MOUTH, open: 0.1, tuck: 0.9 },
];
const TILE_PX = 300;
const HOLD_PICTURES = 10;

/** Writes a PNG file that shows the face with eight mouths, cut to the face. */
export async function drawMontage(
  ffmpeg: Ffmpeg,
  avatar: StoredAvatar,
  basis: MouthBasis,
  file: string,
): Promise<void> {
  const { widthPx, heightPx } = avatar;
  const landmarks = avatar.landmarks(0);
  const side = Math.min(widthPx, heightPx, Math.round(2.4 * interOcularPx(landmarks)));
  const from = (middle: number, most: number): number =>
    Math.round(Math.min(most - side, Math.max(0, middle - side / 2)));
  // Below the nose's tip, so that the chin has room.
  const crop = `crop=${side}:${side}:${from(landmarks[3]!, widthPx)}:${from(landmarks[4]! + 0.15 * side, heightPx)}`;
  const run = runFfmpeg(ffmpeg, [
    ...['-y', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', `${widthPx}x${heightPx}`, '-r', String(FPS)],
    ...['-i', 'pipe:0', '-vf', `${crop},scale=${TILE_PX}:${TILE_PX},tile=4x2`, '-frames:v', '1', file],
  ]);
  run.stdout.resume();
  const shapes = (frame: number): MouthShape =>
    MOUTHS[Math.floor(frame / ((HOLD_PICTURES * 100) / FPS))] ?? REST_MOUTH;
  let k = 0;
  for await (const picture of speak(avatar, basis, shapes, MOUTHS.length * HOLD_PICTURES)) {
    if (++k % HOLD_PICTURES === HOLD_PICTURES / 2) run.stdin.write(Uint8Array.from(picture));
  }
  run.stdin.end();
  await run.done;
}
