import { cpus } from 'node:os';
import { readFile } from 'node:fs/promises';
import { runFfmpeg } from '../../src/adapters/ffmpeg.js';
import { renditionsOf } from '../../src/encoder/renditions.js';
import { defaultBitrateBps } from '../../src/encoder/vp8-encoder.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes } from '../../src/media/frame.js';
import { ExtraRendition } from '../../src/worker/extra-rendition.js';
import { RenditionEncoder, type RenditionEncoderOptions } from '../../src/worker/rendition-encoder.js';
import { sharedFile, testFfmpeg } from '../helpers/media.js';
import { movingPicture } from '../helpers/moving-picture.js';

/**
 * CPU of one, two and three renditions a picture, live (25 pictures a second), 704x1216: `npm run bench:renditions`, with
 * `--json` one JSON object as the last line. Linux only: the encoders' time is read from /proc. Without the shared test
 * media it codes a made-up picture.
 */

const FPS = 25;
const PICTURES = 150;
const SIZE = { widthPx: 704, heightPx: 1216 };
const SIZE_BYTES = i420SizeBytes(SIZE.widthPx, SIZE.heightPx);
const TICK_MS = 10;

const ffmpeg = await testFfmpeg();
const footage = await readFootage();

async function readFootage(): Promise<Uint8Array[]> {
  const film = sharedFile('video/yongen.mp4');
  if (film === undefined)
    return Array.from({ length: 50 }, (_, k) => movingPicture(SIZE.widthPx, SIZE.heightPx, k).data);
  const run = runFfmpeg(ffmpeg, [
    '-i',
    film,
    '-frames:v',
    '50',
    '-f',
    'rawvideo',
    '-pix_fmt',
    'yuv420p',
    'pipe:1',
  ]);
  const parts: Buffer[] = [];
  run.stdout.on('data', (bytes: Buffer) => parts.push(bytes));
  await run.done;
  const whole = Buffer.concat(parts);
  return Array.from({ length: whole.length / SIZE_BYTES }, (_, k) =>
    whole.subarray(k * SIZE_BYTES, (k + 1) * SIZE_BYTES),
  );
}

/** User and system time of this process's children (the encoders) so far, ms. */
async function encodersMs(): Promise<number> {
  const listed = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
  let ticks = 0;
  for (const pid of listed.trim().split(' ').filter(Boolean)) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * TICK_MS;
}

async function measure(count: number) {
  const requests = renditionsOf(SIZE, defaultBitrateBps(SIZE.widthPx, SIZE.heightPx)).slice(0, count);
  const bytes: Record<string, number> = {};
  const options: RenditionEncoderOptions = {
    ...{ ffmpeg, ...SIZE, fps: FPS, log: silentLog },
    warmUp: () => ({ ...SIZE, data: footage[0]! }),
    onPicture: ({ rendition = 'high', data }) => (bytes[rendition] = (bytes[rendition] ?? 0) + data.length),
    onLost: (error) => {
      throw error;
    },
  };
  const high = await RenditionEncoder.open(options, requests[0]!);
  const extras = requests.slice(1).map((request) => new ExtraRendition(options, request));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const own = process.cpuUsage();
  const before = await encodersMs();
  const pushMs: number[] = [];
  const startMs = performance.now();
  for (let k = 0; k < PICTURES; k += 1) {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, startMs + (k * 1000) / FPS - performance.now())),
    );
    const mark = performance.now();
    const frame = { ...SIZE, data: footage[k % footage.length]! };
    for (const extra of extras) extra.push(frame, k);
    await high.push(frame, k);
    pushMs.push(performance.now() - mark);
  }
  const spent = process.cpuUsage(own);
  const result = {
    renditions: requests.map(({ name, widthPx, heightPx }) => `${name} ${widthPx}x${heightPx}`),
    encodersMsPerPicture: round(((await encodersMs()) - before) / PICTURES),
    workerMsPerPicture: round((spent.user + spent.system) / 1000 / PICTURES),
    pushP95Ms: round(pushMs.sort((a, b) => a - b)[Math.floor(PICTURES * 0.95)] ?? 0),
    kbps: Object.fromEntries(
      Object.entries(bytes).map(([name, sum]) => [name, Math.round((sum * 8 * FPS) / PICTURES / 1000)]),
    ),
    dropped: extras.reduce((sum, extra) => sum + extra.dropped, 0),
  };
  await Promise.all([high.close(), ...extras.map((extra) => extra.close())]);
  return result;
}

function round(value: number): number {
  return Number(value.toFixed(2));
}

const runs = [];
for (const count of [1, 2, 3]) {
  const run = await measure(count);
  runs.push(run);
  process.stdout.write(
    `${run.renditions.join(', ')}: encoders ${run.encodersMsPerPicture} ms a picture, worker ${run.workerMsPerPicture} ms, push p95 ${run.pushP95Ms} ms, ${JSON.stringify(run.kbps)} kbit/s\n`,
  );
}
if (process.argv.includes('--json'))
  process.stdout.write(`${JSON.stringify({ bench: 'renditions', cores: cpus().length, runs })}\n`);
