import type { Browser } from 'playwright-core';
import {
  pictureContinuity,
  soundContinuity,
  type PictureContinuity,
  type SoundContinuity,
} from './continuity.js';
import { MeasuredViewer, statsBetween, type ViewerStats } from './measured-viewer.js';
import type { LinkCounters, LinkPolicy } from './relay-link.js';
import { postJsonTo, type TestServer } from './server.js';
import { toneWav } from './tone.js';
import { UdpRelay } from './udp-relay.js';

export interface LossyWatch {
  readonly picture: PictureContinuity;
  readonly sound: SoundContinuity;
  /** What the browser itself counted. */
  readonly stats: ViewerStats;
  readonly seconds: number;
  readonly rttMs: number;
  /** Decoded sound that was made up because its packets were missing, as a share of all. */
  readonly concealedShare: number;
  /** Server to browser, from the beginning of the losses. */
  readonly line: LinkCounters;
}

export interface LossyWatchOptions {
  readonly server: TestServer;
  readonly browser: Browser;
  readonly seconds: number;
  /** Both directions; what is not named is as on a clear line. */
  readonly policy: Partial<LinkPolicy>;
  readonly avatar?: string;
  readonly seed?: number;
}

/** Connecting, and what the receiver does in its first moments, is not part of what is measured. */
const SETTLE_MS = 3000;

/** Lets an avatar speak one long tone and watches it for a while over a bad line, which turns bad once it is connected. */
export async function watchLossy(options: LossyWatchOptions): Promise<LossyWatch> {
  const { server, browser, seconds, policy, avatar = 'demo', seed = 1 } = options;
  const { status, json } = await postJsonTo(server, '/v1/sessions', { avatar });
  if (status !== 201) throw new Error(`no session: ${status} ${JSON.stringify(json)}`);
  const id = String(json['id']);
  const relay = await UdpRelay.start({ seed });
  const context = await browser.newContext({ bypassCSP: true });
  try {
    const { delayMs = 0, jitterMs = 0 } = policy;
    const onlySlow = { delayMs, jitterMs };
    await relay.setPolicy({ toServer: onlySlow, toClient: onlySlow });
    const page = await context.newPage();
    await page.goto(`${server.url}/healthz`);
    const viewer = await MeasuredViewer.connect(page, `${server.url}/whep/${id}`, relay);
    await say(server, id, toneWav(seconds + 30));
    await viewer.hear();
    await page.waitForTimeout(SETTLE_MS);
    await relay.setPolicy({ toServer: policy, toClient: policy });
    const lineBefore = (await relay.counters()).toClient;
    const before = await viewer.take();
    await page.waitForTimeout(seconds * 1000);
    const diary = await viewer.take();
    const line = (await relay.counters()).toClient;
    await viewer.close();
    const stats = statsBetween(before.stats, diary.stats);
    return {
      picture: pictureContinuity(
        diary.shown.map(([atMs]) => atMs),
        before.shown.at(-1)?.[0] ?? before.nowMs,
        diary.nowMs,
      ),
      sound: soundContinuity(diary.loudness),
      stats,
      seconds: (diary.nowMs - before.nowMs) / 1000,
      rttMs: stats.rttSumMs / stats.rttCount,
      concealedShare: stats.concealedSamples / stats.audioSamples,
      line: countersBetween(lineBefore, line),
    };
  } finally {
    await context.close();
    await relay.close();
    await fetch(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' });
  }
}

/** Queues a sound file in a session. */
export async function say(server: TestServer, sessionId: string, wav: Buffer<ArrayBuffer>): Promise<void> {
  const said = await fetch(`${server.url}/v1/sessions/${sessionId}/utterances`, {
    method: 'POST',
    headers: { 'content-type': 'audio/wav' },
    body: wav,
  });
  if (said.status !== 201) throw new Error(`the tone was refused: ${said.status} ${await said.text()}`);
}

function countersBetween(before: LinkCounters, after: LinkCounters): LinkCounters {
  return {
    packets: after.packets - before.packets,
    bytes: after.bytes - before.bytes,
    delivered: after.delivered - before.delivered,
    deliveredBytes: after.deliveredBytes - before.deliveredBytes,
    lost: after.lost - before.lost,
    overflowed: after.overflowed - before.overflowed,
  };
}
