import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionDetailSchema } from '../../../signaling/schemas.js';
import { OpusEncoder } from '../../../src/encoder/opus-encoder.js';
import { isAppError } from '../../../src/errors.js';
import { silentLog } from '../../../src/lib/log.js';
import type { PictureParts } from '../../../src/session/viewers/fan-out.js';
import { LocalAudience, type LocalAudienceOptions } from '../../../src/session/viewers/local-audience.js';
import type { Peer } from '../../../src/session/viewers/peer.js';
import type { NumberedEvent } from '../../../src/session/events/session-events.js';
import { Session } from '../../../src/session/session.js';
import { ViewerMetrics } from '../../../src/session/viewers/viewer-metrics.js';
import { Utterance } from '../../../src/session/speech/utterance.js';
import type { WorkerStreamOptions } from '../../../src/worker/host.js';
import type { Shown } from '../../../src/worker/shows.js';
import { codedPicture } from '../../helpers/coded-picture.js';
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
    cuts: [number, number][];
    tunings: object[];
    shows: { avatarId: string; shown: Deferred<Shown> }[];
    stops: number;
    rates: number[];
    dropped: number[];
  }[] = [];
  const session = await Session.create({
    id: 's',
    avatarId: 'a',
    fps: 25,
    bitrateBps: 500_000,
    life: { lingerMs },
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
        cuts: [],
        tunings: [],
        shows: [],
        stops: 0,
        rates: [],
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
        tune: (tuning) => void stream.tunings.push(tuning),
        show: (avatarId) => {
          const shown = deferred<Shown>();
          stream.shows.push({ avatarId, shown });
          return shown.promise;
        },
        act: (name) => {
          const shown = deferred<Shown>();
          stream.shows.push({ avatarId: name, shown });
          return shown.promise;
        },
        setRate: (fps) => void stream.rates.push(fps),
        stopActing: () => void (stream.stops += 1),
        cut: (epoch, fromMs) => void stream.cuts.push([epoch, fromMs]),
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

/** Lets decoders work meanwhile, which a clock that jumps does not. */
async function run(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 20) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(Math.min(20, left));
  }
}

function eventsOf(session: Session): NumberedEvent[] {
  const told: NumberedEvent[] = [];
  session.events.follow((event) => told.push(event));
  return told;
}

