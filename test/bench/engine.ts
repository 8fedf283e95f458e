/**
 * How long the CPU engine takes a picture: `node dist/test/bench/engine.js [--json] [film]`. It prepares two seconds
 * of a film (the 704x1216 sample of the shared test media, else a moving portrait made on the spot) and lets it speak
 * the demo sound. Hearing and drawing share one thread. The last line of `--json` is one JSON object.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findFfmpeg } from '../../src/adapters/ffmpeg.js';
import { prepareAvatar } from '../../src/avatar/prepare.js';
import { AvatarStore } from '../../src/avatar/store.js';
import { FaceRenderer } from '../../src/compositor/face-renderer.js';
import { CpuEngine, loadMouthBasis } from '../../src/engine/cpu/cpu-engine.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { smoothLandmarks } from '../../src/face/smoothing.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes } from '../../src/media/frame.js';
import { makeMedia, sharedFile } from '../helpers/media.js';

const FPS = 25;
const WARM_UP_PICTURES = 50;
const json = process.argv.includes('--json');
const named = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
const modelsDir = path.resolve('models');
const folder = await mkdtemp(path.join(tmpdir(), 'musecast-bench-'));

try {
  const ffmpeg = await findFfmpeg({ log: silentLog });
  const film = named ?? sharedFile('video/yongen.mp4');
  const cut = path.join(folder, 'film.mp4');
  const x264 = [
    '-t',
    '2',
    '-c:v',
    'libx264',
    '-crf',
    '12',
    '-preset',
    'veryfast',
    '-pix_fmt',
    'yuv420p',
    cut,
  ];
  if (film !== undefined) await makeMedia(['-i', film, ...x264]);
  else {
    const moving = "scale=990:-2,crop=704:ih:x='143+20*sin(t)':y=0,scale=704:1216";
    await makeMedia([
      '-loop',
      '1',
      '-r',
      '25',
      '-i',
      path.resolve('web/public/demo/portrait.jpg'),
      '-vf',
      moving,
      ...x264,
    ]);
  }
  const tracker = await FaceTracker.create(await ensureFaceModels(modelsDir, silentLog));
  await prepareAvatar({
    id: 'bench',
    sourcePath: cut,
    avatarsDir: folder,
    fps: FPS,
    ffmpeg,
    tracker,
    smooth: smoothLandmarks,
    log: silentLog,
  });
  await tracker.close();
  const avatar = await new AvatarStore(folder).open('bench');

  const engine = await CpuEngine.create({ modelsDir, log: silentLog });
  const stream = await engine.open(avatar, { fps: FPS });
  const speech = await demoSpeech();
  const times: number[] = [];
  let started = performance.now();
  for (let round = 0; round < 3; round += 1) {
    for await (const picture of stream.push(speech)) {
      if (picture.widthPx !== avatar.widthPx) throw new Error('wrong picture');
      times.push(performance.now() - started);
      started = performance.now();
    }
  }
  await stream.close();
  await engine.close();
  const measured = times.slice(WARM_UP_PICTURES);
  const drawMs = await drawing();

  const result = {
    bench: 'engine',
    source: film === undefined ? 'generated' : path.basename(film),
    widthPx: avatar.widthPx,
    heightPx: avatar.heightPx,
    pictures: measured.length,
    msPerFrame: round2(measured.reduce((sum, ms) => sum + ms, 0) / measured.length),
    p95Ms: round2(measured.toSorted((a, b) => a - b)[Math.floor(measured.length * 0.95)] ?? 0),
    drawWideMouthMs: round2(drawMs),
    lookaheadMs: stream.lookaheadMs,
  };
  avatar.close();
  if (json) console.log(JSON.stringify(result));
  else console.table(result);

  /** Drawing alone, mouth wide open. */
  async function drawing(): Promise<number> {
    const renderer = new FaceRenderer({
      basis: await loadMouthBasis(modelsDir),
      widthPx: avatar.widthPx,
      heightPx: avatar.heightPx,
    });
    const picture = new Uint8Array(i420SizeBytes(avatar.widthPx, avatar.heightPx));
    const pose = { mouth: { open: 1, spread: 0.3, round: 0, tuck: 0 }, speaking: 1 };
    let total = 0;
    for (let k = 0; k < 150; k += 1) {
      avatar.readFrame(k % avatar.frameCount, picture);
      const before = performance.now();
      renderer.render(picture, avatar.landmarks(k % avatar.frameCount), pose);
      if (k >= 50) total += performance.now() - before;
    }
    return total / 100;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** The demo sound as 16 kHz mono: a plain WAV with a 44-byte head, thinned without a filter, which timing does not mind. */
async function demoSpeech(): Promise<Float32Array> {
  const wav = await readFile(path.resolve('web/public/demo/speech.wav'));
  const rate = wav.readUInt32LE(24);
  const channels = wav.readUInt16LE(22);
  const frames = Math.floor((wav.length - 44) / 2 / channels);
  const step = rate / 16_000;
  return Float32Array.from(
    { length: Math.floor(frames / step) },
    (_, i) => wav.readInt16LE(44 + Math.floor(i * step) * channels * 2) / 32768,
  );
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
