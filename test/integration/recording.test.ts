import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { vp8Size } from '../../src/encoder/vp8-size.js';
import { FlashServer, type FlashSession } from '../helpers/flash-server.js';
import { temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { recordedBeepsMs, recordedPictures, skewsMs } from '../helpers/recorded.js';
import { postJsonTo, until } from '../helpers/server.js';
import { percentile } from '../helpers/sync-figures.js';
import { readWebm } from '../helpers/webm.js';

interface Recording {
  id: string;
  state: string;
  reason?: string;
  durationMs: number;
  sizeBytes: number;
  startMediaMs?: number;
}

async function ask(server: FlashServer, method: string, url: string, body?: object): Promise<Recording> {
  const response = await fetch(server.server.url + url, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const json = (await response.json()) as Recording;
  assert.ok(response.ok, `${method} ${url}: ${response.status} ${JSON.stringify(json)}`);
  return json;
}

const recordingOf = (session: FlashSession) => `/v1/sessions/${session.id}/recording`;

/** Resolves when so much of it is recorded. */
const recorded = (server: FlashServer, session: FlashSession, ms: number) =>
  until(`${ms} ms to be recorded`, async () => {
    const now = await ask(server, 'GET', recordingOf(session));
    return now.durationMs >= ms ? now : undefined;
  });

async function download(server: FlashServer, t: TestContext, id: string, query = ''): Promise<string> {
  const response = await fetch(`${server.server.url}/v1/recordings/${id}/file${query}`);
  assert.equal(response.status, 200);
  const file = path.join(await temporaryFolder(t), `film.${query === '' ? 'webm' : 'mp4'}`);
  await writeFile(file, Buffer.from(await response.arrayBuffer()));
  return file;
}

/** Every picture is at its time, to the rounding of the file's milliseconds. */
function assertInTime(pictures: Awaited<ReturnType<typeof recordedPictures>>, startMediaMs: number): void {
  for (const { atMs, facts } of pictures) {
    assert.ok(facts !== undefined, `the picture at ${atMs} ms cannot be read`);
    assert.ok(
      Math.abs(atMs + startMediaMs - facts.index * 40) <= 0.5,
      `picture ${facts.index} at ${atMs} ms`,
    );
  }
}

/** But for what a busy machine left out when it drew. */
async function assertComplete(
  server: FlashServer,
  session: FlashSession,
  pictures: Awaited<ReturnType<typeof recordedPictures>>,
): Promise<void> {
  const response = await fetch(`${server.server.url}/v1/sessions/${session.id}`);
  const { stats } = (await response.json()) as { stats: { skippedPictures: number } };
  const indices = pictures.map(({ facts }) => facts!.index);
  const missing = indices.at(-1)! - indices[0]! + 1 - indices.length;
  assert.ok(
    missing <= stats.skippedPictures,
    `${missing} are missing, ${stats.skippedPictures} were not drawn`,
  );
}

describe('recording', () => {
  let server: FlashServer;
  before(async () => {
    server = await FlashServer.start();
  });
  after(() => server.close());

  it('keeps sound and picture in step, in one piece, as WebM and as MP4', async (t) => {
    const session = await server.open();
    await session.beep();
    await ask(server, 'POST', recordingOf(session));
    await recorded(server, session, 5800);
    const { id, durationMs, sizeBytes, startMediaMs } = await ask(server, 'DELETE', recordingOf(session));
    const file = await download(server, t, id);
    const bytes = await readFile(file);
    assert.equal(bytes.length, sizeBytes);
    const read = readWebm(bytes);
    assert.equal(read.durationMs, durationMs);
    const pictures = await recordedPictures(file);
    await assertComplete(server, session, pictures);
    assertInTime(pictures, startMediaMs!);
    const skews = skewsMs(pictures, await recordedBeepsMs(file));
    assert.ok(skews.length >= 4, `${skews.length} beeps`);
    const worstMs = Math.max(...skews.map(Math.abs));
    t.diagnostic(`WebM: skew ${percentile(skews, 0.5).toFixed(2)} ms, at worst ${worstMs.toFixed(2)}`);
    assert.ok(worstMs <= 2, `${worstMs} ms`);
    // Seekable: one key picture in five seconds at the least, all of them listed.
    const keys = read.blocks.filter(({ track, key }) => track === 1 && key);
    assert.deepEqual(
      read.cues.map(({ atMs }) => atMs),
      keys.map(({ atMs }) => atMs),
    );
    assert.ok(keys.length >= 2);

    if (!(await testFfmpeg()).codesH264) return t.diagnostic('no H.264 encoder here: no MP4');
    const url = `${server.server.url}/v1/recordings/${id}/file?format=mp4`;
    assert.equal((await fetch(url)).status, 202);
    await until(
      'the MP4',
      async () => (await fetch(url, { method: 'HEAD' })).status === 200 || undefined,
      60_000,
    );
    const mp4 = await download(server, t, id, '?format=mp4');
    const mp4Pictures = await recordedPictures(mp4);
    assert.equal(mp4Pictures.length, pictures.length);
    const mp4Skews = skewsMs(mp4Pictures, await recordedBeepsMs(mp4));
    const mp4WorstMs = Math.max(...mp4Skews.map(Math.abs));
    t.diagnostic(`MP4: skew ${percentile(mp4Skews, 0.5).toFixed(2)} ms, at worst ${mp4WorstMs.toFixed(2)}`);
    assert.ok(mp4Skews.length >= 4 && mp4WorstMs <= 5, `${mp4WorstMs} ms`);
    await session.end();
    return undefined;
  });

  it('goes on over interrupts, two sessions at once, each with its own', async (t) => {
    const sessions = await Promise.all([server.open(), server.open()]);
    await Promise.all(sessions.map((session) => ask(server, 'POST', recordingOf(session))));
    const [one, other] = sessions as [FlashSession, FlashSession];
    await one.beep();
    for (const ms of [1500, 2500]) {
      await recorded(server, one, ms);
      await postJsonTo(server.server, `/v1/sessions/${one.id}/interrupt`, {});
      await postJsonTo(server.server, `/v1/sessions/${one.id}/resume`, {});
    }
    await recorded(server, one, 4500);
    await recorded(server, other, 4000);
    const told = fetch(`${server.server.url}/v1/sessions/${one.id}/events`, {
      headers: { 'Last-Event-ID': '0' },
    }).then((response) => response.text());
    // The one is stopped, the other ends with its session.
    const cut = await ask(server, 'DELETE', recordingOf(one));
    await other.end();
    const silent = await ask(server, 'GET', recordingOf(other));
    assert.deepEqual([silent.state, silent.reason], ['finished', 'session-ended']);
    await one.end();
    const names = [...(await told).matchAll(/^event: (recording\.\w+|session\.ended)/gm)].map(
      ([, name]) => name,
    );
    assert.deepEqual(names, ['recording.started', 'recording.ended', 'session.ended']);

    const file = await download(server, t, cut.id);
    const pictures = await recordedPictures(file);
    assertInTime(pictures, cut.startMediaMs!);
    const keys = readWebm(await readFile(file)).blocks.filter(({ track, key }) => track === 1 && key);
    assert.ok(keys.length >= 3, `${keys.length} key pictures: each cut begins with one`);
    const skews = skewsMs(pictures, await recordedBeepsMs(file));
    assert.ok(skews.length >= 2 && skews.every((ms) => Math.abs(ms) <= 2), skews.join(' '));
    const otherFile = await download(server, t, silent.id);
    assertInTime(await recordedPictures(otherFile), silent.startMediaMs!);
    assert.deepEqual(await recordedBeepsMs(otherFile), []);
  });

  it('follows the best rendition that anybody may have, within one file', async (t) => {
    const session = await server.open();
    await session.beep();
    await ask(server, 'POST', recordingOf(session));
    await recorded(server, session, 1500);
    await ask(server, 'PATCH', `/v1/sessions/${session.id}`, { quality: 'mid' });
    await recorded(server, session, 4000);
    const { id, startMediaMs } = await ask(server, 'DELETE', recordingOf(session));
    const file = await download(server, t, id);
    const keys = readWebm(await readFile(file)).blocks.filter(({ track, key }) => track === 1 && key);
    assert.deepEqual(
      keys.map(({ data }) => vp8Size(data)?.widthPx),
      [512, 342],
    );
    const pictures = await recordedPictures(file);
    assertInTime(pictures, startMediaMs!);
    await assertComplete(server, session, pictures);
    await session.end();
  });

  it('ends at its limit, to the picture, while the session goes on', async (t) => {
    const session = await server.open();
    await ask(server, 'POST', recordingOf(session), { maxLengthS: 2 });
    const ended = await until('the limit', async () => {
      const now = await ask(server, 'GET', recordingOf(session));
      return now.state === 'finished' ? now : undefined;
    });
    assert.equal(ended.reason, 'max-length');
    // A busy machine may have left out the very last picture.
    assert.ok(ended.durationMs <= 2000 && ended.durationMs > 1800, `${ended.durationMs} ms`);
    const pictures = await recordedPictures(await download(server, t, ended.id));
    assert.ok(pictures.at(-1)!.atMs < 2000);
    await assertComplete(server, session, pictures);
    const again = await ask(server, 'POST', recordingOf(session));
    const twice = await postJsonTo(server.server, recordingOf(session), {});
    assert.deepEqual([twice.status, twice.json['code']], [409, 'recording-exists']);
    await recorded(server, session, 200);
    // What is written of one that runs can be fetched already.
    const so = await until('something to be written', async () => {
      const response = await fetch(`${server.server.url}/v1/recordings/${again.id}/file`);
      return response.ok ? Buffer.from(await response.arrayBuffer()) : undefined;
    });
    assert.equal(readWebm(so).durationMs, undefined);
    await session.end();
  });
});

describe('a recording whose server is killed', () => {
  it('is there up to the last second, mended at the next start', async (t) => {
    const folder = await temporaryFolder(t);
    const flags = ['--recordings-dir', folder];
    const first = await FlashServer.start({ flags });
    t.after(() => first.close());
    const session = await first.open();
    await session.beep();
    const { id } = await ask(first, 'POST', recordingOf(session));
    await recorded(first, session, 2800);
    const before = await ask(first, 'GET', recordingOf(session));
    const gone = once(first.server.child, 'exit');
    first.server.child.kill('SIGKILL');
    await gone;
    const torn = path.join(folder, `${id}.webm`);
    const second = await FlashServer.start({ flags });
    t.after(() => second.close());
    const mended = await ask(second, 'GET', `/v1/recordings/${id}`);
    assert.deepEqual([mended.state, mended.reason], ['recovered', 'server-died']);
    const lostMs = before.durationMs - mended.durationMs;
    t.diagnostic(`lost ${lostMs} ms or a little more`);
    assert.ok(lostMs <= 1000, `${lostMs} ms were lost`);
    const read = readWebm(await readFile(torn));
    assert.equal(read.durationMs, mended.durationMs);
    assert.ok(read.cues.length >= 1);
    const pictures = await recordedPictures(await download(second, t, id));
    assertInTime(pictures, mended.startMediaMs!);
    assert.ok(pictures.at(-1)!.atMs >= mended.durationMs - 200);
  });
});
