/**
 * Pictures to judge the drawn mouth by eye: `npm run bench:montage -- FACE... --out DIR`. FACE is a film or photo, or
 * `FACE@75` to scale it so that its outer eye corners are 75 px apart. One PNG a face: mouths from left to right, row
 * by row, as listed in SHAPES, then six consecutive pictures of speech, and two whole faces on the right. It also
 * follows the lips in the drawn pictures and prints how well their opening obeys the asked one.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findFfmpeg, isStillPicture, runFfmpeg } from '../../src/adapters/ffmpeg.js';
import { prepareAvatar } from '../../src/avatar/prepare.js';
import { AvatarStore, type StoredAvatar } from '../../src/avatar/store.js';
import { FaceRenderer } from '../../src/compositor/face-renderer.js';
import { fitMouth } from '../../src/compositor/mouth-fit.js';
import { loadMouthBasis } from '../../src/engine/cpu/cpu-engine.js';
import { MouthModel } from '../../src/engine/cpu/mouth-model.js';
import { MouthTimeline } from '../../src/engine/cpu/mouth-timeline.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { smoothLandmarks } from '../../src/face/smoothing.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { silentLog } from '../../src/lib/log.js';
import { headYawDeg, interOcularPx, mouthOpening } from '../../src/media/face-topology.js';
import { i420SizeBytes, REST_MOUTH, type MouthShape, type RgbImage } from '../../src/media/frame.js';
import { idleIndex } from '../../src/media/idle-index.js';
import { i420ToRgb } from '../../src/media/yuv.js';
import { makeMedia } from '../helpers/media.js';

const FPS = 25;
const SPEECH_FROM_S = 1.4;
const SPEECH_PICTURES = 60;
const [CELL_WIDTH, CELL_HEIGHT, COLUMNS] = [256, 216, 5];
/** The mouth's cell shows this much of the face, in outer eye distances. */
const CELL_IOD = 1.15;
const FACE_PX = 2 * CELL_HEIGHT;

/** undefined: the picture as it is. */
const SHAPES: readonly (Partial<MouthShape> | undefined)[] = [
  undefined,
  {},
  { open: 0.12 },
  { open: 0.25 },
  { open: 0.5 },
  { open: 0.75 },
  { open: 1 },
  { open: 0.15, spread: 1 },
  { open: 0.2, round: 1 },
  { open: 0.55, round: 0.6 },
  { open: 0.08, tuck: 1 },
  { open: 0.3, tongue: 1 },
  { open: 0.6, tongue: 0.7 },
];

