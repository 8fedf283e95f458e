import assert from 'node:assert/strict';
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { assertDecodable, findFfmpeg, runFfmpeg, userInputArgs } from '../../src/adapters/ffmpeg.js';
import { readOutput } from '../../src/adapters/ffmpeg-read.js';
import { silentLog } from '../../src/lib/log.js';
import { makeMedia, temporaryFolder, testFfmpeg } from '../helpers/media.js';

const ENDLESS = ['-f', 'lavfi', '-i', 'testsrc=s=64x64', '-f', 'rawvideo', 'pipe:1'];

describe('findFfmpeg', () => {
  it('finds one that passes the self-test', async () => {
    const ffmpeg = await testFfmpeg();
    assert.ok(ffmpeg.version.length > 0);
    assert.ok(['-fps_mode', '-vsync'].includes(ffmpeg.vsyncArgs[0] ?? ''));
  });

  it('takes what the operator names, and nothing else', async (t) => {
    const folder = await temporaryFolder(t);
    const found = await findFfmpeg({ log: silentLog, ffmpegBin: (await testFfmpeg()).path });
    assert.equal(found.origin, 'FFMPEG_BIN');
    await assert.rejects(findFfmpeg({ log: silentLog, ffmpegBin: path.join(folder, 'absent') }), {
      code: 'ffmpeg-missing',
      message: /apt-get install ffmpeg/,
    });
  });

  it('can do without libx264, and says so', async (t) => {
    const { path: real, codesH264 } = await testFfmpeg();
    assert.ok(codesH264);
    const poor = path.join(await temporaryFolder(t), 'ffmpeg');
    const script = `#!/bin/sh\ncase "$*" in *libx264*) exit 1 ;; esac\nexec '${real}' "$@"\n`;
    await writeFile(poor, script, { mode: 0o755 });
    const found = await findFfmpeg({ log: silentLog, ffmpegBin: poor });
    assert.equal(found.codesH264, false);
  });

  it('refuses a program that answers but does not encode', async (t) => {
    const folder = await temporaryFolder(t);
    const fake = path.join(folder, 'ffmpeg');
    await writeFile(fake, '#!/bin/sh\necho ffmpeg version 9.9\n');
    await chmod(fake, 0o755);
    await assert.rejects(findFfmpeg({ log: silentLog, ffmpegBin: fake }), {
      code: 'ffmpeg-missing',
      message: /no IVF/,
    });
  });
});

describe('runFfmpeg', () => {
  it('tells the last lines of stderr when ffmpeg fails', async () => {
    const run = runFfmpeg(await testFfmpeg(), ['-f', 'lavfi', '-i', 'no_such_source', '-f', 'null', '-']);
    run.stdout.resume();
    await assert.rejects(run.done, { code: 'ffmpeg-failed', message: /no_such_source/ });
  });

  it('kills, which is not an error', async () => {
    const run = runFfmpeg(await testFfmpeg(), ENDLESS);
    await new Promise((resolve) => run.stdout.once('readable', resolve));
    await run.kill();
    await run.done;
  });

  it('stops at the time limit', async () => {
    const run = runFfmpeg(await testFfmpeg(), ENDLESS, { timeLimitMs: 150 });
    run.stdout.resume();
    await assert.rejects(run.done, { code: 'timeout', message: /150 ms/ });
  });

  it('stops when the signal aborts, before and during', async () => {
    const controller = new AbortController();
    const run = runFfmpeg(await testFfmpeg(), ENDLESS, { signal: controller.signal });
    await new Promise((resolve) => run.stdout.once('readable', resolve));
    controller.abort();
    await run.done;
    await runFfmpeg(await testFfmpeg(), ENDLESS, { signal: controller.signal }).done;
  });

  it('survives a writer whose ffmpeg is gone', async () => {
    const run = runFfmpeg(await testFfmpeg(), ['-f', 'nonsense', '-i', 'pipe:0', '-f', 'null', '-']);
    run.stdout.resume();
    run.stdin.write(Buffer.alloc(1 << 20));
    await assert.rejects(run.done, { code: 'ffmpeg-failed' });
    run.stdin.write(Buffer.alloc(1 << 20));
  });

  it('opens further pipes', async () => {
    const two = [
      '-f',
      'lavfi',
      '-i',
      'color=s=16x16:d=0.1',
      '-map',
      '0',
      '-f',
      'rawvideo',
      'pipe:1',
      '-map',
      '0',
      '-f',
      'rawvideo',
      'pipe:3',
    ];
    const run = runFfmpeg(await testFfmpeg(), two, { extraPipes: 1 });
    const sizes = [0, 0];
    run.stdout.on('data', (bytes: Buffer) => (sizes[0] = (sizes[0] as number) + bytes.length));
    run.extra[0]?.on('data', (bytes: Buffer) => (sizes[1] = (sizes[1] as number) + bytes.length));
    await run.done;
    assert.ok((sizes[0] as number) > 0);
    assert.equal(sizes[1], sizes[0]);
  });
});

