import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { FRAMES_FILE, MANIFEST_FILE } from '../../src/avatar/manifest.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes, type EncodedPicture } from '../../src/media/frame.js';
import { WorkerHost } from '../../src/worker/host.js';
import { temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { storeAvatar } from '../helpers/stored-avatar.js';

test(
  'a real worker process codes what is wanted and names each picture’s rendition',
  { timeout: 30_000 },
  async (t) => {
    const avatarsDir = await temporaryFolder(t);
    const manifest = await storeAvatar(avatarsDir, 'a');
    const size = { widthPx: 64, heightPx: 64 };
    await writeFile(path.join(avatarsDir, 'a', MANIFEST_FILE), JSON.stringify({ ...manifest, ...size }));
    await writeFile(
      path.join(avatarsDir, 'a', FRAMES_FILE),
      new Uint8Array(2 * i420SizeBytes(64, 64)).fill(99),
    );
    const host = await WorkerHost.create(
      { avatarsDir, modelsDir: path.resolve('models'), logLevel: 'silent', ffmpeg: await testFfmpeg() },
      silentLog,
    );
    t.after(() => host.close());
    const pictures: EncodedPicture[] = [];
    const stream = await host.open({
      ...{ avatarId: 'a', fps: 25, bitrateBps: 100_000, firstIndex: () => 7 },
      onPicture: (picture) => pictures.push(picture),
      onJpeg: () => {},
      onStats: () => {},
      onLost: (reason) => assert.fail(reason),
    });
    const of = (name: string) => pictures.filter(({ rendition }) => rendition === name);
    const until = async (condition: () => boolean) => {
      while (!condition()) {
        stream.pushSound(new Float32Array(640));
        await pause(20, undefined, { signal: t.signal });
      }
    };
    const high = { name: 'high', ...size, bitrateBps: 100_000 } as const;
    await until(() => of('high').length >= 5);
    assert.equal(pictures.length, of('high').length, 'it begins with high alone');
    stream.setRenditions([high, { ...high, name: 'low', widthPx: 32, heightPx: 32 }]);
    await until(() => of('low').length >= 5);
    stream.requestKeyframe('low');
    await until(() => of('low').filter(({ key }) => key).length === 2);
    assert.equal(of('high').filter(({ key }) => key).length, 1);
    assert.equal(of('high')[0]?.index, 7);
    stream.setRenditions([{ ...high, bitrateBps: 50_000 }]);
    await until(() => of('high').filter(({ key }) => key).length === 2);
    assert.deepEqual(
      of('high').map(({ index }) => index),
      of('high').map((_, at) => 7 + at),
    );
    await stream.close();
  },
);
