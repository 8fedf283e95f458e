/**
 * How long the CPU engine takes a picture: `node dist/test/bench/engine.js [--json] [--sessions N] [--size WxH] [file]`.
 * It prepares two seconds of a film (the 704x1216 sample of the shared test media, else a moving portrait made on the
 * spot) or a photo, cut to `--size`, and lets N sessions (1) speak the demo sound in turn, 40 ms at a time. Hearing and
 * drawing share one thread, whose share of a core at 25 pictures a second is told; encoding is not in it but timed
 * apart (VP8 as a session uses it, one thread). The last line of `--json` is one JSON object.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findFfmpeg } from '../../src/adapters/ffmpeg.js';
import { prepareAvatar } from '../../src/avatar/prepare.js';
import { AvatarStore } from '../../src/avatar/store.js';
import { FaceRenderer } from '../../src/compositor/face-renderer.js';
import { fitMouth } from '../../src/compositor/mouth-fit.js';
import { VP8, defaultBitrateBps } from '../../src/encoder/vp8-encoder.js';
import { CpuEngine, loadMouthBasis } from '../../src/engine/cpu/cpu-engine.js';
import type { EngineStream } from '../../src/engine/engine.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { smoothLandmarks } from '../../src/face/smoothing.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes } from '../../src/media/frame.js';
import { prepareStill } from '../../src/worker/prepare-still.js';
import { makeMedia, sharedFile } from '../helpers/media.js';

const FPS = 25;
const WARM_UP_PICTURES = 50;
const PIECE_SAMPLES = 640;
/** For the encoder. */
const KEPT_PICTURES = 100;
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    sessions: { type: 'string', default: '1' },
    size: { type: 'string' },
  },
});
const named = positionals[0];
const sessions = Number(flags.sessions);
const size = flags.size?.split('x').map(Number);
const crop =
  size === undefined
    ? 'null'
    : `scale=${size.join(':')}:force_original_aspect_ratio=increase,crop=${size.join(':')}:(iw-ow)/2:0`;
const modelsDir = path.resolve('models');
const folder = await mkdtemp(path.join(tmpdir(), 'musecast-bench-'));

try {
  const ffmpeg = await findFfmpeg({ log: silentLog });
  const film = named ?? sharedFile('video/yongen.mp4');
  const photo = /\.(png|jpe?g)$/i.test(film ?? '');
  const cut = path.join(folder, photo ? 'photo.png' : 'film.mp4');
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
  if (photo) await makeMedia(['-i', film!, '-vf', crop, '-frames:v', '1', cut]);
  else if (film !== undefined) await makeMedia(['-i', film, '-vf', crop, ...x264]);
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
      `${moving},${crop}`,
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
  const store = new AvatarStore(folder);
  await prepareStill(store, 'bench', silentLog);
  const avatar = await store.open('bench');

  const engine = await CpuEngine.create({ modelsDir, log: silentLog });
  const openMs: number[] = [];
  const streams: EngineStream[] = [];
  for (let i = 0; i < sessions; i += 1) {
    const before = performance.now();
    streams.push(await engine.open(avatar, { fps: FPS }));
    openMs.push(performance.now() - before);
  }
  const speech = await demoSpeech();
  const times: number[] = [];
  const drawn = path.join(folder, 'drawn.yuv');
  const kept = await open(drawn, 'w');
  let keptPictures = 0;
  for (let round = 0; round < 3; round += 1) {
    for (let at = 0; at < speech.length; at += PIECE_SAMPLES) {
      for (const stream of streams) {
        let started = performance.now();
        for await (const picture of stream.push(speech.subarray(at, at + PIECE_SAMPLES))) {
          if (picture.widthPx !== avatar.widthPx) throw new Error('wrong picture');
          times.push(performance.now() - started);
          if (stream === streams[0] && keptPictures < KEPT_PICTURES) {
            await kept.write(picture.data);
            keptPictures += 1;
          }
          started = performance.now();
        }
      }
    }
  }
  await kept.close();
  for (const stream of streams) await stream.close();
  const encodeMs = await encoding();
  await engine.close();
  const measured = times.slice(WARM_UP_PICTURES * sessions);
  const drawMs = await drawing();

  const msPerFrame = measured.reduce((sum, ms) => sum + ms, 0) / measured.length;
  const result = {
    bench: 'engine',
    source: film === undefined ? 'generated' : path.basename(film),
    widthPx: avatar.widthPx,
    heightPx: avatar.heightPx,
    pictures: measured.length,
    still: avatar.still,
    sessions,
    openMs: round2(openMs.toSorted((a, b) => a - b)[openMs.length >> 1]!),
    msPerFrame: round2(msPerFrame),
    p95Ms: round2(measured.toSorted((a, b) => a - b)[Math.floor(measured.length * 0.95)] ?? 0),
    drawWideMouthMs: round2(drawMs),
    coreSharePercent: round2((msPerFrame * FPS * sessions) / 10),
    vp8MsPerFrame: round2(encodeMs),
    coreSharePercentWithVp8: round2(((msPerFrame + encodeMs) * FPS * sessions) / 10),
    lookaheadMs: streams[0]!.lookaheadMs,
  };
  avatar.close();
  if (flags.json) console.log(JSON.stringify(result));
  else console.table(result);

  /** Processor time of ffmpeg a picture: VP8 with the options of the sessions' encoder, on one thread. */
  async function encoding(): Promise<number> {
    const { widthPx, heightPx } = avatar;
    const input = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', `${widthPx}x${heightPx}`, '-r', `${FPS}`];
    const vp8 = VP8.codecArgs({ bitrateBps: defaultBitrateBps(widthPx, heightPx), fps: FPS });
    const run = spawnSync(
      ffmpeg.path,
      ['-v', 'info', '-benchmark', ...input, '-i', drawn, ...vp8, '-f', 'null', '-'],
      {
        encoding: 'utf8',
      },
    );
    const used = /utime=([\d.]+)s stime=([\d.]+)s/.exec(run.stderr);
    if (used === null) throw new Error(`ffmpeg told no time: ${run.stderr}`);
    return ((Number(used[1]) + Number(used[2])) * 1000) / keptPictures;
  }

  /** Drawing alone, mouth wide open. */
  async function drawing(): Promise<number> {
    const renderer = new FaceRenderer({
      basis: await loadMouthBasis(modelsDir),
      fit: fitMouth(avatar),
      widthPx: avatar.widthPx,
      heightPx: avatar.heightPx,
    });
    const picture = new Uint8Array(i420SizeBytes(avatar.widthPx, avatar.heightPx));
    const pose = { mouth: { open: 1, spread: 0.3, round: 0, tuck: 0, tongue: 0 }, speaking: 1 };
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
