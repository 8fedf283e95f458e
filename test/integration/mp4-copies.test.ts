import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import type { Ffmpeg } from '../../src/adapters/ffmpeg.js';
import { isAppError, type ErrorCode } from '../../src/errors.js';
import { silentLog } from '../../src/lib/log.js';
import { Mp4Copies } from '../../src/session/recording/mp4-copies.js';
import { RecordingStore } from '../../src/session/recording/recording-store.js';
import { recordingId } from '../helpers/fake-recordings.js';
import { makeMedia, temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { until } from '../helpers/server.js';

const SECONDS = 4;

/** A store with one recording, made by ffmpeg. */
async function arrange(t: TestContext, options: { roomBytes?: () => number; ffmpeg?: Partial<Ffmpeg> } = {}) {
  const ffmpeg = await testFfmpeg();
  const folder = await temporaryFolder(t);
  const store = await RecordingStore.open(folder, silentLog);
  const id = recordingId(1);
  await store.add({
    ...{ version: 1, id, session: 's', avatar: 'a', createdAtUnixS: 1, fps: 25, state: 'finished' },
    ...{
      reason: 'stopped',
      widthPx: 320,
      heightPx: 240,
      durationMs: SECONDS * 1000,
      sizeBytes: 1000,
      pid: 1,
    },
  });
  const film = ['-f', 'lavfi', '-i', `testsrc=size=320x240:rate=25:duration=${SECONDS}`];
  const sound = ['-f', 'lavfi', '-i', `sine=frequency=440:duration=${SECONDS}`];
  const coded = ['-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus'];
  await makeMedia([...film, ...sound, ...coded, '-f', 'webm', store.webmPath(id)]);
  const copies = new Mp4Copies({
    ...{ store, log: silentLog },
    ffmpeg: { ...ffmpeg, ...options.ffmpeg },
    roomBytes: options.roomBytes ?? (() => 2 ** 30),
  });
  t.after(() => copies.close());
  return { folder, store, copies, id };
}

const refused = (code: ErrorCode) => (error: unknown) => isAppError(error, code);

const { codesH264 } = await testFfmpeg();
const skip = !codesH264 && 'this ffmpeg has no H.264 encoder';

test('a copy is made when it is asked for, tells how far it is, and is kept', { skip }, async (t) => {
  const { folder, store, copies, id } = await arrange(t);
  assert.equal(copies.state(id), undefined);
  assert.equal(copies.file(id), undefined);
  assert.equal(copies.state(id)?.state, 'making');
  assert.equal(copies.file(id), undefined, 'asking again begins nothing new');
  const file = await until('the copy', () => copies.file(id));
  assert.equal(file, store.mp4Path(id));
  const { size } = await stat(file);
  assert.deepEqual(copies.state(id), { state: 'ready', progress: 1, sizeBytes: size });
  assert.ok(store.usedBytes === 1000 + size, 'it counts in what recordings take');
  assert.deepEqual((await readdir(folder)).sort(), [`${id}.json`, `${id}.mp4`, `${id}.webm`]);
  const again = await RecordingStore.open(folder, silentLog);
  assert.equal(again.get(id).mp4Bytes, size, 'also after a new start');
});

test('one that cannot be made says why once, and is tried again', { skip }, async (t) => {
  const { folder, store, copies, id } = await arrange(t);
  await writeFile(store.webmPath(id), 'no film');
  copies.file(id);
  await until('the failure', () => (copies.state(id)?.state === 'failed' ? true : undefined));
  assert.match(copies.state(id)?.message ?? '', /ffmpeg/);
  assert.throws(() => copies.file(id), refused('ffmpeg-failed'));
  assert.equal(copies.file(id), undefined);
  await until('the failure', () => (copies.state(id)?.state === 'failed' ? true : undefined));
  assert.ok(!(await readdir(folder)).some((name) => name.includes('part')));
});

test('what it may take of the disk is not gone over', { skip }, async (t) => {
  const full = await arrange(t, { roomBytes: () => 1000 });
  assert.throws(() => full.copies.file(full.id), refused('storage-full'));
  // Others take it meanwhile.
  const rooms = [2 ** 20, 20_000];
  const { folder, copies, id } = await arrange(t, { roomBytes: () => rooms.shift() ?? 0 });
  copies.file(id);
  await until('the failure', () => (copies.state(id)?.state === 'failed' ? true : undefined));
  assert.throws(() => copies.file(id), refused('storage-full'));
  assert.deepEqual((await readdir(folder)).sort(), [`${id}.json`, `${id}.webm`]);
});

test(
  'deleting its recording, or the end of the server, ends ffmpeg and leaves nothing half made',
  { skip },
  async (t) => {
    const { folder, copies, id } = await arrange(t);
    copies.file(id);
    await copies.drop(id);
    assert.equal(copies.state(id), undefined);
    copies.file(id);
    await copies.close();
    assert.deepEqual((await readdir(folder)).sort(), [`${id}.json`, `${id}.webm`]);
    assert.throws(() => copies.file(id), refused('no-capacity'));
  },
);

test('without an H.264 encoder there is none', async (t) => {
  const { copies, id } = await arrange(t, { ffmpeg: { codesH264: false } });
  assert.throws(() => copies.file(id), refused('not-supported'));
});
