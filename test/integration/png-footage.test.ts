import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { assertFootage, openFootage, openPngs } from '../../src/avatar/footage.js';
import { prepareAvatar } from '../../src/avatar/prepare.js';
import { AvatarStore } from '../../src/avatar/store.js';
import { silentLog } from '../../src/lib/log.js';
import { makeMedia, syntheticFace, temporaryFolder, testFfmpeg } from '../helpers/media.js';

/** PNG files whose light is 20 + 4 k, named by `name`. */
async function pngs(folder: string, count: number, name = 'p%03d.png', size = '64x48'): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const light = `20+4*N`;
  await makeMedia([
    ...['-f', 'lavfi', '-i', `color=s=${size}:r=25:d=${count / 25},geq=lum='${light}':cb=128:cr=128`],
    ...['-start_number', '0', path.join(folder, name)],
  ]);
  return (await readdir(folder)).sort().map((file) => path.join(folder, file));
}

interface Seen {
  widthPx: number;
  heightPx: number;
  light: number;
}

async function see(
  pictures: AsyncIterable<{ widthPx: number; heightPx: number; data: Uint8Array }>,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { widthPx, heightPx, data } of pictures) {
    const luma = data.subarray(0, widthPx * heightPx);
    seen.push({
      widthPx,
      heightPx,
      light: Math.round(luma.reduce((sum, value) => sum + value, 0) / luma.length),
    });
  }
  return seen;
}

describe('a folder of PNG files as footage', () => {
  it('is one picture a file, sorted by name, whatever else lies there', async (t) => {
    const folder = await temporaryFolder(t);
    await pngs(folder, 12);
    await writeFile(path.join(folder, 'notes.txt'), 'hello');
    await copyFile(path.join(folder, 'p000.png'), path.join(folder, 'p005.PNG'));
    await assertFootage(folder);
    const footage = await openFootage(await testFfmpeg(), folder, {
      fps: 30,
      maxShortSidePx: 720,
      maxFrames: 100,
    });
    assert.equal(footage.still, false);
    assert.equal(footage.expectedFrames(), 12);
    const seen = await see(footage.pictures);
    assert.deepEqual(
      seen.map(({ light }) => Math.round(light / 4)),
      Array.from({ length: 12 }, (_, k) => 5 + k),
    );
    assert.deepEqual([seen[0]!.widthPx, seen[0]!.heightPx], [64, 48]);
  });

  it('becomes an avatar', async (t) => {
    const folder = await temporaryFolder(t);
    const source = path.join(folder, 'pictures');
    await pngs(source, 30, 'p%03d.png', '96x80');
    const manifest = await prepareAvatar({
      id: 'x',
      sourcePath: source,
      avatarsDir: path.join(folder, 'avatars'),
      fps: 25,
      maxShortSidePx: 40,
      ffmpeg: await testFfmpeg(),
      tracker: { track: () => Promise.resolve({ face: { landmarks: syntheticFace() } }), reset() {} },
      smooth: (frames) => frames,
      log: silentLog,
    });
    assert.deepEqual([manifest.widthPx, manifest.heightPx, manifest.frameCount], [48, 40, 30]);
    assert.equal(manifest.source.name, 'pictures');
    assert.deepEqual(await new AvatarStore(path.join(folder, 'avatars')).get('x'), manifest);
  });

  it('stops at the limit, and at once when the reader leaves or the signal says so', async (t) => {
    const folder = await temporaryFolder(t);
    await pngs(folder, 40);
    const ffmpeg = await testFfmpeg();
    const options = { fps: 25, maxShortSidePx: 720, maxFrames: 7 };
    assert.equal((await see((await openFootage(ffmpeg, folder, options)).pictures)).length, 7);
    for await (const picture of (await openFootage(ffmpeg, folder, { ...options, maxFrames: 40 })).pictures) {
      assert.equal(picture.widthPx, 64);
      break;
    }
    const abort = new AbortController();
    let count = 0;
    const footage = await openFootage(ffmpeg, folder, { ...options, maxFrames: 40, signal: abort.signal });
    for await (const picture of footage.pictures)
      if (++count === 3) abort.abort(new Error(String(picture.widthPx)));
    assert.ok(count >= 3 && count < 40, String(count));
  });

  it('keeps pixels where it is asked to, less an odd row and column', async (t) => {
    const folder = await temporaryFolder(t);
    const files = await pngs(folder, 3, 'p%d.png', '65x49');
    const seen = await see((await openPngs(await testFfmpeg(), files, { fps: 25 })).pictures);
    assert.deepEqual(
      seen.map(({ widthPx, heightPx }) => [widthPx, heightPx]),
      [
        [64, 48],
        [64, 48],
        [64, 48],
      ],
    );
  });

  it('is refused with a sentence', async (t) => {
    const folder = await temporaryFolder(t);
    const ffmpeg = await testFfmpeg();
    const opened = async (): Promise<Seen[]> =>
      see((await openFootage(ffmpeg, folder, { fps: 25, maxShortSidePx: 720, maxFrames: 100 })).pictures);
    await assert.rejects(opened(), {
      code: 'not-a-file',
      message: /a directory without a file that ends in \.png/,
    });
    await assert.rejects(assertFootage(folder), { code: 'not-a-file' });
    const files = await pngs(folder, 8);
    const third = files[3]!;
    const whole = await readFile(third);

    await pngs(path.join(folder, 'other'), 1, 'p.png', '32x32');
    await copyFile(path.join(folder, 'other/p.png'), third);
    await rm(path.join(folder, 'other'), { recursive: true });
    await assert.rejects(opened(), /p003\.png has 32x32 pixels and p000\.png 64x48; all pictures/);

    await writeFile(third, 'not a picture at all');
    await assert.rejects(opened(), /p003\.png is not a PNG picture/);

    await writeFile(third, whole.subarray(0, whole.length - 30));
    await assert.rejects(opened(), { code: 'media-undecodable', message: /p003\.png ends early/ });

    // Right checksums around pixels that cannot be unpacked.
    const broken = Buffer.from(whole);
    const at = broken.indexOf('IDAT');
    const length = broken.readUInt32BE(at - 4);
    broken.fill(0xff, at + 4, at + 4 + length);
    broken.writeUInt32BE(crc32(broken.subarray(at, at + 4 + length)), at + 4 + length);
    await writeFile(third, broken);
    await assert.rejects(opened(), {
      code: 'media-undecodable',
      message: /of the 8 PNG files .* cannot be decoded/,
    });

    await rm(third);
    await mkdir(third);
    await assert.rejects(opened(), { code: 'not-a-file' });
    await rm(third, { recursive: true });
    const outside = path.join(await temporaryFolder(t), 'secret.png');
    await writeFile(outside, whole);
    await symlink(outside, third);
    await assert.rejects(opened(), {
      code: 'path-outside-roots',
      message: /p003\.png is a link out of its folder/,
    });
  });
});
