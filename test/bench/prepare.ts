/**
 * How long an avatar takes to prepare: `node dist/test/bench/prepare.js [--json] [film]`. Without a film it is the
 * 704x1216 sample of the shared test media, else a moving portrait made on the spot. The last line of `--json` is
 * one JSON object.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findFfmpeg } from '../../src/adapters/ffmpeg.js';
import { prepareAvatar } from '../../src/avatar/prepare.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { smoothLandmarks } from '../../src/face/smoothing.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { silentLog } from '../../src/lib/log.js';
import { makeMedia, sharedFile } from '../helpers/media.js';

const json = process.argv.includes('--json');
const named = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
const folder = await mkdtemp(path.join(tmpdir(), 'musecast-bench-'));
try {
  const ffmpeg = await findFfmpeg({ log: silentLog });
  const source = named ?? sharedFile('video/yongen.mp4') ?? path.join(folder, 'portrait.mp4');
  if (source.startsWith(folder)) {
    const portrait = path.resolve(process.cwd(), 'web/public/demo/portrait.jpg');
    const moving = "scale=760:-1,crop=704:880:x='28+20*sin(t)':y=4";
    await makeMedia([
      '-loop',
      '1',
      '-r',
      '25',
      '-i',
      portrait,
      '-t',
      '10',
      '-vf',
      moving,
      '-pix_fmt',
      'yuv420p',
      source,
    ]);
  }
  const tracker = await FaceTracker.create(
    await ensureFaceModels(path.resolve(process.cwd(), 'models'), silentLog),
  );
  const started = performance.now();
  const manifest = await prepareAvatar({
    id: 'bench',
    sourcePath: source,
    avatarsDir: folder,
    fps: 25,
    ffmpeg,
    tracker,
    smooth: smoothLandmarks,
    log: silentLog,
  });
  const totalMs = performance.now() - started;
  await tracker.close();
  const result = {
    bench: 'prepare',
    source: path.basename(source),
    widthPx: manifest.widthPx,
    heightPx: manifest.heightPx,
    frames: manifest.frameCount,
    totalMs: Math.round(totalMs),
    msPerFrame: Number((totalMs / manifest.frameCount).toFixed(2)),
    realTimeFactor: Number((totalMs / ((manifest.frameCount / manifest.fps) * 1000)).toFixed(3)),
  };
  console.log(
    json
      ? JSON.stringify(result)
      : `${result.source} ${result.widthPx}x${result.heightPx}: ${result.frames} pictures in ${result.totalMs} ms, ${result.msPerFrame} ms each`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
