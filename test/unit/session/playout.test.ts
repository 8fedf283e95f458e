import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decoder } from '@evan/opus';
import { OpusEncoder } from '../../../src/encoder/opus-encoder.js';
import { MAX_QUEUED_PICTURES, Playout, SOUND_LEAD_MS } from '../../../src/session/playout.js';

function arrange() {
  const sent: string[] = [];
  const playout = new Playout(25, {
    sound: (_opus, mediaSamples) => sent.push(`s${mediaSamples}`),
    picture: (renditions) =>
      sent.push(`p${renditions.map(({ index, rendition }) => `${index}${rendition ?? ''}`).join('+')}`),
    jpeg: ({ index }) => sent.push(`j${index}`),
  });
  const picture = (index: number) => ({ index, key: false, data: new Uint8Array(1) });
  return { playout, sent, picture };
}

test('pictures leave at their time, sound a constant lead before; nothing leaves earlier', () => {
  const { playout, sent, picture } = arrange();
  const leadSamples = SOUND_LEAD_MS * 48;
  for (let at = 0; at <= leadSamples + 1920; at += 960) playout.pushSound({ full: new Uint8Array(1) }, at);
  for (const index of [0, 1]) playout.pushPicture(picture(index));
  playout.advance(-leadSamples);
  assert.deepEqual(sent, ['s0']);
  playout.advance(-1);
  assert.deepEqual(sent.slice(1), ['s960']);
  playout.advance(1919);
  assert.deepEqual(sent.slice(2), ['s1920', 's2880', 'p0']);
  playout.advance(1920);
  assert.deepEqual(sent.slice(5), ['s3840', 'p1']);
});

test('a late picture leaves at once and is counted; sound did not wait for it', () => {
  const { playout, sent, picture } = arrange();
  playout.pushSound({ full: new Uint8Array(1) }, 0);
  playout.advance(5000);
  assert.deepEqual(sent, ['s0']);
  playout.pushPicture(picture(0));
  playout.advance(5000);
  assert.deepEqual(sent, ['s0', 'p0']);
  assert.equal(playout.latePictures, 1);
});

test('renditions of one picture leave together, in the order of the pictures; a late one leaves alone', () => {
  const { playout, sent, picture } = arrange();
  playout.pushPicture({ ...picture(0), rendition: 'high' });
  playout.pushPicture({ ...picture(1), rendition: 'high' });
  playout.pushPicture({ ...picture(1), rendition: 'low' });
  playout.pushPicture({ ...picture(2), rendition: 'low' });
  playout.advance(3 * 1920 - 1);
  assert.deepEqual(sent, ['p0high', 'p1high+1low', 'p2low']);
  playout.pushPicture({ ...picture(2), rendition: 'high' });
  playout.advance(3 * 1920);
  assert.deepEqual(sent.slice(3), ['p2high']);
  assert.equal(playout.playedPictures, 3);
});

test('at most 30 pictures wait; a drop asks for a keyframe', () => {
  const { playout, picture } = arrange();
  for (let i = 0; i < MAX_QUEUED_PICTURES; i += 1) assert.equal(playout.pushPicture(picture(i)), false);
  assert.equal(playout.pushPicture(picture(MAX_QUEUED_PICTURES)), true);
  assert.equal(playout.queuedPictures, MAX_QUEUED_PICTURES);
  assert.equal(playout.droppedPictures, 1);
});

test('the renditions of a picture leave together, whichever came first; each has its own queue', () => {
  const sent: string[] = [];
  const playout = new Playout(25, {
    sound: () => {},
    picture: (renditions) =>
      void sent.push(...renditions.map(({ index, rendition }) => `${rendition}${index}`)),
    jpeg: () => {},
  });
  const push = (rendition: 'high' | 'low', index: number) =>
    playout.pushPicture({ index, key: false, data: new Uint8Array(1), rendition });
  push('high', 0);
  push('high', 1);
  push('low', 0); // behind a picture of `high` that is not due yet
  playout.advance(0);
  assert.deepEqual(sent, ['high0', 'low0']);
  push('low', 1);
  playout.advance(1920);
  assert.deepEqual(sent.slice(2), ['high1', 'low1']);
  assert.equal(playout.playedPictures, 2, 'a picture in two renditions is one picture');
  for (let index = 2; index < 2 + MAX_QUEUED_PICTURES; index += 1)
    assert.equal(push('high', index) || push('low', index), false);
  assert.equal(push('low', 2 + MAX_QUEUED_PICTURES), true);
  assert.equal(playout.queuedPictures, MAX_QUEUED_PICTURES);
});

test('sound that waits is hushed from a moment on, and only that', () => {
  const sent: number[] = [];
  const playout = new Playout(25, {
    sound: ({ full }) => sent.push(full[0] ?? -1),
    picture: () => {},
    jpeg: () => {},
  });
  for (const at of [0, 960, 1920, 2880]) playout.pushSound({ full: Uint8Array.of(7) }, at);
  let packet = 0;
  playout.hush(1500, () => ({ full: Uint8Array.of((packet += 1)) }));
  playout.pushSound({ full: Uint8Array.of(9) }, 3840);
  playout.advance(4000);
  assert.deepEqual(sent, [7, 7, 1, 2, 9]);
});

test('what is hushed stays silent to the ear, also where the sound coded later goes on', () => {
  const encoder = new OpusEncoder();
  const decoder = new Decoder({ channels: 2, sample_rate: 48_000 });
  const levels: number[] = [];
  const playout = new Playout(25, {
    sound({ full }) {
      const bytes = decoder.decode(full);
      const pcm = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
      levels.push(Math.sqrt(pcm.reduce((sum, value) => sum + value * value, 0) / pcm.length) / 32_768);
    },
    picture: () => {},
    jpeg: () => {},
  });
  const tone = (k: number) =>
    Int16Array.from({ length: 1920 }, (_, i) => 8000 * Math.sin((k * 1920 + i) / 20));
  const silence = new Int16Array(1920);
  for (let k = 0; k < 50; k += 1) playout.pushSound({ full: encoder.encode(tone(k)) }, k * 960);
  playout.hush(10 * 960, () => ({ full: encoder.encode(silence) }));
  for (let k = 50; k < 70; k += 1) playout.pushSound({ full: encoder.encode(silence) }, k * 960);
  playout.advance(70 * 960);
  assert.equal(levels.length, 70);
  assert.ok(Math.min(...levels.slice(2, 10)) > 0.1, 'before it, there is sound');
  assert.ok(Math.max(...levels.slice(12)) < 0.002, `then ${Math.max(...levels.slice(12))}`);
  encoder.close();
});
