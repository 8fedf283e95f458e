import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { findFfmpeg, runFfmpeg, type Ffmpeg } from '../../src/adapters/ffmpeg.js';
import { silentLog } from '../../src/lib/log.js';
import { LANDMARK_COUNT, type Landmarks } from '../../src/media/frame.js';

let found: Promise<Ffmpeg> | undefined;

/** The ffmpeg of this machine, looked for once a test file. */
export function testFfmpeg(): Promise<Ffmpeg> {
  found ??= findFfmpeg({ log: silentLog });
  return found;
}

/** A folder that is removed when the test ends. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a media file with ffmpeg's own arguments, the output path last. */
export async function makeMedia(args: readonly string[]): Promise<void> {
  const run = runFfmpeg(await testFfmpeg(), ['-y', ...args], { timeLimitMs: 30_000 });
  run.stdin.end();
  run.stdout.resume();
  await run.done;
}

/** A file of the shared test data, or undefined where it is absent. */
export function sharedFile(name: string): string | undefined {
  const file = path.resolve(process.cwd(), '../shared/data', name);
  return existsSync(file) ? file : undefined;
}

/** Made-up face points: eye corners `eyesPx` apart, looking into the camera or turned by `yawDeg`. */
export function syntheticFace(
  options: { eyesPx?: number; yawDeg?: number; xPx?: number; gapPx?: number } = {},
): Landmarks {
  const { eyesPx = 100, yawDeg = 0, xPx = 200, gapPx = 0 } = options;
  const points = new Float32Array(LANDMARK_COUNT * 3);
  const yaw = (yawDeg * Math.PI) / 180;
  const place = (index: number, x: number, y: number): void => {
    points[3 * index] = xPx + x * Math.cos(yaw);
    points[3 * index + 1] = 200 + y;
    points[3 * index + 2] = x * Math.sin(yaw);
  };
  place(33, -eyesPx / 2, 0);
  place(263, eyesPx / 2, 0);
  place(10, 0, -eyesPx * 0.7);
  place(152, 0, eyesPx * 1.3);
  place(1, 0, eyesPx * 0.4);
  for (const [upper, lower] of [
    [13, 14],
    [312, 317],
    [82, 87],
  ] as const) {
    place(upper, 0, eyesPx - gapPx / 2);
    place(lower, 0, eyesPx + gapPx / 2);
  }
  return points;
}
