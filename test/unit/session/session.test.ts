import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionDetailSchema } from '../../../signaling/schemas.js';
import { OpusEncoder } from '../../../src/encoder/opus-encoder.js';
import { isAppError } from '../../../src/errors.js';
import { silentLog } from '../../../src/lib/log.js';
import type { PictureParts } from '../../../src/session/fan-out.js';
import { LocalAudience, type LocalAudienceOptions } from '../../../src/session/local-audience.js';
import type { Peer } from '../../../src/session/peer.js';
import { Session } from '../../../src/session/session.js';
import { ViewerMetrics } from '../../../src/session/viewer-metrics.js';
import { Utterance } from '../../../src/session/utterance.js';
import type { WorkerStreamOptions } from '../../../src/worker/host.js';
import { deferred, type Deferred } from '../../helpers/deferred.js';
import { ManualClock } from '../../helpers/manual-clock.js';

/** A session on a clock moved by hand, with a worker's stream that records and draws nothing. */
async function arrange(
  lingerMs = 5000,
  rehearses = false,
  openPeer: LocalAudienceOptions['openPeer'] = () => assert.fail('no viewer is expected'),
) {
  const clock = new ManualClock();
  const streams: {
    options: WorkerStreamOptions;
    firstIndex: number;
    pcm: Float32Array[];
    keyframes: number;
    closed: boolean;
    jpeg: boolean;
    rehearsals: { audioPath: string; onProgress(fraction: number): void; made: Deferred<number> }[];
    cues: [number, number][];
    cuts: number;
    dropped: number[];
  }[] = [];
  const session = await Session.create({
    id: 's',
    avatarId: 'a',
    fps: 25,
    bitrateBps: 500_000,
    lingerMs,
    rehearses,
    openStream: async (options) => {
      const stream: (typeof streams)[number] = {
        options,
        firstIndex: options.firstIndex(),
        pcm: [],
        keyframes: 0,
        closed: false,
        jpeg: false,
        rehearsals: [],
        cues: [],
        cuts: 0,
        dropped: [],
      };
      streams.push(stream);
      return {
        widthPx: 64,
        heightPx: 64,
        lookaheadMs: 100,
        pushSound: (pcm) => stream.pcm.push(pcm),
        setRenditions: () => {},
        requestKeyframe: () => (stream.keyframes += 1),
        setJpeg: (wanted) => (stream.jpeg = wanted),
        rehearse: (audioPath, { onProgress, signal }) => {
          const made = deferred<number>();
          signal.addEventListener('abort', () => made.reject(signal.reason as Error));
          stream.rehearsals.push({ audioPath, onProgress, made });
          return made.promise;
        },
        cue: (id, atMs) => void stream.cues.push([id, atMs]),
        drop: (id) => void stream.dropped.push(id),
        cut: () => void (stream.cuts += 1),
        close: async () => void (stream.closed = true),
      };
    },
    openAudience: (events) => new LocalAudience({ sessionId: 's', events, openPeer, clock, log: silentLog }),
    opus: new OpusEncoder(),
    clock,
    log: silentLog,
  });
  return { clock, session, streams };
}

const fedMs = (pcm: readonly Float32Array[]) => pcm.reduce((sum, part) => sum + part.length, 0) / 16;

async function tone(ms: number): Promise<Utterance> {
  const utterance = new Utterance('u', async function* () {
    yield Int16Array.from({ length: ms * 96 }, (_, i) => 8000 * Math.sin(i / 20));
  });
  await utterance.firstSound;
  return utterance;
}

test('sound is fed a constant lead ahead of the clock, also while nobody speaks', async () => {
  const { clock, session, streams } = await arrange();
  clock.advance(1000);
  const fed = fedMs(streams[0]?.pcm ?? []);
  assert.ok(fed >= 1180 && fed <= 1220, `${fed} ms were fed after one second`);
  await session.close('test');
  assert.ok(streams[0]?.closed);
});

test('speech makes the session speak for as long as it lasts, and tells its end', async () => {
  const { clock, session } = await arrange();
  const ended: number[] = [];
  session.events.on('speechEnded', ({ playedMs }) => ended.push(playedMs));
  void session.say(await tone(500));
  clock.advance(100);
  assert.equal(session.state, 'speaking');
  clock.advance(1000);
  assert.equal(session.state, 'idle');
  assert.deepEqual(ended, [500]);
  await session.close('test');
});

test('speech that shall be watched waits for a viewer, but not for ever', async () => {
  const { clock, session, streams } = await arrange();
  void session.say(await tone(200), { untilWatched: true });
  const loud = () => streams[0]?.pcm.some((part) => part.some((value) => Math.abs(value) > 0.05));
  clock.advance(2500);
  assert.ok(!loud(), 'nobody watches yet');
  clock.advance(1000);
  assert.ok(loud(), 'it begins after three seconds');
  await session.close('test');
});

