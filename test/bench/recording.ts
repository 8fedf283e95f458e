/**
 * What recording one session costs: `npm run bench:recording -- [--minutes 60] [--json]`. The product's recorder and file
 * take pictures at 800 kbit/s with a key picture every five seconds and Opus at 64 kbit/s, as fast as the disk does; the
 * CPU is that of the whole process, per second of film. Then the same file is mended as after a crash. The last line of
 * `--json` is one JSON object.
 */
import { mkdtemp, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { OPUS_FRAME_SAMPLES } from '../../src/media/timeline.js';
import { Recorder } from '../../src/session/recording/recorder.js';
import { RecordingFile, repairFile } from '../../src/session/recording/recording-file.js';
import { codedPicture } from '../helpers/coded-picture.js';

const FPS = 25;
const PICTURE_BYTES = 800_000 / 8 / FPS;
const KEY_BYTES = 3 * PICTURE_BYTES;
const KEY_EVERY = 5 * FPS;
const PACKET_BYTES = 160;
const WAITING_BYTES = 2 ** 20;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, json: { type: 'boolean', default: false } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  process.stderr.write('--minutes takes a positive number\n');
  process.exit(2);
}

const folder = await mkdtemp(path.join(tmpdir(), 'musecast-bench-'));
try {
  const filePath = path.join(folder, 'film.webm');
  const file = await RecordingFile.create(filePath, {
    onFault: (fault) => {
      throw new Error(fault);
    },
  });
  const recorder = new Recorder({
    ...{ fps: FPS, createdAtMs: Date.now(), maxMs: Infinity, maxBytes: Infinity },
    onKeyframeNeeded: () => {},
    onBegan: () => {},
    onBytes: (bytes) => file.append(bytes),
    onLimit: (reason) => {
      throw new Error(reason);
    },
  });
  const pictures = Math.round(minutes * 60 * FPS);
  globalThis.gc?.();
  const memoryBefore = process.memoryUsage.rss();
  let memoryPeak = memoryBefore;
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  for (let index = 0; index < pictures; index += 1) {
    for (const half of [0, 1])
      recorder.sound({ full: Buffer.alloc(PACKET_BYTES, 1) }, (2 * index + half) * OPUS_FRAME_SAMPLES);
    const key = index % KEY_EVERY === 0;
    recorder.picture([codedPicture(index, key, { bytes: key ? KEY_BYTES : PICTURE_BYTES })]);
    if (index % FPS !== 0) continue;
    do await new Promise((resolve) => setImmediate(resolve));
    while (file.waitingBytes > WAITING_BYTES);
    memoryPeak = Math.max(memoryPeak, process.memoryUsage.rss());
  }
  const tookMs = performance.now() - startedMs;
  const cpu = process.cpuUsage(cpuBefore);
  const closingMs = performance.now();
  const whole = recorder.end();
  const { sizeBytes } = await file.close(whole);
  const closeMs = performance.now() - closingMs;
  const tailBytes = whole?.tail.length ?? 0;
  await truncate(filePath, (await stat(filePath)).size - tailBytes - 1000);
  const mendingMs = performance.now();
  const repaired = await repairFile(filePath);
  const repairMs = performance.now() - mendingMs;

  const seconds = pictures / FPS;
  const result = {
    bench: 'recording',
    minutes,
    cpuPercent: round((cpu.user + cpu.system) / 1000 / (seconds * 10), 3),
    sizeMb: round(sizeBytes / 1e6, 1),
    overheadPercent: round(100 * (1 - mediaBytes(pictures) / sizeBytes), 2),
    memoryGrowthMb: round((memoryPeak - memoryBefore) / 2 ** 20, 1),
    timesRealTime: Math.round((seconds * 1000) / tookMs),
    closeMs: round(closeMs, 1),
    repairMs: round(repairMs, 1),
    repairedMinutes: round((repaired?.durationMs ?? 0) / 60_000, 2),
  };
  process.stdout.write(
    `${minutes} min of film: ${result.cpuPercent} % of a core, ${result.sizeMb} MB, of which the container ${result.overheadPercent} %; ` +
      `memory grew by ${result.memoryGrowthMb} MiB; closed in ${result.closeMs} ms, mended in ${result.repairMs} ms\n`,
  );
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function mediaBytes(pictures: number): number {
  const keys = Math.ceil(pictures / KEY_EVERY);
  return keys * KEY_BYTES + (pictures - keys) * PICTURE_BYTES + 2 * pictures * PACKET_BYTES;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
