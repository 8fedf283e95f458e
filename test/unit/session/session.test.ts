import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpusEncoder } from '../../../src/encoder/opus-encoder.js';
import { isAppError } from '../../../src/errors.js';
import { silentLog } from '../../../src/lib/log.js';
import { Session } from '../../../src/session/session.js';
import { Utterance } from '../../../src/session/utterance.js';
import type { WorkerStreamOptions } from '../../../src/worker/host.js';
import { ManualClock } from '../../helpers/manual-clock.js';

/** A session on a clock moved by hand, with a worker's stream that records and draws nothing. */
async function arrange(lingerMs = 5000) {
  const clock = new ManualClock();
  const streams: {
    options: WorkerStreamOptions;
    pcm: Float32Array[];
    keyframes: number;
    closed: boolean;
    jpeg: boolean;
  }[] = [];
  const session = await Session.create({
    id: 's',
    avatarId: 'a',
    fps: 25,
    bitrateBps: 500_000,
    lingerMs,
    openStream: async (options) => {
      const stream = { options, pcm: [] as Float32Array[], keyframes: 0, closed: false, jpeg: false };
      streams.push(stream);
      return {
        widthPx: 64,
        heightPx: 64,
        lookaheadMs: 100,
        pushSound: (pcm) => stream.pcm.push(pcm),
        requestKeyframe: () => (stream.keyframes += 1),
        setJpeg: (wanted) => (stream.jpeg = wanted),
        close: async () => void (stream.closed = true),
      };
    },
    openPeer: () => Promise.reject(new Error('no peers here')),
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
  session.say(await tone(500));
  clock.advance(100);
  assert.equal(session.state, 'speaking');
  clock.advance(1000);
  assert.equal(session.state, 'idle');
  assert.deepEqual(ended, [500]);
  await session.close('test');
});

test('speech that shall be watched waits for a viewer, but not for ever', async () => {
  const { clock, session, streams } = await arrange();
  session.say(await tone(200), { untilWatched: true });
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
  session.say(await tone(1000));
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
  session.say(await tone(5000));
  session.say(await tone(5000));
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
  const firstIndex = streams[1]?.options.firstIndex ?? 0;
  assert.ok(firstIndex * 40 >= 1180 && firstIndex * 40 <= 2000, `it starts at ${firstIndex * 40} ms`);
  const endMs = firstIndex * 40 + fedMs(streams[1]?.pcm ?? []);
  assert.ok(Math.abs(endMs - 2200) <= 25, `its sound ends at ${endMs} ms of media time`);
  await session.close('test');
});
