import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findFfmpeg, type Ffmpeg } from '../../../src/adapters/ffmpeg.js';
import { soundOfSent } from '../../../src/audio/service-sound.js';
import { isAppError } from '../../../src/errors.js';
import { silentLog } from '../../../src/lib/log.js';
import type { LiveRate } from '../../../src/media/upsample.js';
import { toneWav } from '../../helpers/tone.js';
import { voice } from '../../helpers/live-sound.js';

describe('what a speech service sends', () => {
  let ffmpeg: Ffmpeg;
  let folder = '';
  before(async () => {
    ffmpeg = await findFfmpeg({ log: silentLog });
    folder = await mkdtemp(path.join(tmpdir(), 'musecast-sent-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const lengthMs = async (
    bytes: Uint8Array,
    { contentType = 'audio/pcm', pcmRate = 24_000 as LiveRate | undefined, size = 1000 } = {},
  ): Promise<number> => {
    const pieces = (async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })();
    let samples = 0;
    const options = { pcmRate, ffmpeg, folder, signal: new AbortController().signal };
    for await (const pcm of soundOfSent({ contentType, bytes: pieces }, options)) samples += pcm.length / 2;
    assert.deepEqual(await readdir(folder), [], 'no file stays');
    return samples / 48;
  };

  it('is passed on as it comes where it is samples, cut anywhere, of the rate that is told', async () => {
    const pcm = voice(24_000, 250);
    for (const size of [1, 7, 48_000]) assert.equal(await lengthMs(pcm, { size }), 250);
    assert.equal(await lengthMs(voice(16_000, 250), { contentType: 'audio/pcm;rate=16000' }), 250);
    assert.equal(await lengthMs(pcm, { contentType: 'application/octet-stream' }), 250);
    assert.equal(await lengthMs(pcm.subarray(0, 4801)), 100, 'half a sample is left out');
  });

  it('is decoded where it is a file, asked for or not', async () => {
    const wav = toneWav(0.25);
    assert.equal(await lengthMs(wav, { contentType: 'audio/wav', pcmRate: undefined }), 250);
    assert.equal(await lengthMs(wav, { contentType: 'audio/pcm' }), 250, 'a RIFF head tells');
    assert.equal(await lengthMs(wav, { contentType: 'audio/x-wav' }), 250);
  });

  it('is refused where it is no sound', async () => {
    for (const [bytes, contentType] of [
      [Buffer.from('{"error":"oops"}'), 'application/json'],
      [Buffer.from('<html></html>'), 'text/html; charset=utf-8'],
      [Buffer.from('RIFF but nothing else of it'), 'audio/wav'],
      [Buffer.from('ID3 garbage garbage garbage'), 'audio/mpeg'],
    ] as const)
      await assert.rejects(
        lengthMs(bytes, { contentType }),
        (error) => isAppError(error, 'service-failed'),
        contentType,
      );
    assert.equal(await lengthMs(Buffer.alloc(0)), 0);
  });
});
