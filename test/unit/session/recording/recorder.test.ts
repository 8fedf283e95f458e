import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ID } from '../../../../src/encoder/matroska/ids.js';
import type { RenditionName } from '../../../../src/media/frame.js';
import { frameToSamples, msToSamples } from '../../../../src/media/timeline.js';
import { Recorder, type RecorderOptions } from '../../../../src/session/recording/recorder.js';
import { codedPicture } from '../../../helpers/coded-picture.js';
import { readWebm, uint, type WebmRead } from '../../../helpers/webm.js';

const VIDEO = 1;
const AUDIO = 2;

/** A recorder in a session whose sound leaves 40 ms before its pictures, from media time `fromMs` on. */
function arrange(options: Partial<RecorderOptions> & { fromMs?: number } = {}) {
  const { fromMs = 10_000, ...more } = options;
  const pieces: Buffer[] = [];
  const wishes: RenditionName[] = [];
  const begins: { mediaSamples: number; widthPx: number; heightPx: number }[] = [];
  const limits: string[] = [];
  const fps = more.fps ?? 25;
  const recorder = new Recorder({
    ...{ fps, createdAtMs: Date.UTC(2026, 0, 1), maxMs: Infinity, maxBytes: Infinity },
    onKeyframeNeeded: (rendition) => wishes.push(rendition),
    onBegan: (start) => begins.push(start),
    onBytes: (bytes) => pieces.push(bytes),
    onLimit: (reason) => limits.push(reason),
    ...more,
  });
  let soundMs = fromMs;
  /** Sound of media times before `untilMs`. */
  const soundUntil = (untilMs: number): void => {
    for (; soundMs < untilMs; soundMs += 20)
      recorder.sound({ full: packet(soundMs / 20) }, msToSamples(soundMs));
  };
  const play = (index: number, key: boolean, rendition: RenditionName = 'high'): void => {
    soundUntil((index * 1000) / fps + 40);
    recorder.picture([codedPicture(index, key, { rendition })]);
  };
  const end = (): WebmRead => {
    const whole = recorder.end();
    assert.ok(whole !== undefined, 'nothing was recorded');
    const file = Buffer.concat([...pieces, whole.tail]);
    whole.front.copy(file);
    return readWebm(file);
  };
  return { recorder, play, soundUntil, end, wishes, begins, limits };
}

function packet(number: number): Buffer {
  const data = Buffer.alloc(2);
  data.writeUInt16BE(number);
  return data;
}

/** Of a picture or packet: the last two bytes. */
const numberIn = (data: Buffer): number => data.readUInt16BE(data.length - 2);

const of = ({ blocks }: WebmRead, track: number) => blocks.filter((block) => block.track === track);

test('the file begins at a key picture and with the packet that is heard then', () => {
  const { play, end, begins } = arrange();
  for (const index of [251, 252, 253]) play(index, false);
  for (let index = 254; index < 264; index += 1) play(index, index === 254);
  const read = end();
  assert.deepEqual(begins, [{ mediaSamples: frameToSamples(254, 25), widthPx: 64, heightPx: 48 }]);
  assert.equal(read.durationMs, 400);
  const pictures = of(read, VIDEO);
  assert.deepEqual(
    pictures.map(({ atMs, data }) => [atMs, numberIn(data)]),
    Array.from({ length: 10 }, (_, i) => [i * 40, 254 + i]),
  );
  assert.deepEqual([pictures[0]?.key, pictures[1]?.key], [true, false]);
  const [first] = of(read, AUDIO);
  const delayMs = uint(read.tracks[1]!.get(ID.codecDelay)!) / 1e6;
  assert.deepEqual([first?.atMs, delayMs], [0, 6.5]);
  // The first picture's time is 10160 ms.
  assert.equal(numberIn(first!.data), 508);
});

test('a key picture that comes before its sound was heard is not the first', () => {
  const { play, end, begins } = arrange();
  const early = arrange({ fromMs: 10_020 });
  early.recorder.picture([codedPicture(250, true)]);
  early.soundUntil(10_300);
  early.recorder.picture([codedPicture(250, true)]);
  assert.deepEqual(early.begins, []);
  for (let index = 252; index < 260; index += 1) play(index, index === 254);
  assert.equal(begins[0]?.mediaSamples, frameToSamples(254, 25));
  assert.equal(of(end(), VIDEO).length, 6);
});

test('at the very beginning of a session there is no sound before', () => {
  const { play, end } = arrange({ fromMs: 0 });
  for (let index = 0; index < 5; index += 1) play(index, index === 0);
  const read = end();
  assert.equal(uint(read.tracks[1]!.get(ID.codecDelay)!), 6_500_000);
  assert.equal(read.durationMs, 200);
});