test('a session that nobody watches ends after the linger time, counted from the end of its speech', async () => {
  const { clock, session } = await arrange(2000);
  const reasons: string[] = [];
  session.events.on('ended', ({ reason }) => reasons.push(reason));
  void session.say(await tone(1000));
  clock.advance(2500);
  assert.notEqual(session.state, 'ended');
  clock.advance(1500);
  assert.equal(session.state, 'ended');
  await session.close('again');
  assert.deepEqual(reasons, ['nobody watched any more']);
  assert.throws(
    () => session.say(new Utterance('v', async function* () {})),
    (error) => isAppError(error, 'session-closed'),
  );
});

test('an interrupt tells how much was heard and leaves the session idle', async () => {
  const { clock, session } = await arrange();
  void session.say(await tone(5000));
  void session.say(await tone(5000));
  clock.advance(1000);
  const { playedMs } = await session.interrupt();
  assert.ok(playedMs > 700 && playedMs <= 1000, `${playedMs} ms`);
  assert.equal(session.state, 'idle');
  await session.close('test');
});

test('JPEG is encoded only while somebody watches', async () => {
  const { clock, session, streams } = await arrange();
  const abort = new AbortController();
  const pictures = session.watchJpeg(abort.signal)[Symbol.asyncIterator]();
  const first = pictures.next();
  assert.equal(streams[0]?.jpeg, true);
  streams[0]?.options.onJpeg({ index: 0, key: true, data: new Uint8Array([7]) });
  clock.advance(20);
  assert.deepEqual((await first).value, new Uint8Array([7]));
  const second = pictures.next();
  abort.abort();
  assert.equal((await second).done, true);
  assert.equal(streams[0]?.jpeg, false);
  await session.close('test');
});

test('a lost stream is replaced by one that starts at a picture ahead of what was fed', async () => {
  const { clock, session, streams } = await arrange();
  clock.advance(1000);
  streams[0]?.options.onLost('test');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(streams.length, 2);
  clock.advance(1000);
  const firstIndex = streams[1]?.firstIndex ?? 0;
  assert.ok(firstIndex * 40 >= 1180 && firstIndex * 40 <= 2000, `it starts at ${firstIndex * 40} ms`);
  const endMs = firstIndex * 40 + fedMs(streams[1]?.pcm ?? []);
  assert.ok(Math.abs(endMs - 2200) <= 25, `its sound ends at ${endMs} ms of media time`);
  await session.close('test');
});

test('a session that renders ahead holds speech back until its faces are made, and begins it at a picture', async () => {
  const { clock, session, streams } = await arrange(5000, true);
  const progress: number[] = [];
  session.events.on('rendering', (event) => progress.push(event.progress));
  void session.say(await tone(500), { audioPath: '/speech.wav' });
  const rehearsal = streams[0]?.rehearsals[0];
  assert.equal(rehearsal?.audioPath, '/speech.wav');
  clock.advance(300);
  assert.deepEqual(session.rendering, [{ utteranceId: 'u', progress: 0 }]);
  rehearsal?.onProgress(0.5);
  assert.deepEqual(streams[0]?.cues, []);
  rehearsal?.made.resolve(7);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(20);
  const [[id = 0, atMs = -1] = []] = streams[0]?.cues ?? [];
  assert.equal(id, 7);
  assert.equal(atMs % 40, 0, 'it begins where a picture begins');
  assert.deepEqual(progress, [0, 0.5, 1]);
  const spokenFrom = streams[0]?.pcm.findIndex((pcm) => pcm.some((value) => Math.abs(value) > 0.01)) ?? -1;
  assert.equal(spokenFrom * 20, atMs, 'the cue names the first sample of the sound');
  assert.deepEqual(session.rendering, []);
  await session.close('test');
});

test('speech whose rendering failed is heard all the same', async () => {
  const { clock, session, streams } = await arrange(5000, true);
  void session.say(await tone(200), { audioPath: '/speech.wav' });
  streams[0]?.rehearsals[0]?.made.reject(new Error('no memory'));
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(200);
  assert.deepEqual(streams[0]?.cues, []);
  assert.ok(streams[0]?.pcm.some((pcm) => pcm.some((value) => Math.abs(value) > 0.01)));
  await session.close('test');
});