async function tone(ms: number, id = 'u'): Promise<Utterance> {
  const utterance = new Utterance(id, async function* () {
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
  const told = eventsOf(session);
  void session.say(await tone(500));
  clock.advance(100);
  assert.equal(session.state, 'idle', 'it was fed, but nobody hears it yet');
  clock.advance(200);
  assert.equal(session.state, 'speaking');
  clock.advance(1000);
  assert.equal(session.state, 'idle');
  assert.deepEqual(
    told.map(({ event }) => event),
    ['utterance.accepted', 'utterance.started', 'session.state', 'utterance.ended', 'session.state'],
  );
  const [, started, , ended] = told;
  assert.ok(started?.event === 'utterance.started' && ended?.event === 'utterance.ended');
  assert.deepEqual([ended.data.playedMs, ended.data.mediaMs - started.data.mediaMs], [500, 500]);
  assert.equal((ended.data.rtp.audio - started.data.rtp.audio) >>> 0, 24_000);
  assert.equal((ended.data.rtp.video - started.data.rtp.video) >>> 0, 45_000);
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
  void session.say(await tone(1000));
  clock.advance(2500);
  assert.notEqual(session.state, 'ended');
  clock.advance(1500);
  assert.equal(session.state, 'ended');
  await session.close('again');
  assert.deepEqual(await session.ended, { reason: 'nobody watched any more' });
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
  const { playedMs } = session.interrupt();
  assert.ok(playedMs > 700 && playedMs <= 1000, `${playedMs} ms`);
  clock.advance(150);
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
  session.events.follow(({ event, data }) => {
    if (event === 'utterance.rendering') progress.push(data.progress);
  });
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
  const told = eventsOf(session);
  void session.say(await tone(5000, 'a'));
  void session.say(await tone(5000, 'b'));
  clock.advance(1000);
  const { playedMs, dropped, resumable } = session.interrupt();
  assert.ok(playedMs >= 800 && playedMs <= 900, `${playedMs} ms of a second were heard`);
  assert.deepEqual(dropped, [
    { utteranceId: 'a', playedMs },
    { utteranceId: 'b', playedMs: 0 },
  ]);
  assert.ok(resumable);
  const [[epoch, fromMs] = [0, 0]] = streams[0]?.cuts ?? [];
  assert.deepEqual(
    [epoch, fromMs],
    [1, 1015],
    'what is drawn already is drawn again from the next picture on',
  );
  assert.equal(session.utterance('a').state, 'interrupted');
  clock.advance(150);
  const interrupted = told.filter(({ event }) => event === 'utterance.interrupted');
  assert.deepEqual(
    interrupted.map(({ data }) => data),
    dropped.map((one) => ({ ...one, reason: 'request', resumable: true, ...heardOf(interrupted[0]) })),
  );
  assert.equal(session.state, 'idle');
  await session.close('test');
});

const heardOf = (event: NumberedEvent | undefined) => {
  assert.ok(event?.event === 'utterance.interrupted');
  const { mediaMs, rtp } = event.data;
  return { mediaMs, rtp };
};

test('what was interrupted goes on where it stopped: no sample is lost or heard twice', async () => {
  const { clock, session, streams } = await arrange();
  const ramp = new Utterance('ramp', async function* () {
    yield Int16Array.from({ length: 96_000 }, (_, i) => 100 + (i >> 1) / 2);
  });
  await ramp.firstSound;
  void session.say(ramp);
  await run(clock, 600);
  const { playedMs } = session.interrupt();
  await run(clock, 1000);
  assert.deepEqual(session.resume(), ['ramp']);
  assert.deepEqual(session.resume(), [], 'only once');
  const fedBefore = streams[0]?.pcm.length ?? 0;
  await run(clock, 1500);
  const heard = (streams[0]?.pcm.slice(fedBefore) ?? []).flatMap((part) => [...part]);
  const from = heard.findIndex((value) => value > 0.003);
  // The ramp says by its height how far it is: half a step a sample at 48 kHz.
  const firstMs = (heard[from + 40]! * 32_768 - 100) / 24 - 40 / 16;
  assert.ok(Math.abs(firstMs - playedMs) < 3, `stopped at ${playedMs} ms, went on at ${firstMs} ms`);
  const { state, playedMs: whole, durationMs } = session.utterance('ramp');
  assert.deepEqual([state, whole, durationMs], ['ended', 1000, 1000]);
  await session.close('test');
});

test('speech that interrupts is heard next, before what waited, and what it interrupted can go on', async () => {
  const { clock, session } = await arrange();
  const order: string[] = [];
  session.events.follow(({ event, data }) => {
    if (event === 'utterance.started' || event === 'utterance.ended')
      order.push(`${event} ${data.utteranceId}`);
  });
  void session.say(await tone(3000, 'long'));
  void session.say(await tone(200, 'next'));
  await run(clock, 1000);
  void session.say(await tone(200, 'urgent'), { mode: 'interrupt' });
  await run(clock, 1000);
  assert.deepEqual(order.splice(0), [
    'utterance.started long',
    'utterance.started urgent',
    'utterance.ended urgent',
    'utterance.started next',
    'utterance.ended next',
  ]);
  assert.deepEqual(session.resume(), ['long']);
  await run(clock, 3000);
  assert.deepEqual(order, ['utterance.started long', 'utterance.ended long']);
  await session.close('test');
});

test('speech in place of all other drops it for good', async () => {
  const { clock, session } = await arrange();
  void session.say(await tone(3000, 'old'));
  void session.say(await tone(3000, 'older'));
  clock.advance(500);
  void session.say(await tone(200, 'new'), { mode: 'replace' });
  assert.deepEqual(
    session.utterances.map(({ id, state, resumable }) => [id, state, resumable]),
    [
      ['old', 'interrupted', false],
      ['older', 'interrupted', false],
      ['new', 'waiting', false],
    ],
  );
  assert.deepEqual(session.resume(), []);
  clock.advance(1000);
  assert.equal(session.utterance('new').state, 'ended');
  await session.close('test');
});

test('an utterance that is taken out of the middle leaves the others whole', async () => {
  const { clock, session, streams } = await arrange();
  for (const id of ['a', 'b', 'c']) void session.say(await tone(400, id));
  clock.advance(300);
  session.interrupt({ id: 'b' }, 'deleted');
  assert.equal(streams[0]?.cuts.length, 0, 'nothing of it was heard or drawn yet');
  clock.advance(1000);
  const states = session.utterances.map(({ id, state, playedMs }) => `${id} ${state} ${playedMs}`);
  assert.deepEqual(states, ['a ended 400', 'b interrupted 0', 'c ended 400']);
  await session.close('test');
});

test('no picture and no sound of an epoch that was cut off leaves afterwards', async () => {
  const sent: string[] = [];
  const { clock, session, streams } = await arrange(5000, false, ({ onClosed }) => {
    const peer = new MeasuringPeer('v', () => clock.now(), onClosed);
    peer.sendPicture = ([picture]) => void sent.push(`p${picture?.parts[0]?.[1]}`);
    return peer as unknown as Peer;
  });
  await session.addViewer('offer');
  const draw = (index: number, epoch: number): void =>
    streams[0]?.options.onPicture({
      index,
      epoch,
      key: true,
      data: Uint8Array.of(0, epoch),
      rendition: 'high',
    });
  void session.say(await tone(5000));
  clock.advance(980);
  for (let index = 20; index < 28; index += 1) draw(index, 0);
  clock.advance(20);
  const before = sent.length;
  const { stopped } = session.interrupt();
  draw(28, 0); // it was inside the encoder
  for (let index = 26; index < 32; index += 1) draw(index, 1);
  clock.advance(300);
  assert.ok(before > 0 && sent.slice(0, before).every((name) => name === 'p0'));
  assert.ok(sent.length > before && sent.slice(before).every((name) => name === 'p1'), sent.join());
  const { soundStoppedMs, mouthClosedMs = NaN, stoppedMs } = await stopped;
  assert.ok(soundStoppedMs <= 20, `${soundStoppedMs}`);
  // From 1000 ms on: pictures at 1040 (shutting) and 1080 (shut).
  assert.deepEqual([mouthClosedMs, stoppedMs], [80, 80]);
  assert.ok((session.stats['stalePictures'] ?? 0) >= 2);
  await session.close('test');
});

test('a hundred interrupts in silence cost nothing', async () => {
  const { clock, session, streams } = await arrange();
  clock.advance(500);
  for (let i = 0; i < 100; i += 1) {
    const { playedMs, dropped, stopped } = session.interrupt();
    assert.deepEqual([playedMs, dropped, (await stopped).stoppedMs], [0, [], 0]);
  }
  assert.equal(streams[0]?.cuts.length, 0);
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
  session.interrupt();
  await over;
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
  cut = (): void => {};
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

test('how the mouth moves is told to the stream that draws, also to one that comes later', async () => {
  const { session, streams } = await arrange();
  assert.deepEqual(session.settings.mouth, { strength: 1, smoothing: 0 });
  session.configure({ mouth: { strength: 0.5, smoothing: 0.2 } });
  streams[0]?.options.onLost('test');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    streams.map(({ tunings }) => tunings),
    [[{ strength: 0.5, smoothing: 0.2 }], [{ strength: 0.5, smoothing: 0.2 }]],
  );
  await session.close('test');
});

test('what taps a session gets all that leaves it, is asked what it needs, and is waited for at the end', async () => {
  const { clock, session, streams } = await arrange();
  clock.advance(500);
  const got = { soundMs: [] as number[], pictures: [] as number[], tops: new Set<string>() };
  const closed = deferred<void>();
  const tap = session.tap({
    demand: (top) => {
      got.tops.add(top);
      return [top];
    },
    sound: ({ full }, mediaSamples) => {
      assert.ok(full.length > 0);
      got.soundMs.push(mediaSamples / 48);
    },
    picture: (renditions) => void got.pictures.push(...renditions.map(({ index }) => index)),
    ended: () => closed.promise,
  });
  assert.equal(streams[0]?.keyframes, 1, 'a key picture is asked for at once');
  for (const index of [13, 14])
    streams[0]?.options.onPicture({ ...codedPicture(index, index === 13), rendition: 'high' });
  clock.advance(100);
  assert.deepEqual(got.pictures, [13, 14]);
  // 40 ms before its time, without a gap.
  assert.deepEqual(got.soundMs, [560, 580, 600, 620, 640]);
  assert.deepEqual([...got.tops], ['high']);
  assert.equal(session.viewers, 0, 'it is no viewer');
  let isOver = false;
  const over = session.close('test').then(() => (isOver = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isOver, false);
  closed.resolve();
  await over;
  assert.throws(
    () => session.tap({ demand: () => [], sound: () => {}, picture: () => {}, ended: async () => {} }),
    (error) => isAppError(error, 'session-closed'),
  );
  tap.remove();
});
