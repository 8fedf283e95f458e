import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AvatarStore } from '../../src/avatar/store.js';
import type { AvatarSource, Engine, EngineStream, Take } from '../../src/engine/engine.js';
import { silentLog } from '../../src/lib/log.js';
import { MediaStream } from '../../src/worker/media-stream.js';
import type { FromWorker } from '../../src/worker/protocol.js';
import { deferred } from '../helpers/deferred.js';
import { arrangeStream, EAR_MS, PIPELINE_MS, settle, takeOf } from '../helpers/face-stream.js';
import { makeMedia, temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { until } from '../helpers/server.js';
import { noLandmarks, syntheticAvatar } from '../helpers/synthetic-avatar.js';

async function open(
  stream: EngineStream,
  rehearse?: Engine['rehearse'],
): Promise<{ media: MediaStream; sent: FromWorker[]; avatar: { closed: number } }> {
  const closed = { closed: 0 };
  const source = syntheticAvatar({ widthPx: 64, heightPx: 64, landmarks: [noLandmarks()] });
  const avatar: AvatarSource = { ...source, close: () => (closed.closed += 1) };
  const sent: FromWorker[] = [];
  const media = await MediaStream.create({
    streamId: 1,
    avatarId: 'a',
    fps: 25,
    bitrateBps: 100_000,
    firstIndex: 0,
    store: { open: () => Promise.resolve(avatar) } as unknown as AvatarStore,
    engine: {
      name: 'musetalk',
      open: () => Promise.resolve(stream),
      ...(rehearse === undefined ? {} : { rehearse }),
      close: () => Promise.resolve(),
    },
    ffmpeg: await testFfmpeg(),
    send: (message) => sent.push(message),
    log: silentLog,
  });
  return { media, sent, avatar: closed };
}

test('closing waits for no face: one that never comes keeps nothing open', { timeout: 20_000 }, async () => {
  const { stream, asked, aborted, closed } = arrangeStream({ deaf: true });
  const { media, avatar } = await open(stream);
  media.pushSound(new Float32Array((EAR_MS + PIPELINE_MS) * 16));
  await settle();
  assert.deepEqual(asked, [0, 1, 2].slice(0, asked.length));
  assert.ok(asked.length > 0, 'a face is under way, and its picture is due');
  await media.close();
  assert.deepEqual(aborted, asked);
  assert.deepEqual(closed, { ear: 1, material: 1 });
  assert.equal(avatar.closed, 1);
});

test(
  'closing waits for no rehearsal either, also of speech that was cued',
  { timeout: 20_000 },
  async (t) => {
    const audio = `${await temporaryFolder(t)}/s.wav`;
    await makeMedia(['-f', 'lavfi', '-i', 'sine=duration=0.2', audio]);
    const { stream } = arrangeStream({ speaking: () => 0 });
    const begun = deferred<void>();
    const { media } = await open(stream, (_avatar, _pcm, { signal }) => {
      begun.resolve();
      return new Promise<Take>((_, reject) => {
        signal!.addEventListener('abort', () => reject(signal!.reason as Error));
      });
    });
    media.rehearse(7, audio);
    await begun.promise;
    media.cue(7, 0);
    media.pushSound(new Float32Array(320));
    await media.close();
  },
);

test('a take that is cued and not shown before the end is closed', { timeout: 20_000 }, async (t) => {
  const audio = `${await temporaryFolder(t)}/s.wav`;
  await makeMedia(['-f', 'lavfi', '-i', 'sine=duration=0.2', audio]);
  for (const pushed of [true, false]) {
    const take = takeOf(3, 100);
    const { stream } = arrangeStream({ speaking: () => 0 });
    const rehearsed = deferred<void>();
    const { media } = await open(stream, () => {
      rehearsed.resolve();
      return Promise.resolve(take);
    });
    media.rehearse(7, audio);
    await rehearsed.promise;
    await settle();
    media.cue(7, 0);
    if (pushed) media.pushSound(new Float32Array(320));
    await media.close();
    await settle();
    assert.equal(take.closed, 1, pushed ? 'with sound behind it' : 'without');
  }
});

/** Draws a picture for every 40 ms of sound, and once more when it is told to. */
class PlainStream implements EngineStream {
  readonly lookaheadMs = 0;
  readonly cuts: number[] = [];
  #samples = 0;
  #next = 0;

  async *push(pcm: Float32Array): AsyncIterable<{ widthPx: number; heightPx: number; data: Uint8Array }> {
    this.#samples += pcm.length;
    while ((this.#next + 1) * 640 <= this.#samples) {
      this.#next += 1;
      yield { widthPx: 64, heightPx: 64, data: new Uint8Array(6144).fill(this.#next * 5) };
    }
  }

  skip(count: number): void {
    this.#next += count;
  }

  rewind(count: number): void {
    this.#next -= count;
  }

  cut(untilMs: number): void {
    this.cuts.push(untilMs);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

test('after a cut pictures are drawn again, from a key picture on, and belong to the new epoch', async (t) => {
  const stream = new PlainStream();
  const { media, sent } = await open(stream);
  t.after(() => media.close());
  const pictures = () => sent.filter((message) => message.type === 'picture');
  const draw = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) {
      const before = pictures().length;
      media.pushSound(new Float32Array(640));
      await until('the next picture', () => pictures().length > before || undefined);
    }
  };
  await draw(10);
  media.cut(1, 290); // pictures 8 and 9 begin later than that
  await until('those and no more', () => pictures().length >= 12 || undefined);
  await draw(2);
  assert.deepEqual(
    pictures().map(({ epoch, index, key }) => `${epoch}:${index}${key ? 'k' : ''}`),
    ['0:0k', '0:1', '0:2', '0:3', '0:4', '0:5', '0:6', '0:7', '0:8', '0:9', '1:8k', '1:9', '1:10', '1:11'],
  );
  assert.deepEqual(stream.cuts, [400], 'all sound that had come');
});

test('at a lower rate pictures are left out evenly, and the others keep their places', async (t) => {
  const { media, sent } = await open(new PlainStream());
  t.after(() => media.close());
  const places = () => sent.filter((message) => message.type === 'picture').map(({ index }) => index);
  const hear = async (from: number, expected: readonly number[]): Promise<void> => {
    for (let index = from; index <= expected.at(-1)!; index += 1) {
      media.pushSound(new Float32Array(640));
      if (expected.includes(index))
        await until(`picture ${index}`, () => places().includes(index) || undefined);
    }
    assert.deepEqual(
      places().filter((index) => index >= from),
      expected,
    );
  };
  media.setRate(10);
  await hear(0, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]);
  media.setRate(25);
  await hear(26, [28, 29, 30, 31]);
});
