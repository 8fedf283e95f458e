import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { prepareAvatar, type FootageTracker, type PrepareOptions } from '../../src/avatar/prepare.js';
import { AvatarStore } from '../../src/avatar/store.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { smoothLandmarks } from '../../src/face/smoothing.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { silentLog } from '../../src/lib/log.js';
import type { Landmarks } from '../../src/media/frame.js';
import { jpegWithOrientation } from '../helpers/exif.js';
import { makeMedia, sharedFile, syntheticFace, temporaryFolder, testFfmpeg } from '../helpers/media.js';

/** Sees in picture k what the script says. */
function scripted(script: (index: number) => Landmarks | undefined): FootageTracker & { sizes: Set<string> } {
  let index = 0;
  const sizes = new Set<string>();
  return {
    sizes,
    track(image) {
      sizes.add(`${image.widthPx}x${image.heightPx}`);
      const landmarks = script(index++);
      return Promise.resolve({ face: landmarks === undefined ? undefined : { landmarks } });
    },
    reset() {
      index = 0;
    },
  };
}

async function options(
  avatarsDir: string,
  sourcePath: string,
  tracker: FootageTracker,
): Promise<PrepareOptions> {
  return {
    id: 'x',
    sourcePath,
    avatarsDir,
    fps: 25,
    ffmpeg: await testFfmpeg(),
    tracker,
    smooth: (frames) => frames,
    log: silentLog,
  };
}

const allFaces = (): Landmarks => syntheticFace();

/** Mean light of picture `index`, which the test films raise by a step a picture. */
async function lightOf(store: AvatarStore, index: number): Promise<number> {
  const avatar = await store.open('x');
  const picture = new Uint8Array((avatar.widthPx * avatar.heightPx * 3) / 2);
  avatar.readFrame(index, picture);
  avatar.close();
  return (
    picture.subarray(0, avatar.widthPx * avatar.heightPx).reduce((sum, value) => sum + value, 0) /
    (avatar.widthPx * avatar.heightPx)
  );
}