describe('readOutput', () => {
  it('does not count a slow reader as a stall, but a silent ffmpeg', async () => {
    const silent = runFfmpeg(await testFfmpeg(), ['-f', 's16le', '-i', 'pipe:0', '-f', 's16le', 'pipe:1']);
    await assert.rejects(
      async () => {
        for await (const bytes of readOutput(silent, 100)) void bytes;
      },
      { code: 'timeout' },
    );
    let pieces = 0;
    for await (const bytes of readOutput(runFfmpeg(await testFfmpeg(), ENDLESS), 2000)) {
      void bytes;
      if (++pieces === 3) break;
    }
    assert.equal(pieces, 3);
  });
});

describe('what a user names', () => {
  it('is not followed elsewhere by ffmpeg either', async (t) => {
    const folder = await temporaryFolder(t);
    const secret = path.join(folder, 'secret.wav');
    await makeMedia(['-f', 'lavfi', '-i', 'sine=d=0.2', secret]);
    // Even where the sniffing is passed by: the playlist readers are not on the list.
    const playlist = path.join(folder, 'list.mp4');
    await writeFile(
      playlist,
      `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:${secret}\n#EXT-X-ENDLIST\n`,
    );
    const script = path.join(folder, 'script.mp4');
    await writeFile(script, `ffconcat version 1.0\nfile secret.wav\n`);
    for (const file of [playlist, script]) {
      const run = runFfmpeg(await testFfmpeg(), [...userInputArgs(file), '-f', 's16le', 'pipe:1'], {
        timeLimitMs: 10_000,
      });
      let size = 0;
      run.stdout.on('data', (bytes: Buffer) => (size += bytes.length));
      await assert.rejects(run.done, { code: 'ffmpeg-failed' });
      assert.equal(size, 0);
      await assert.rejects(assertDecodable(file), { code: 'media-undecodable' });
    }
  });

  it('may have any name', async (t) => {
    const folder = await temporaryFolder(t);
    const picture = path.join(folder, 'p.png');
    await makeMedia(['-f', 'lavfi', '-i', 'testsrc=s=32x32', '-frames:v', '1', picture]);
    for (const name of [
      '-i.png',
      'a%03d.png',
      'http:x.png',
      'concat:a|b.png',
      "it's.png",
      'ž 中.png',
      'wrong-ending.mp4',
    ]) {
      const file = path.join(folder, name);
      await copyFile(picture, file);
      const run = runFfmpeg(
        await testFfmpeg(),
        [...userInputArgs(file), '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1'],
        { timeLimitMs: 10_000 },
      );
      let size = 0;
      run.stdout.on('data', (bytes: Buffer) => (size += bytes.length));
      await run.done;
      assert.equal(size, 32 * 32 * 3, name);
    }
  });
});
