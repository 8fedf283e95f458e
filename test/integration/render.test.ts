import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { renderToFile } from '../../src/worker/render.js';
import { readPictures } from '../helpers/face-media.js';
import { temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { StubEngine } from '../helpers/stub-engine.js';
import { syntheticAvatar } from '../helpers/synthetic-avatar.js';
import { syntheticLandmarks } from '../helpers/synthetic-face.js';

const [widthPx, heightPx] = [256, 256];

/** A face in grey, three pictures of it. */
const avatar = syntheticAvatar({
  widthPx,
  heightPx,
  landmarks: Array.from({ length: 3 }, () => syntheticLandmarks(128, 110, 60)),
  paint: (_index, rgb) => rgb.fill(60),
});

/** A buzz without an end, as 48 kHz mono in a WAV file. */
function wav(ms: number): Buffer {
  const data = Buffer.alloc(ms * 48 * 2);
  for (let i = 0; i < ms * 48; i++) {
    let buzz = 0;
    for (let k = 1; k <= 12; k++) buzz += Math.sin((2 * Math.PI * 140 * k * i) / 48_000) / k;
    data.writeInt16LE(Math.round(2500 * buzz), 2 * i);
  }
  const head = Buffer.alloc(44);
  head.write('RIFF');
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(48_000, 24);
  head.writeUInt32LE(96_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

describe('a file that is rendered with rehearsed faces', { skip: process.platform === 'win32' }, () => {
  let stub: StubEngine;
  before(async () => {
    stub = await StubEngine.open({ mode: 'prerendered' });
    await stub.prepare(avatar);
  });
  after(() => stub?.close());

  it('speaks until its last part of a picture, from one decoding of the sound', async (t) => {
    const folder = await temporaryFolder(t);
    const real = await testFfmpeg();
    const log = path.join(folder, 'calls');
    const script = path.join(folder, 'ffmpeg.sh');
    await writeFile(script, `#!/bin/sh\necho "$@" >> '${log}'\nexec '${real.path}' "$@"\n`);
    await chmod(script, 0o755);
    const audioPath = path.join(folder, 'speech.wav');
    await writeFile(audioPath, wav(1010));
    const progress: number[] = [];
    const { frames, durationMs } = await renderToFile({
      engine: stub.engine,
      avatar,
      audioPath,
      outPath: path.join(folder, 'out.mp4'),
      framesDir: path.join(folder, 'frames'),
      fps: 25,
      ffmpeg: { ...real, path: script },
      onProgress: (fraction) => progress.push(fraction),
    });
    assert.deepEqual([frames, durationMs], [26, 1010]);
    assert.equal((await readdir(path.join(folder, 'frames'))).length, 26);
    const calls = (await readFile(log, 'utf8')).trim().split('\n');
    assert.equal(calls.filter((call) => call.includes('pcm_s16le')).length, 1, calls.join('\n'));
    assert.equal(progress.at(-1), 1);
    assert.deepEqual(
      progress,
      [...progress].sort((a, b) => a - b),
    );
    const greens: number[] = [];
    for (let index = 0; index < 26; index++) {
      const file = path.join(folder, 'frames', `${String(index).padStart(8, '0')}.png`);
      const { data } = (await readPictures(real.path, file, 1))[0]!;
      let most = 0;
      for (let i = 0; i < data.length; i += 3)
        most = Math.max(most, data[i + 1]! - (data[i]! + data[i + 2]!) / 2);
      greens.push(most);
    }
    const whole = Math.max(...greens);
    assert.ok(whole > 40, `generated faces are green by ${whole}`);
    for (const [index, green] of greens.slice(4).entries())
      assert.ok(green > 0.9 * whole, `picture ${index + 4} is green by ${green} of ${whole}`);
  });

  it('ends at its limit', async (t) => {
    const folder = await temporaryFolder(t);
    const audioPath = path.join(folder, 'speech.wav');
    await writeFile(audioPath, wav(1010));
    const outPath = path.join(folder, 'out.mp4');
    const options = { engine: stub.engine, avatar, audioPath, outPath, fps: 25, ffmpeg: await testFfmpeg() };
    assert.deepEqual(await renderToFile({ ...options, limitMs: 500 }), { frames: 13, durationMs: 500 });
    assert.deepEqual((await readdir(folder)).sort(), ['out.mp4', 'speech.wav']);
  });
});
