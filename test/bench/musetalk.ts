/**
 * What MuseTalk costs on this machine: `npm run bench:musetalk -- [--models <folder>] [--pictures 16] [--batch 4]
 * [--threads n] [--json]`. Without a folder the stand-in networks run, which cost next to nothing and show what is
 * ours. Four figures: ms a stage and picture, wall time over the time inside the networks with full batches (rendering
 * an utterance, compositing included), latency of a face with four live sessions, memory. The last line of `--json` is
 * one JSON object.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_FACE_PARAMETERS } from '../../src/engine/faces/face-material.js';
import { FaceBatcher } from '../../src/engine/faces/face-batcher.js';
import { FaceBlender } from '../../src/compositor/face-blender.js';
import { InferenceThread } from '../../src/engine/faces/inference-thread.js';
import { MuseTalkFamily } from '../../src/engine/musetalk/musetalk-family.js';
import type { StageMs } from '../../src/engine/musetalk/musetalk-nets.js';
import type { MeasuredNets } from '../../src/worker/musetalk-thread.js';
import type { RgbImage } from '../../src/media/frame.js';
import { i420SizeBytes } from '../../src/media/frame.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    pictures: { type: 'string', default: '16' },
    batch: { type: 'string', default: '4' },
    threads: { type: 'string', default: '0' },
    sessions: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
});
const [pictures, batch, threads, sessions] = [
  values.pictures,
  values.batch,
  values.threads,
  values.sessions,
].map(Number) as [number, number, number, number];
const folder = path.resolve(values.models ?? 'test/fixtures/musetalk/stubs');

const SIZE = { widthPx: 720, heightPx: 1280 };
const BOX = { x1: 210, y1: 400, x2: 510, y2: 760 };
const FPS = 25;

const thread = await InferenceThread.create<MeasuredNets>({
  module: new URL('../../src/worker/musetalk-thread.js', import.meta.url).href,
  options: {
    settings: {
      name: 'musetalk',
      folder,
      compute: { provider: 'cpu', gpuId: 0, threads },
      batch,
      mode: 'auto',
      fps: FPS,
      parameters: DEFAULT_FACE_PARAMETERS,
      faceModelsDir: folder,
      tinyDecoder: false,
      // Random weights take no picture through the VAE and back.
      vaeOverrides: values.models === undefined ? {} : { probe: 'off' },
      windows: {},
    },
    provider: { provider: 'cpu' },
    logLevel: 'warn',
  },
  urgent: ['hear'],
});
const { nets } = thread;
const family = new MuseTalkFamily(nets, {});
const batcher = new FaceBatcher({ generator: family, batch });

try {
  await nets.warmUp(batch);
  const rendering = await renderAhead();
  const latency = await liveSessions(rendering.wallMsPerPicture);
  const result = {
    bench: 'musetalk',
    models: values.models === undefined ? 'stand-ins' : path.basename(folder),
    batch,
    threads,
    ...rendering,
    ...latency,
    rssMb: Math.round(process.memoryUsage().rss / 2 ** 20),
  };
  if (values.json) console.log(JSON.stringify(result));
  else console.dir(result);
} finally {
  await batcher.close();
  await thread.close();
}

/** An utterance as it is rendered before it plays: all faces asked for at once, each pasted into a 720p picture. */
async function renderAhead() {
  const features = new Float32Array(family.featureValues).fill(0.1);
  const inputs = new Float32Array(family.inputValues).fill(0.1);
  const blender = new FaceBlender(SIZE);
  const picture = new Uint8Array(i420SizeBytes(SIZE.widthPx, SIZE.heightPx)).fill(128);
  const alpha = new Uint8Array((BOX.x2 - BOX.x1) * 200).fill(255);
  const mask = { area: { ...BOX, y1: BOX.y2 - 200 }, alpha };
  let composeMs = 0;
  await nets.hear(new Float32Array(80 * 3000), 1500);
  const before = await nets.stages();
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: pictures }, async () => {
      const face: RgbImage = await batcher.submit(inputs, features);
      const mark = performance.now();
      blender.blend(picture, face, BOX, mask);
      composeMs += performance.now() - mark;
    }),
  );
  const wallMs = performance.now() - startedMs;
  const after = await nets.stages();
  const spent = (stage: keyof StageMs['total']) => after.total[stage] - before.total[stage];
  const onnxMs = spent('unet') + spent('decode');
  return {
    pictures,
    wallOverOnnx: round(wallMs / onnxMs, 3),
    msPerStage: {
      unet: round(spent('unet') / pictures),
      decode: round(spent('decode') / pictures),
      own: round(spent('own') / pictures),
      compose: round(composeMs / pictures),
      hear30s: round(before.last.hear),
    },
    wallMsPerPicture: round(wallMs / pictures),
  };
}

/** Sessions that each ask for a face every 40 ms, not in step: how long until it is there. */
async function liveSessions(msPerFace: number) {
  const LIVE_MS = 4000;
  const features = new Float32Array(family.featureValues).fill(0.1);
  const inputs = new Float32Array(family.inputValues).fill(0.1);
  const waits: number[] = [];
  const started = batcher.stats();
  // A machine that cannot keep up would only show its queue.
  if (msPerFace > 1000 / FPS / sessions) return { liveSessions: 0, liveNote: `a face takes ${msPerFace} ms` };
  const asking: Promise<unknown>[] = [];
  const from = performance.now();
  for (let k = 0; k * (1000 / FPS) < LIVE_MS; k += 1) {
    for (let s = 0; s < sessions; s += 1) {
      const dueMs = from + (k + s / sessions) * (1000 / FPS);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
      const mark = performance.now();
      asking.push(batcher.submit(inputs, features).then(() => waits.push(performance.now() - mark)));
    }
  }
  await Promise.all(asking);
  waits.sort((a, b) => a - b);
  const ended = batcher.stats();
  return {
    liveSessions: sessions,
    faceLatencyMs: {
      p50: round(waits[Math.floor(waits.length / 2)] ?? 0),
      p95: round(waits[Math.floor(waits.length * 0.95)] ?? 0),
      max: round(waits.at(-1) ?? 0),
    },
    meanBatch: round((ended.faces - started.faces) / (ended.batches - started.batches)),
  };
}

function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