describe('prepareAvatar', () => {
  it('keeps the longest stretch, says what it left out, and shows progress', async (t) => {
    const folder = await temporaryFolder(t);
    const film = path.join(folder, 'film.mkv');
    // Picture k has light 20 + 4 k, losslessly.
    await makeMedia([
      '-f',
      'lavfi',
      '-i',
      "color=s=64x48:r=25:d=2,geq=lum='20+4*N':cb=128:cr=128",
      '-c:v',
      'ffv1',
      '-pix_fmt',
      'yuv420p',
      film,
    ]);
    const tracker = scripted((index) => {
      if (index < 3) return undefined;
      if (index < 10) return syntheticFace({ xPx: index }); // 7 pictures
      if (index === 10) return syntheticFace({ eyesPx: 10 });
      if (index < 35) return syntheticFace({ xPx: 2 * index }); // 24 pictures
      if (index < 37) return syntheticFace({ yawDeg: 70 });
      return syntheticFace({ xPx: index < 45 ? 100 : 400 }); // a cut at 45
    });
    const progress: number[] = [];
    const manifest = await prepareAvatar({
      ...(await options(folder, film, tracker)),
      onProgress: (fraction) => progress.push(fraction),
    });
    assert.equal(manifest.frameCount, 24);
    assert.equal(manifest.still, false);
    assert.deepEqual([manifest.widthPx, manifest.heightPx], [64, 48]);
    const { quality } = manifest;
    assert.equal(quality.framesUsed, 24);
    assert.equal(quality.framesWithoutFace, 3);
    assert.equal(quality.framesTooSmall, 1);
    assert.equal(quality.framesTurnedAway, 2);
    assert.ok(
      quality.notes.some((note) => note.includes('4 stretches')),
      quality.notes.join('\n'),
    );
    assert.ok(progress.every((fraction, index) => fraction >= (progress[index - 1] ?? 0) && fraction <= 1));
    assert.ok(progress.length > 40);
    assert.equal(progress.at(-1), 1);

    const store = new AvatarStore(folder);
    assert.deepEqual(await store.get('x'), manifest);
    assert.equal(Math.round(await lightOf(store, 0)), 20 + 4 * 11);
    assert.equal(Math.round(await lightOf(store, 23)), 20 + 4 * 34);
    const avatar = await store.open('x');
    assert.equal(avatar.landmarks(0)[3], syntheticFace({ xPx: 22 })[3]);
    assert.equal(avatar.landmarks(23)[3], syntheticFace({ xPx: 68 })[3]);
    avatar.close();
    assert.deepEqual([...(await readFile(store.previewPath('x'))).subarray(0, 3)], [0xff, 0xd8, 0xff]);
    assert.deepEqual((await readdir(folder)).sort(), ['film.mkv', 'x']);
  });

  it('brings any rate and size to the rate asked for and a short side of at most 720', async (t) => {
    const folder = await temporaryFolder(t);
    const film = path.join(folder, 'film.mp4');
    await makeMedia([
      '-f',
      'lavfi',
      '-i',
      'testsrc=s=1920x1080:r=30:d=1',
      '-pix_fmt',
      'yuv444p',
      '-preset',
      'ultrafast',
      film,
    ]);
    const manifest = await prepareAvatar(await options(folder, film, scripted(allFaces)));
    assert.deepEqual([manifest.widthPx, manifest.heightPx, manifest.fps], [1280, 720, 25]);
    assert.ok(Math.abs(manifest.frameCount - 25) <= 1, String(manifest.frameCount));
  });

  it('turns footage upright by its metadata', async (t) => {
    const folder = await temporaryFolder(t);
    const film = path.join(folder, 'film.mp4');
    await makeMedia(['-f', 'lavfi', '-i', 'testsrc=s=64x32:r=25:d=0.2', '-pix_fmt', 'yuv420p', film]);
    const bytes = await readFile(film);
    // The display matrix in the track header, ISO/IEC 14496-12 section 8.3.2: a quarter turn.
    const matrixAt = bytes.indexOf('tkhd') + 4 + 40;
    for (const [index, value] of [0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000].entries())
      bytes.writeInt32BE(value, matrixAt + 4 * index);
    await writeFile(film, bytes);
    const manifest = await prepareAvatar(await options(folder, film, scripted(allFaces)));
    assert.deepEqual([manifest.widthPx, manifest.heightPx], [32, 64]);
  });

  it('makes a still of a photo of each kind, upright', async (t) => {
    const folder = await temporaryFolder(t);
    const avatarsDir = path.join(folder, 'avatars');
    // Left half dark, right half bright.
    const source = [
      '-f',
      'lavfi',
      '-i',
      "color=s=65x48:r=25:d=0.04,geq=lum='if(lt(X,32),30,200)':cb=128:cr=128",
      '-frames:v',
      '1',
    ];
    for (const name of ['photo.png', 'photo.jpg', 'photo.webp']) {
      const photo = path.join(folder, name);
      await makeMedia([...source, photo]);
      const manifest = await prepareAvatar({
        ...(await options(avatarsDir, photo, scripted(allFaces))),
        id: name,
      });
      assert.equal(manifest.still, true);
      assert.equal(manifest.frameCount, 1);
      assert.deepEqual([manifest.widthPx, manifest.heightPx], [64, 48], name);
    }
    const turned = path.join(folder, 'turned.jpg');
    // Orientation 6: to be shown a quarter turn clockwise, so that left becomes top.
    await writeFile(turned, jpegWithOrientation(await readFile(path.join(folder, 'photo.jpg')), 6));
    await prepareAvatar({ ...(await options(avatarsDir, turned, scripted(allFaces))), id: 'turned' });
    const avatar = await new AvatarStore(avatarsDir).open('turned');
    assert.deepEqual([avatar.widthPx, avatar.heightPx], [48, 64]);
    const picture = new Uint8Array((48 * 64 * 3) / 2);
    avatar.readFrame(0, picture);
    avatar.close();
    assert.ok((picture[48 * 4 + 24] as number) < 60 && (picture[48 * 60 + 24] as number) > 150);
  });

  it('uses the first minute of longer footage', async (t) => {
    const folder = await temporaryFolder(t);
    const film = path.join(folder, 'film.mp4');
    await makeMedia(['-f', 'lavfi', '-i', 'color=s=16x16:r=5:d=62', film]);
    const manifest = await prepareAvatar({ ...(await options(folder, film, scripted(allFaces))), fps: 5 });
    assert.equal(manifest.frameCount, 300);
    assert.ok(manifest.quality.notes.some((note) => note.includes('first 60 s')));
  });

  it('leaves nothing behind when it is cancelled, and refuses a taken id', async (t) => {
    const folder = await temporaryFolder(t);
    const film = path.join(folder, 'film.mp4');
    await makeMedia(['-f', 'lavfi', '-i', 'testsrc=s=64x48:r=25:d=4', film]);
    const controller = new AbortController();
    const tracker = scripted((index) => {
      if (index === 5) controller.abort(new Error('enough'));
      return syntheticFace();
    });
    await assert.rejects(
      prepareAvatar({ ...(await options(folder, film, tracker)), signal: controller.signal }),
      /enough/,
    );
    assert.deepEqual(await readdir(folder), ['film.mp4']);
    await prepareAvatar(await options(folder, film, scripted(allFaces)));
    await assert.rejects(options(folder, film, scripted(allFaces)).then(prepareAvatar), {
      code: 'avatar-exists',
    });
    assert.deepEqual((await readdir(folder)).sort(), ['film.mp4', 'x']);
  });

  it('leaves nothing that counts when its process is killed', async (t) => {
    const folder = await temporaryFolder(t);
    const film = path.join(folder, 'film.mp4');
    const avatarsDir = path.join(folder, 'avatars');
    await makeMedia(['-f', 'lavfi', '-i', 'testsrc=s=320x240:r=25:d=30', '-preset', 'ultrafast', film]);
    const here = (relative: string): string => JSON.stringify(new URL(relative, import.meta.url).href);
    const script = `
      import { prepareAvatar } from ${here('../../src/avatar/prepare.js')};
      import { syntheticFace, testFfmpeg } from ${here('../helpers/media.js')};
      import { silentLog } from ${here('../../src/lib/log.js')};
      let seen = 0;
      const tracker = { track: async () => { if (++seen === 20) console.log('half way'); return { face: { landmarks: syntheticFace() } }; }, reset() {} };
      await prepareAvatar({ id: 'x', sourcePath: ${JSON.stringify(film)}, avatarsDir: ${JSON.stringify(avatarsDir)}, fps: 25, ffmpeg: await testFfmpeg(), tracker, smooth: (f) => f, log: silentLog });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = new AvatarStore(avatarsDir);
    assert.deepEqual(await store.list(), []);
    assert.equal((await readdir(avatarsDir)).length, 1);
    await store.sweep();
    assert.deepEqual(await readdir(avatarsDir), []);
  });
});

describe('with the real face tracker', () => {
  const modelsDir = path.resolve(process.cwd(), 'models');

  it('prepares the demo portrait', async (t) => {
    const folder = await temporaryFolder(t);
    const portrait = path.resolve(process.cwd(), 'web/public/demo/portrait.jpg');
    await access(portrait);
    const tracker = await FaceTracker.create(await ensureFaceModels(modelsDir, silentLog));
    t.after(() => tracker.close());
    const manifest = await prepareAvatar({
      ...(await options(folder, portrait, tracker)),
      smooth: smoothLandmarks,
    });
    assert.equal(manifest.still, true);
    assert.ok(manifest.quality.mouthOpening.max < 0.02);
  });

  it(
    'prepares a film of a face whole',
    { skip: sharedFile('video/yongen.mp4') === undefined && 'test media absent' },
    async (t) => {
      const folder = await temporaryFolder(t);
      const tracker = await FaceTracker.create(await ensureFaceModels(modelsDir, silentLog));
      t.after(() => tracker.close());
      const film = path.join(folder, 'two-seconds.mp4');
      await makeMedia(['-i', sharedFile('video/yongen.mp4') as string, '-t', '2', '-c', 'copy', film]);
      const manifest = await prepareAvatar({
        ...(await options(folder, film, tracker)),
        smooth: smoothLandmarks,
      });
      assert.ok(manifest.frameCount >= 49 && manifest.frameCount <= 53, String(manifest.frameCount));
      assert.deepEqual([manifest.widthPx, manifest.heightPx], [704, 1216]);
      assert.equal(manifest.quality.framesWithoutFace, 0);
    },
  );

  it('finds no face in a test card', async (t) => {
    const folder = await temporaryFolder(t);
    const tracker = await FaceTracker.create(await ensureFaceModels(modelsDir, silentLog));
    t.after(() => tracker.close());
    const film = path.join(folder, 'card.mp4');
    await makeMedia(['-f', 'lavfi', '-i', 'testsrc=s=320x240:r=25:d=0.4', film]);
    await assert.rejects(options(folder, film, tracker).then(prepareAvatar), { code: 'no-face' });
  });
});
