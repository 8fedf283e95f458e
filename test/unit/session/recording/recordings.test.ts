import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Ffmpeg } from '../../../../src/adapters/ffmpeg.js';
import { AppError, isAppError, type ErrorCode } from '../../../../src/errors.js';
import { silentLog } from '../../../../src/lib/log.js';
import { msToSamples } from '../../../../src/media/timeline.js';
import { EventLog } from '../../../../src/session/events/event-log.js';
import type { NumberedEvent } from '../../../../src/session/events/session-events.js';
import type { OutputTap } from '../../../../src/session/playout/output-tap.js';
import { RecordingStore } from '../../../../src/session/recording/recording-store.js';
import { Recordings, type RecordingsOptions } from '../../../../src/session/recording/recordings.js';
import type { RecordedSession } from '../../../../src/session/recording/running-recording.js';
import { codedPicture } from '../../../helpers/coded-picture.js';
import { ManualClock } from '../../../helpers/manual-clock.js';
import { temporaryFolder } from '../../../helpers/media.js';
import { until } from '../../../helpers/server.js';
import { readWebm } from '../../../helpers/webm.js';

/** A session that plays made-up pictures when it is told to. */
class FakeSession implements RecordedSession {
  readonly avatarId = 'anna';
  readonly fps = 25;
  readonly events = new EventLog();
  readonly told: NumberedEvent[] = [];
  readonly taps = new Set<OutputTap>();
  readonly id: string;
  closed = false;
  #index = 0;

  constructor(id: string) {
    this.id = id;
    this.events.follow((event) => this.told.push(event));
  }

  tap(tap: OutputTap): { requestKeyframe(): void; remove(): void } {
    if (this.closed) throw new AppError('session-closed', 'it has ended');
    this.taps.add(tap);
    return { requestKeyframe: () => {}, remove: () => void this.taps.delete(tap) };
  }