test('sound and picture keep their distance at any rate of pictures', () => {
  const { play, end } = arrange({ fps: 30 });
  for (let index = 307; index < 340; index += 1) play(index, index === 307);
  const read = end();
  const delayMs = uint(read.tracks[1]!.get(ID.codecDelay)!) / 1e6;
  const startMs = (307 * 1000) / 30;
  assert.ok(delayMs < 20, `${delayMs} ms: more than a part of one packet is not skipped by every player`);
  for (const { atMs, data } of of(read, AUDIO)) {
    // The number in the packet is its media time; what is decoded lags by 6.5 ms.
    const mediaMs = numberIn(data) * 20;
    const heardMs = atMs - delayMs;
    assert.ok(Math.abs(heardMs - (mediaMs - 6.5 - startMs)) < 0.05, `${heardMs} for ${mediaMs}`);
  }
});

test('key pictures are asked for every five seconds, again if none comes, and none too many', () => {
  const { play, wishes } = arrange();
  for (let index = 255; index < 255 + 25 * 5; index += 1) play(index, index === 255);
  assert.deepEqual(wishes, []);
  for (let index = 380; index < 380 + 30; index += 1) play(index, false);
  assert.deepEqual(wishes, ['high', 'high']);
  play(410, true);
  for (let index = 411; index < 411 + 25 * 4; index += 1) play(index, false);
  assert.equal(wishes.length, 2);
});

test('one that waits for its first key picture asks again', () => {
  const { soundUntil, wishes } = arrange();
  soundUntil(10_900);
  assert.deepEqual(wishes, []);
  soundUntil(12_100);
  assert.deepEqual(wishes, ['high', 'high']);
});

test('when the best that anybody may have changes it moves at a key picture, and needs both until then', () => {
  const { recorder, play, end, wishes } = arrange();
  assert.deepEqual(recorder.demand('high'), ['high']);
  for (let index = 255; index < 280; index += 1) play(index, index === 255);
  play(280, false);
  assert.deepEqual(recorder.demand('mid'), ['high', 'mid']);
  play(281, false, 'mid');
  play(282, false);
  for (let index = 283; index < 310; index += 1) play(index, false);
  recorder.demand('mid');
  // Others may get it already, without a key picture to come: asked for at once, and a second later.
  assert.deepEqual(wishes, ['mid', 'mid']);
  recorder.picture([
    codedPicture(310, false),
    codedPicture(310, true, { rendition: 'mid', widthPx: 32, heightPx: 24 }),
  ]);
  recorder.picture([codedPicture(311, false), codedPicture(311, false, { rendition: 'mid' })]);
  assert.deepEqual(recorder.demand('mid'), ['mid', 'mid']);
  const pictures = of(end(), VIDEO);
  const indices = pictures.map(({ data }) => numberIn(data));
  assert.deepEqual(
    indices,
    [...Array(57).keys()].map((i) => 255 + i).filter((index) => index !== 281),
  );
  assert.deepEqual(
    pictures.filter(({ key }) => key).map(({ atMs }) => atMs),
    [0, 55 * 40],
  );
});

test('a picture that comes once more, in another rendition or late, is not written twice', () => {
  const { recorder, play, end } = arrange();
  for (let index = 255; index < 265; index += 1) play(index, index === 255);
  recorder.picture([codedPicture(264, true)]);
  recorder.picture([codedPicture(260, true)]);
  assert.equal(of(end(), VIDEO).length, 10);
});

test('it ends at its greatest length, to the picture, and tells that once', () => {
  const { recorder, play, end, limits } = arrange({ maxMs: 2000 });
  for (let index = 255; index < 400; index += 1) play(index, index === 255);
  assert.deepEqual(limits, ['max-length']);
  assert.equal(recorder.durationMs, 2000);
  const read = end();
  assert.equal(read.durationMs, 2000);
  assert.equal(of(read, VIDEO).length, 50);
});

test('also where no picture comes any more', () => {
  const { recorder, play, soundUntil, limits } = arrange({ maxMs: 2000 });
  for (let index = 255; index < 280; index += 1) play(index, index === 255);
  soundUntil(30_000);
  assert.deepEqual(limits, ['max-length']);
  const { durationMs = 0 } = recorder.end() ?? {};
  assert.equal(durationMs, 2000);
});

test('it stays below its greatest size', () => {
  const { recorder, play, end, limits } = arrange({ maxBytes: 20_000 });
  for (let index = 255; index < 400; index += 1) play(index, index % 15 === 0);
  assert.deepEqual(limits, ['max-bytes']);
  const read = end();
  const fileBytes = read.segmentAt + read.segmentBytes!;
  assert.ok(fileBytes <= 20_000 && fileBytes > 19_000, `${fileBytes} bytes`);
  assert.ok(recorder.durationMs > 0);
});

test('sound that goes on without pictures is kept, as it was heard', () => {
  const { play, soundUntil, end } = arrange();
  for (let index = 255; index < 280; index += 1) play(index, index === 255);
  soundUntil(14_000);
  const read = end();
  // To the end of the last packet, which is heard 6.5 ms early.
  assert.equal(read.durationMs, 14_000 - 10_200 - 6.5);
});

test('nothing was recorded without a key picture', () => {
  const { recorder, play, soundUntil } = arrange();
  soundUntil(20_000);
  play(500, false);
  assert.equal(recorder.end(), undefined);
  assert.deepEqual([recorder.durationMs, recorder.sizeBytes], [0, 0]);
});