const args = process.argv.slice(2);
const outAt = args.indexOf('--out');
const outDir = outAt < 0 ? undefined : args[outAt + 1];
const faces = args.filter((_, i) => outAt < 0 || (i !== outAt && i !== outAt + 1));
if (outDir === undefined || faces.length === 0) {
  console.error('usage: npm run bench:montage -- FACE... --out DIR');
  process.exit(2);
}
await mkdir(outDir, { recursive: true });
const modelsDir = path.resolve('models');
const ffmpeg = await findFfmpeg({ log: silentLog });
const basis = await loadMouthBasis(modelsDir);
const tracker = await FaceTracker.create(await ensureFaceModels(modelsDir, silentLog));
const speech = await speechShapes();
const rows: Record<string, unknown>[] = [];
for (const face of faces) {
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-montage-'));
  try {
    rows.push(await montage(face, folder, outDir));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
await tracker.close();
console.table(rows);

async function montage(face: string, folder: string, out: string): Promise<Record<string, unknown>> {
  const [file = '', eyesPx] = face.split('@');
  let avatar = await prepared(file, folder, 'whole');
  if (eyesPx !== undefined) {
    const scale = Number(eyesPx) / interOcularPx(avatar.landmarks(0));
    avatar.close();
    avatar = await prepared(file, folder, 'scaled', `scale=2*trunc(iw*${scale}/2):2*trunc(ih*${scale}/2)`);
  }
  const { widthPx, heightPx, frameCount } = avatar;
  const canvas = newImage(COLUMNS * CELL_WIDTH + FACE_PX, 4 * CELL_HEIGHT);
  const picture = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  const rgb = newImage(widthPx, heightPx);
  const renderer = new FaceRenderer({ basis, fit: fitMouth(avatar), widthPx, heightPx });
  let cell = 0;
  let drawMs = 0;
  const draw = (index: number, mouth: Readonly<MouthShape> | undefined): void => {
    avatar.readFrame(index, picture);
    const before = performance.now();
    if (mouth !== undefined) renderer.render(picture, avatar.landmarks(index), { mouth, speaking: 1 });
    drawMs = performance.now() - before;
    i420ToRgb(picture, widthPx, heightPx, rgb.data);
  };
  const show = (index: number): void => {
    const points = avatar.landmarks(index);
    const iod = interOcularPx(points);
    const side = iod * CELL_IOD;
    const middleY = (points[13 * 3 + 1]! + points[14 * 3 + 1]!) / 2;
    const x = (cell % COLUMNS) * CELL_WIDTH;
    const y = Math.floor(cell / COLUMNS) * CELL_HEIGHT;
    const middleX = (points[61 * 3]! + points[291 * 3]!) / 2;
    const target = { x, y, width: CELL_WIDTH, height: CELL_HEIGHT };
    zoom(canvas, target, rgb, middleX, middleY + 0.08 * iod, side);
    cell += 1;
  };
  const showFace = (index: number, y: number): void => {
    const points = avatar.landmarks(index);
    const target = { x: COLUMNS * CELL_WIDTH, y, width: FACE_PX, height: FACE_PX };
    const high = Math.hypot(points[152 * 3]! - points[10 * 3]!, points[152 * 3 + 1]! - points[10 * 3 + 1]!);
    zoom(canvas, target, rgb, points[1 * 3]!, points[1 * 3 + 1]!, 1.5 * high);
  };

  for (const shape of SHAPES) {
    draw(0, shape && { ...REST_MOUTH, ...shape });
    show(0);
    if (shape?.open === 0.75) showFace(0, 0);
  }
  // The hardest closure: the picture whose own mouth is open widest.
  let widest = 0;
  for (let i = 1; i < frameCount; i += 1) {
    if (mouthOpening(avatar.landmarks(i)) > mouthOpening(avatar.landmarks(widest))) widest = i;
  }
  draw(widest, { ...REST_MOUTH });
  show(widest);

  const asked: number[] = [];
  const seen: number[] = [];
  const drawTimes: number[] = [];
  const first = Math.floor(SPEECH_PICTURES / 2);
  tracker.reset();
  for (let k = 0; k < SPEECH_PICTURES; k += 1) {
    const index = idleIndex(k, frameCount);
    draw(index, speech[k]);
    drawTimes.push(drawMs);
    const { face: followed } = await tracker.track(rgb);
    if (followed !== undefined) {
      asked.push(speech[k]!.open);
      seen.push(mouthOpening(followed.landmarks));
    }
    if (k >= first && k < first + 6) show(index);
    if (k === first + 2) showFace(index, FACE_PX);
  }
  const name = `${path.basename(file).replace(/\.\w+$/, '')}${eyesPx === undefined ? '' : `-${eyesPx}`}`;
  await writePng(canvas, path.join(out, `${name}.png`));
  const points = avatar.landmarks(0);
  avatar.close();
  return {
    face: name,
    size: `${widthPx}x${heightPx}`,
    eyesPx: Math.round(interOcularPx(points)),
    yawDeg: Math.round(headYawDeg(points)),
    obedience: Number(correlation(asked, seen).toFixed(3)),
    drawMs: Number(drawTimes.toSorted((a, b) => a - b)[SPEECH_PICTURES / 2]!.toFixed(2)),
  };
}

/** The first two seconds, or the photo, as an avatar. */
async function prepared(file: string, folder: string, id: string, filter = 'null'): Promise<StoredAvatar> {
  const still = isStillPicture(file);
  const cut = path.join(folder, still ? `${id}.png` : `${id}.mkv`);
  const even = `${filter},scale=2*trunc(iw/2):2*trunc(ih/2)`;
  await makeMedia([
    '-i',
    file,
    ...(still ? ['-frames:v', '1'] : ['-t', '2', '-c:v', 'ffv1']),
    '-vf',
    even,
    cut,
  ]);
  await prepareAvatar({
    id,
    sourcePath: cut,
    avatarsDir: path.join(folder, 'avatars'),
    fps: FPS,
    maxShortSidePx: 1080,
    ffmpeg,
    tracker,
    smooth: smoothLandmarks,
    log: silentLog,
  });
  return new AvatarStore(path.join(folder, 'avatars')).open(id);
}

/** Mouths of consecutive pictures of the demo sound. */
async function speechShapes(): Promise<MouthShape[]> {
  const wav = await readFile(path.resolve('web/public/demo/speech.wav'));
  const step = wav.readUInt32LE(24) / 16_000;
  const bytesEach = 2 * wav.readUInt16LE(22);
  const pcm = Float32Array.from(
    { length: Math.floor((wav.length - 44) / bytesEach / step) },
    (_, i) => wav.readInt16LE(44 + Math.floor(i * step) * bytesEach) / 32768,
  );
  const model = await MouthModel.load(modelsDir);
  const timeline = new MouthTimeline();
  timeline.append(await model.open().push(pcm));
  await model.close();
  return Array.from({ length: SPEECH_PICTURES }, (_, k) => ({
    ...timeline.at(SPEECH_FROM_S * 1000 + (k * 1000) / FPS).mouth,
  }));
}

function newImage(widthPx: number, heightPx: number): RgbImage {
  return { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx * 3) };
}

/** Fills `to` with the part of `image`, `across` pixels wide, around (middleX, middleY); bilinear. */
function zoom(
  canvas: RgbImage,
  to: { x: number; y: number; width: number; height: number },
  image: RgbImage,
  middleX: number,
  middleY: number,
  across: number,
): void {
  const step = across / to.width;
  for (let y = 0; y < to.height; y += 1) {
    for (let x = 0; x < to.width; x += 1) {
      const sx = clamp(middleX + (x + 0.5 - to.width / 2) * step - 0.5, image.widthPx - 1.001);
      const sy = clamp(middleY + (y + 0.5 - to.height / 2) * step - 0.5, image.heightPx - 1.001);
      const at = (Math.floor(sy) * image.widthPx + Math.floor(sx)) * 3;
      const [fx, fy, row] = [sx % 1, sy % 1, image.widthPx * 3];
      for (let c = 0; c < 3; c += 1) {
        const above = image.data[at + c]! * (1 - fx) + image.data[at + 3 + c]! * fx;
        const below = image.data[at + row + c]! * (1 - fx) + image.data[at + row + 3 + c]! * fx;
        canvas.data[((to.y + y) * canvas.widthPx + to.x + x) * 3 + c] = above * (1 - fy) + below * fy;
      }
    }
  }
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(0, value));
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const sum = (f: (i: number) => number): number => a.reduce((total, _, i) => total + f(i), 0);
  return (
    sum((i) => (a[i]! - meanA) * (b[i]! - meanB)) /
    Math.sqrt(sum((i) => (a[i]! - meanA) ** 2) * sum((i) => (b[i]! - meanB) ** 2))
  );
}

async function writePng(image: RgbImage, file: string): Promise<void> {
  const size = `${image.widthPx}x${image.heightPx}`;
  const input = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', size, '-i', 'pipe:0'];
  const run = runFfmpeg(ffmpeg, ['-y', ...input, '-frames:v', '1', file], { timeLimitMs: 30_000 });
  run.stdout.resume();
  run.stdin.end(image.data);
  await run.done;
}
