import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { decodeAudio } from '../../src/audio/decode.js';
import { prepareAvatar } from '../../src/avatar/prepare.js';
import { silentLog } from '../../src/lib/log.js';
import { makeMedia, syntheticFace, temporaryFolder, testFfmpeg } from '../helpers/media.js';

async function drain(filePath: string): Promise<number> {
  let samples = 0;
  for await (const pcm of decodeAudio(await testFfmpeg(), filePath)) samples += pcm.length / 2;
  return samples;
}

const seesAFace = { track: () => Promise.resolve({ face: { landmarks: syntheticFace() } }), reset() {} };
const seesNothing = { track: () => Promise.resolve({ face: undefined }), reset() {} };

/** Prepares and checks that a failure leaves nothing behind. */
async function prepare(
  folder: string,
  sourcePath: string,
  tracker: typeof seesAFace | typeof seesNothing = seesAFace,
): Promise<unknown> {
  const avatarsDir = path.join(folder, 'avatars');
  await mkdir(avatarsDir, { recursive: true });
  try {
    return await prepareAvatar({
      id: 'x',
      sourcePath,
      avatarsDir,
      fps: 25,
      ffmpeg: await testFfmpeg(),
      tracker,
      smooth: (frames) => frames,
      log: silentLog,
    });
  } catch (error) {
    assert.deepEqual(await readdir(avatarsDir), []);
    throw error;
  }
}

describe('bad files', () => {
  it('have their own errors', async (t) => {
    const folder = await temporaryFolder(t);
    const file = (name: string): string => path.join(folder, name);
    await writeFile(file('empty.mp4'), '');
    await writeFile(file('text.mp4'), 'I am not a film.\n');
    await writeFile(
      file('noise.mp4'),
      Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 7919 + (index >> 3)) % 256)),
    );
    const cases: [string, string, RegExp][] = [
      [file('absent.mp4'), 'file-not-found', /absent\.mp4/],
      [`${folder}/nul\0byte`, 'file-not-found', /nul/],
      [folder, 'not-a-file', /directory/],
      ['/dev/null', 'not-a-file', /not a plain file/],
      [file('empty.mp4'), 'media-undecodable', /empty/],
      [file('text.mp4'), 'media-undecodable', /text/],
      [file('noise.mp4'), 'media-undecodable', /noise\.mp4/],
    ];
    for (const [bad, code, message] of cases) {
      await assert.rejects(drain(bad), { code, message }, `sound: ${bad}`);
      await assert.rejects(prepare(folder, bad), { code, message }, `avatar: ${bad}`);
    }
  });

  it('without sound, or without pictures', async (t) => {
    const folder = await temporaryFolder(t);
    const silent = path.join(folder, 'silent.mp4');
    const sound = path.join(folder, 'sound.wav');
    const nothing = path.join(folder, 'nothing.wav');
    await makeMedia(['-f', 'lavfi', '-i', 'testsrc=s=64x64:d=0.2', silent]);
    await makeMedia(['-f', 'lavfi', '-i', 'sine=d=0.2', sound]);
    await writeFile(nothing, (await readFile(sound)).subarray(0, 78));
    await assert.rejects(drain(silent), { code: 'media-undecodable', message: /no sound/ });
    await assert.rejects(drain(nothing), { code: 'media-undecodable', message: /no sound/ });
    await assert.rejects(prepare(folder, sound), { code: 'media-undecodable', message: /no picture/ });
  });

  it('without a face, or with one that cannot be used', async (t) => {
    const folder = await temporaryFolder(t);
    const film = path.join(folder, 'film.mp4');
    await makeMedia(['-f', 'lavfi', '-i', 'testsrc=s=64x64:d=0.2:r=25', film]);
    await assert.rejects(prepare(folder, film, seesNothing), {
      code: 'no-face',
      message: /no face was found in the 5 pictures of film\.mp4/,
    });
    const small = {
      track: () => Promise.resolve({ face: { landmarks: syntheticFace({ eyesPx: 12 }) } }),
      reset() {},
    };
    await assert.rejects(prepare(folder, film, small), { code: 'no-face', message: /in 5 it is too small/ });
  });

  it('cut off in the middle, are used up to there', async (t) => {
    const folder = await temporaryFolder(t);
    const whole = path.join(folder, 'whole.wav');
    const cut = path.join(folder, 'cut.wav');
    await makeMedia(['-f', 'lavfi', '-i', 'sine=d=2:r=48000', whole]);
    await writeFile(cut, (await readFile(whole)).subarray(0, 48_000 * 2));
    const samples = await drain(cut);
    assert.ok(samples > 47_000 && samples <= 48_000, String(samples));
  });
});

describe('decodeAudio', () => {
  it('gives stereo at 48 kHz, as loud as the file, from any number of channels', async (t) => {
    const folder = await temporaryFolder(t);
    const layouts: [string, string[]][] = [
      ['mono.wav', ['-ar', '16000']],
      ['stereo.ogg', ['-af', 'pan=stereo|c0=c0|c1=c0', '-c:a', 'libopus', '-b:a', '128k']],
      ['five.wav', ['-af', 'pan=5.1|c0=c0|c1=c0', '-ar', '48000']],
    ];
    for (const [name, args] of layouts) {
      const file = path.join(folder, name);
      await makeMedia(['-f', 'lavfi', '-i', 'aevalsrc=0.5*sin(2*PI*440*t):d=1:s=48000', ...args, file]);
      let samples = 0;
      let peak = 0;
      for await (const pcm of decodeAudio(await testFfmpeg(), file)) {
        assert.equal(pcm.length % 2, 0);
        samples += pcm.length / 2;
        for (const value of pcm) peak = Math.max(peak, Math.abs(value));
      }
      assert.ok(Math.abs(samples - 48_000) < 1500, `${name}: ${samples} samples`);
      if (name !== 'five.wav') assert.ok(Math.abs(peak - 16_384) < 800, `${name}: peak ${peak}`);
    }
  });

  it('ends early without an error when the reader leaves or the signal aborts', async (t) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'long.wav');
    await makeMedia(['-f', 'lavfi', '-i', 'sine=d=60:r=16000', file]);
    for await (const pcm of decodeAudio(await testFfmpeg(), file)) {
      assert.ok(pcm.length < 48_000 * 2 * 10, 'the first piece is a small one');
      break;
    }
    const controller = new AbortController();
    let pieces = 0;
    for await (const pcm of decodeAudio(await testFfmpeg(), file, { signal: controller.signal })) {
      void pcm;
      if (++pieces === 2) controller.abort();
    }
    assert.ok(pieces >= 2 && pieces < 50, String(pieces));
    for await (const pcm of decodeAudio(await testFfmpeg(), file, { signal: controller.signal }))
      assert.fail(String(pcm.length));
  });
});