  /** A key picture a second. */
  play(pictures: number, bytes = 1000): void {
    for (let i = 0; i < pictures; i += 1, this.#index += 1) {
      for (const tap of [...this.taps]) {
        for (const ms of [0, 20]) tap.sound({ full: Buffer.alloc(160) }, msToSamples(this.#index * 40 + ms));
        tap.picture([codedPicture(this.#index, this.#index % 25 === 0, { bytes })]);
      }
    }
  }

  async end(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.taps].map((tap) => tap.ended()));
    this.events.add({ event: 'session.ended', data: { reason: 'test' } });
  }
}

async function arrange(t: TestContext, more: Partial<RecordingsOptions> & { folder?: string } = {}) {
  const folder = more.folder ?? (await temporaryFolder(t));
  const store = await RecordingStore.open(folder, silentLog);
  const sessions = new Map([...'ab'].map((id) => [id, new FakeSession(id)]));
  const clock = new ManualClock();
  const recordings = new Recordings({
    store,
    session: (id) => {
      const found = sessions.get(id);
      if (found === undefined) throw new AppError('session-not-found', `no session ${id}`);
      return found;
    },
    ffmpeg: { codesH264: false } as Ffmpeg,
    ...{ maxMs: 3_600_000, maxBytes: 2 ** 30, budgetBytes: 2 ** 30, clock, log: silentLog },
    freeBytes: () => Promise.resolve(2 ** 40),
    ...more,
  });
  t.after(() => recordings.close());
  return { folder, store, recordings, clock, a: sessions.get('a')!, b: sessions.get('b')! };
}

const refused = (code: ErrorCode) => (error: unknown) => isAppError(error, code);

test('a recording is there from its start, grows, and is whole when it was stopped', async (t) => {
  const { folder, recordings, a } = await arrange(t);
  const begun = await recordings.start('a');
  assert.deepEqual(
    [begun.state, begun.session, begun.avatar, begun.durationMs],
    ['recording', 'a', 'anna', 0],
  );
  a.play(100);
  const running = recordings.get(begun.id);
  assert.equal(running.durationMs, 4000);
  assert.ok(running.sizeBytes > 100_000);
  const ended = await recordings.stop('a');
  assert.deepEqual(
    [ended.id, ended.state, ended.reason, ended.durationMs],
    [begun.id, 'finished', 'stopped', 4000],
  );
  const bytes = await readFile(recordings.webm(begun.id).path);
  assert.equal(bytes.length, ended.sizeBytes);
  assert.equal(readWebm(bytes).durationMs, 4000);
  assert.deepEqual((await readdir(folder)).sort(), [`${begun.id}.json`, `${begun.id}.webm`]);
  assert.deepEqual(
    a.told.map(({ event, data }) => [event, data]),
    [
      ['recording.started', { recordingId: begun.id, mediaMs: 0 }],
      [
        'recording.ended',
        { recordingId: begun.id, reason: 'stopped', durationMs: 4000, sizeBytes: bytes.length },
      ],
    ],
  );
});

test('a session has one at a time, and another one after it; two sessions have one each', async (t) => {
  const { recordings, a, b } = await arrange(t);
  const [first, second] = await Promise.allSettled([recordings.start('a'), recordings.start('a')]);
  assert.equal(first.status, 'fulfilled');
  assert.ok(second.status === 'rejected' && isAppError(second.reason, 'recording-exists'));
  await recordings.start('b');
  a.play(50);
  b.play(25);
  const one = await recordings.stop('a');
  const other = await recordings.start('a');
  assert.notEqual(other.id, one.id);
  assert.equal(recordings.ofSession('a').id, other.id);
  assert.equal(recordings.ofSession('b').durationMs, 1000);
  assert.equal(recordings.list().length, 3);
  assert.deepEqual(
    recordings.list('b').map(({ session }) => session),
    ['b'],
  );
  await Promise.all([recordings.stop('a'), recordings.stop('b')]);
});

test('it ends with its session, which waits for it and tells it first', async (t) => {
  const { recordings, a } = await arrange(t);
  const { id } = await recordings.start('a');
  a.play(10);
  await a.end();
  assert.deepEqual([recordings.get(id).state, recordings.get(id).reason], ['finished', 'session-ended']);
  assert.deepEqual(
    a.told.map(({ event }) => event),
    ['recording.started', 'recording.ended', 'session.ended'],
  );
  assert.equal((await recordings.stop('a')).id, id, 'stopping it again tells how it ended');
  await assert.rejects(recordings.start('a'), refused('session-closed'));
  assert.equal(recordings.list().length, 1, 'nothing is left of one that could not begin');
});

test('it ends at what was asked for and at what the server allows, whichever is less', async (t) => {
  const { recordings, a, b } = await arrange(t, { maxMs: 2000, maxBytes: 300_000 });
  await recordings.start('a', { maxLengthS: 1 });
  await recordings.start('b', { maxLengthS: 60 });
  a.play(200);
  b.play(200);
  const [one, other] = await Promise.all([recordings.stop('a'), recordings.stop('b')]);
  assert.deepEqual([one.reason, one.durationMs], ['max-length', 1000]);
  assert.deepEqual([other.reason, other.durationMs], ['max-length', 2000]);
  await recordings.start('a', { maxBytes: 100_000 });
  a.play(200, 5000);
  const small = await recordings.stop('a');
  assert.equal(small.reason, 'max-bytes');
  assert.ok(small.sizeBytes <= 100_000 && small.sizeBytes > 90_000, `${small.sizeBytes} bytes`);
});

test('what recordings may take of the disk is not gone over, and one more is refused', async (t) => {
  const { recordings, a } = await arrange(t, { budgetBytes: 2 ** 20 + 200_000 });
  const { id } = await recordings.start('a');
  a.play(2000);
  const ended = await recordings.stop('a');
  assert.equal(ended.reason, 'storage-full');
  assert.ok(ended.sizeBytes < 2 ** 20 + 200_000 && ended.sizeBytes > 2 ** 20, `${ended.sizeBytes} bytes`);
  const read = readWebm(await readFile(recordings.webm(id).path));
  assert.equal(read.durationMs, ended.durationMs);
  assert.ok(read.cues.length > 5, 'what is there can be sought');
  await assert.rejects(recordings.start('a'), refused('storage-full'));
  await recordings.delete(id);
  await recordings.start('a');
  await recordings.stop('a');
});

test('a disk that others fill ends it, too', async (t) => {
  let free = 2 ** 40;
  const { recordings, clock, a } = await arrange(t, { freeBytes: () => Promise.resolve(free) });
  const { id } = await recordings.start('a');
  a.play(50);
  free = 2 ** 20;
  clock.advance(5000);
  await new Promise((resolve) => setImmediate(resolve));
  a.play(50);
  assert.equal((await recordings.stop('a')).reason, 'storage-full');
  assert.ok(readWebm(await readFile(recordings.webm(id).path)).durationMs! >= 1000);
  await assert.rejects(recordings.start('a'), refused('storage-full'));
});

test('one that holds no picture is described, and has no file to hand out', async (t) => {
  const { recordings } = await arrange(t);
  const { id } = await recordings.start('a');
  const ended = await recordings.stop('a');
  assert.deepEqual([ended.durationMs, ended.sizeBytes], [0, 0]);
  assert.throws(() => recordings.webm(id), refused('file-not-found'));
});

test('one that runs is not deleted nor made an MP4; one that is over is deleted with all its files', async (t) => {
  const { folder, store, recordings, a } = await arrange(t);
  const { id } = await recordings.start('a');
  a.play(30);
  await assert.rejects(recordings.delete(id), refused('recording-running'));
  assert.throws(() => recordings.mp4(id), refused('recording-running'));
  await recordings.stop('a');
  assert.throws(() => recordings.mp4(id), refused('not-supported'));
  await writeFile(store.mp4Path(id), 'copy');
  await recordings.delete(id);
  assert.deepEqual(await readdir(folder), []);
  assert.throws(() => recordings.get(id), refused('recording-not-found'));
  await assert.rejects(recordings.delete(id), refused('recording-not-found'));
  assert.throws(() => recordings.ofSession('a'), refused('recording-not-found'));
});

test('a server that starts again knows them all, and mends what one that died left behind', async (t) => {
  const folder = await temporaryFolder(t);
  const before = await arrange(t, { folder });
  const whole = await before.recordings.start('a');
  before.a.play(100);
  await before.recordings.stop('a');
  const cut = await before.recordings.start('b');
  before.b.play(100);
  const empty = await before.recordings.start('a');
  const file = before.recordings.webm(cut.id).path;
  // What is being appended is not there to its end: four clusters, and no more to come.
  let lastBytes = -1;
  await until('what was recorded to be in the file', async () => {
    const bytes = await readFile(file);
    const isWhole = bytes.length === lastBytes && bytes.toString('hex').split('1f43b675').length > 4;
    lastBytes = bytes.length;
    return isWhole || undefined;
  });
  await writeFile(file, Buffer.concat([await readFile(file), Buffer.from('1f43b6750100000000', 'hex')]));
  await writeFile(path.join(folder, `.${whole.id}.part.mp4`), 'half');
  await writeFile(path.join(folder, 'notes.json'), '{}');
  await writeFile(path.join(folder, '00000000-0000-4000-8000-000000000000.json'), 'torn');

  const { recordings } = await arrange(t, { folder });
  assert.deepEqual(recordings.get(whole.id), before.recordings.get(whole.id));
  const mended = recordings.get(cut.id);
  assert.deepEqual([mended.state, mended.reason], ['recovered', 'server-died']);
  const read = readWebm(await readFile(file));
  assert.equal(read.durationMs, mended.durationMs);
  assert.ok(mended.durationMs > 3000, `${mended.durationMs} ms`);
  assert.ok(read.cues.length >= 3);
  assert.deepEqual([recordings.get(empty.id).state, recordings.get(empty.id).durationMs], ['recovered', 0]);
  assert.equal(recordings.list().length, 3);
  assert.ok(!(await readdir(folder)).some((name) => name.endsWith('.part.mp4')));
  await rm(path.join(folder, 'notes.json'));
});

test('one that another living server writes is left alone', async (t) => {
  const folder = await temporaryFolder(t);
  const { recordings, a } = await arrange(t, { folder });
  const { id } = await recordings.start('a');
  a.play(50);
  const manifest = path.join(folder, `${id}.json`);
  const text = await until('the manifest to tell of the first picture', async () => {
    const written = await readFile(manifest, 'utf8');
    return written.includes('"startMediaMs"') ? written : undefined;
  });
  await writeFile(manifest, text.replace(`"pid": ${process.pid}`, `"pid": ${process.ppid}`));
  const other = await RecordingStore.open(folder, silentLog);
  assert.deepEqual(other.list(), []);
  assert.match(await readFile(manifest, 'utf8'), /"state": "recording"/);
  await recordings.stop('a');
});