test('an interrupt silences what was fed already, ends every utterance and says how much was heard', async () => {
  const { clock, session, streams } = await arrange();
  const ended: [string, number, boolean][] = [];
  session.events.on('speechEnded', ({ utteranceId, playedMs, interrupted }) =>
    ended.push([utteranceId, playedMs, interrupted]),
  );
  void session.say(await tone(5000));
  void session.say(await tone(5000));
  clock.advance(1000);
  const { playedMs } = await session.interrupt();
  assert.ok(playedMs >= 700 && playedMs <= 1100, `${playedMs} ms of a second were heard`);
  assert.deepEqual(
    ended.map(([, , interrupted]) => interrupted),
    [true, true],
  );
  assert.equal(ended[1]?.[1], 0);
  assert.equal(streams[0]?.cuts, 1);
  assert.equal(session.state, 'idle');
  await session.close('test');
});

test('more utterances than may wait are refused', async () => {
  const { session } = await arrange();
  for (let i = 0; i < 32; i += 1) void session.say(await tone(20));
  const one = await tone(20);
  assert.throws(() => session.say(one), { code: 'no-capacity', message: /32 utterances waiting/ });
  await one.close();
  await session.close('test');
});

test('closing does not wait for a worker that is being started again', async () => {
  const { session, streams } = await arrange();
  streams[0]?.options.onLost('test');
  await session.close('test');
});

test('an interrupt ends the rendering of what waited', async () => {
  const { session, streams } = await arrange(5000, true);
  const over = session.say(await tone(200), { audioPath: '/speech.wav' });
  await session.interrupt();
  await over;
  assert.equal(streams[0]?.cuts, 1);
  assert.deepEqual(session.rendering, []);
  assert.deepEqual(streams[0]?.cues, []);
  await session.close('test');
});

/** A viewer that sends nothing and measures what it is told. */
class MeasuringPeer {
  readonly id: string;
  state: 'connecting' | 'connected' | 'closed' = 'connected';
  readonly metrics: ViewerMetrics;
  constructor(id: string, nowMs: () => number, onClosed: (reason: string) => void) {
    this.#onClosed = onClosed;
    this.id = id;
    this.metrics = new ViewerMetrics(nowMs);
    this.metrics.offered();
    this.metrics.connected();
  }
  readonly rendition = 'high';
  readonly wanted = 'high';
  readonly wantsSlimSound = false;
  readonly lossShare = 0;
  sendPicture = ([picture]: readonly PictureParts[], mediaSamples: number): void =>
    this.metrics.pictureSent(picture?.key ?? false, mediaSamples / 48);
  sendSound = (): void => this.metrics.soundSent();
  setTop = (): void => {};
  sendSenderReports = (): void => this.metrics.report({ rttMs: 20, lostShare: 0.01, jitterMs: 3 });
  readonly #onClosed: (reason: string) => void;
  close = (reason: string): void => this.#onClosed(reason);
}

test('a session tells what it and its viewers measured, as its page describes it', async () => {
  let joined = 0;
  const { clock, session, streams } = await arrange(
    5000,
    false,
    ({ onClosed }) => new MeasuringPeer(`v${(joined += 1)}`, () => clock.now(), onClosed) as unknown as Peer,
  );
  for (let i = 0; i < 120; i += 1) await session.addViewer('offer');
  for (let index = 0; index < 50; index += 1) {
    streams[0]?.options.onPicture({
      ...{ index, key: index === 0, data: Uint8Array.of(1, 2, 3) },
      rendition: 'high',
    });
    clock.advance(40);
  }
  streams[0]?.options.onStats({
    ...{ skipped: 2, renderMs: 6, encodeMs: 3, backlogMs: 0 },
    ...{ renditionDrops: 0, renditionRestarts: 0 },
  });
  const { media, viewerStats } = await session.media();
  const { media: mediaSchema, viewerStats: viewersSchema } = sessionDetailSchema.shape;
  assert.deepEqual(mediaSchema.parse(media), media);
  assert.deepEqual(viewersSchema.parse(viewerStats), viewerStats);
  assert.equal(viewerStats.length, 100);
  assert.deepEqual([viewerStats[0]?.id, viewerStats[0]?.picturesSent], ['v1', 50]);
  assert.deepEqual(media.pictures, { sent: 50, late: 0, dropped: 0, skipped: 2 });
  assert.deepEqual([media.skewMs?.count, media.skewMs?.max], [50, 0]);
  assert.equal(media.encoderDelayMs?.p50, 3);
  assert.ok((media.eventLoopDelayMs?.count ?? 0) > 300);
  assert.equal(media.allViewers.firstFrameMs?.count, 120);

  session.audience.remove('v1');
  const figures = await session.figures(7);
  assert.deepEqual(
    figures.viewers.map(({ viewerId }) => viewerId),
    ['v2', 'v3', 'v4', 'v5', 'v6', 'v7', 'v8'],
  );
  const sent = figures.numbers.find(({ name }) => name === 'musecast_all_viewers_pictures_sent_total');
  assert.equal(sent?.value, 120 * 50, 'the sums keep who left');
  await session.close('test');
});
