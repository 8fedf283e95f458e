/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { FlashServer } from '../helpers/flash-server.js';
import { CODE_COLUMNS, CODE_ROWS, readBits } from '../helpers/picture-code.js';
import { postJsonTo, until } from '../helpers/server.js';
import { pairUp } from '../helpers/sync-figures.js';

interface Shown {
  /** The picture's own time in the file, s. */
  readonly mediaTimeS: number;
  readonly bits: readonly number[];
}

/** What a person with a browser gets of a recording. */
describe(
  'a recording in Chromium',
  { skip: chromiumPath() === undefined && 'Chromium is not installed' },
  () => {
    let server: FlashServer;
    let browser: Browser;
    before(async () => {
      [server, browser] = await Promise.all([FlashServer.start(), openBrowser()]);
    });
    after(() => Promise.all([browser.close(), server.close()]));

    it('has a length, plays with sound and picture in step, and can be sought to the picture', async (t) => {
      const session = await server.open();
      await session.beep();
      const at = `/v1/sessions/${session.id}/recording`;
      await postJsonTo(server.server, at, {});
      await until('eight seconds', async () => {
        const now = (await (await fetch(server.server.url + at)).json()) as { durationMs: number };
        return now.durationMs >= 8000 || undefined;
      });
      const ended = await fetch(server.server.url + at, { method: 'DELETE' });
      const { id, durationMs, startMediaMs } = (await ended.json()) as {
        id: string;
        durationMs: number;
        startMediaMs: number;
      };
      await session.end();

      const page = await browser.newPage();
      await page.goto(`${server.server.url}/healthz`);
      const seen = await page.evaluate(watch, {
        url: `/v1/recordings/${id}/file`,
        ...{ columns: CODE_COLUMNS, rows: CODE_ROWS, seeksS: [6.02, 1.46, 7.5, 0.3] },
      });
      assert.equal(seen.durationS, durationMs / 1000);
      assert.ok(seen.ended && seen.playedS >= 3, `it played ${seen.playedS} s`);

      const facts = ({ bits, mediaTimeS }: Shown) => {
        const read = readBits(bits);
        assert.ok(read !== undefined, `the picture at ${mediaTimeS} s cannot be read`);
        return read;
      };
      for (const shown of [...seen.played, ...seen.sought.map(({ shown: one }) => one)])
        assert.ok(
          Math.abs(shown.mediaTimeS * 1000 + startMediaMs - facts(shown).index * 40) <= 1,
          `picture ${facts(shown).index} at ${shown.mediaTimeS} s`,
        );
      // At the picture or, where a busy machine drew none, at the one before.
      for (const { toS, shown } of seen.sought)
        assert.ok(
          toS - shown.mediaTimeS >= 0 && toS - shown.mediaTimeS < 0.121,
          `${toS}: ${shown.mediaTimeS}`,
        );

      const flashes = seen.played.flatMap((shown) => {
        const { onsetMs } = facts(shown);
        return onsetMs === undefined ? [] : [shown.mediaTimeS * 1000 + onsetMs];
      });
      const { pairs } = pairUp(flashes, seen.beepsMs);
      const skews = pairs.map(({ flashMs, beepMs }) => flashMs - beepMs);
      t.diagnostic(`skew in Chromium: ${skews.map((ms) => ms.toFixed(1)).join(' ')} ms`);
      assert.ok(skews.length >= 2 && skews.every((ms) => Math.abs(ms) <= 3), skews.join(' '));
      await page.close();
    });
  },
);

/** In the page: plays the last four seconds and a bit, then seeks; the sound is decoded whole. */
async function watch(options: { url: string; columns: number; rows: number; seeksS: number[] }): Promise<{
  durationS: number;
  ended: boolean;
  playedS: number;
  played: Shown[];
  sought: { toS: number; shown: Shown }[];
  beepsMs: number[];
}> {
  const { url, columns, rows, seeksS } = options;
  const video = document.createElement('video');
  video.src = url;
  video.preload = 'auto';
  document.body.append(video);
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  const look = (mediaTimeS: number): Shown => {
    const side = video.videoWidth / columns;
    context.drawImage(video, 0, 0, video.videoWidth, side * rows, 0, 0, columns, rows);
    const { data } = context.getImageData(0, 0, columns, rows);
    return {
      mediaTimeS,
      bits: Array.from({ length: columns * rows }, (_, i) => (data[4 * i]! > 128 ? 1 : 0)),
    };
  };
  const shownNext = () =>
    new Promise<Shown>((resolve) => {
      video.requestVideoFrameCallback((_, { mediaTime }) => resolve(look(mediaTime)));
    });
  const event = (name: string) =>
    new Promise<void>((resolve, reject) => {
      video.addEventListener(name, () => resolve(), { once: true });
      video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true });
    });
  await event('loadedmetadata');

  const fromS = video.duration - 4.2;
  video.currentTime = fromS;
  await event('seeked');
  const played: Shown[] = [];
  const each = (_: number, { mediaTime }: { mediaTime: number }): void => {
    played.push(look(mediaTime));
    video.requestVideoFrameCallback(each);
  };
  video.requestVideoFrameCallback(each);
  const over = event('ended');
  await video.play();
  await over;
  const playedS = video.currentTime - fromS;
  const { ended } = video;

  const sought: { toS: number; shown: Shown }[] = [];
  for (const toS of seeksS) {
    // `each` still waits for the next picture: both are told.
    const shown = shownNext();
    video.currentTime = toS;
    await event('seeked');
    sought.push({ toS, shown: await shown });
  }

  const bytes = await (await fetch(url)).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 48_000, 48_000).decodeAudioData(bytes);
  const beepsMs: number[] = [];
  let loudUntil = -Infinity;
  sound.getChannelData(0).forEach((value, sample) => {
    if (Math.abs(value) < 0.25) return;
    if (sample > loudUntil) beepsMs.push(sample / 48);
    loudUntil = sample + 4800;
  });
  return { durationS: video.duration, ended, playedS, played, sought, beepsMs };
}
