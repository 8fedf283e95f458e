import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decoder } from '@evan/opus';
import { OpusEncoder } from '../../../../src/encoder/opus-encoder.js';
import { MAX_QUEUED_PICTURES, Playout, SOUND_LEAD_MS } from '../../../../src/session/playout/playout.js';
import { fadedOut, silentPiece, type SoundPiece } from '../../../../src/session/speech/sound-piece.js';

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

test('after a cut no picture of the old epoch leaves, waiting or late, and its sound is changed in place', () => {
  const sent: string[] = [];
  const playout = new Playout<string>(25, {
    sound: (sound, mediaSamples) => sent.push(`${sound}${mediaSamples}`),
    picture: (renditions) => sent.push(...renditions.map(({ index, epoch = 0 }) => `p${index}e${epoch}`)),
    jpeg: ({ index, epoch = 0 }) => sent.push(`j${index}e${epoch}`),
  });
  const picture = (index: number, epoch: number) => ({ index, epoch, key: false, data: new Uint8Array(1) });
  for (const at of [0, 1920, 3840, 5760]) playout.pushSound('old', at);
  for (const index of [0, 1, 2]) {
    playout.pushPicture(picture(index, 0));
    playout.pushPicture({ ...picture(index, 0), rendition: 'low' });
    playout.pushJpeg(picture(index, 0));
  }
  playout.advance(0);
  assert.deepEqual(sent.splice(0), ['old0', 'old1920', 'p0e0', 'p0e0', 'j0e0']);
  const { soundSamples, lastPicture, waiting } = playout.cut(1);
  assert.deepEqual([soundSamples, lastPicture, playout.nextSamples], [3840, 0, 3840]);
  for (const one of waiting) one.sound = 'new';
  playout.pushPicture(picture(3, 0));
  playout.pushJpeg(picture(3, 0));
  playout.pushPicture(picture(1, 1));
  playout.pushJpeg(picture(1, 1));
  playout.advance(4 * 1920);
  assert.deepEqual(sent, ['new3840', 'new5760', 'p1e1', 'j1e1']);
  assert.equal(playout.stalePictures, 3, 'two that waited, one that came');
});

test('speech that is cut off falls silent to the ear at once, without a click', () => {
  const encoder = new OpusEncoder();
  const decoder = new Decoder({ channels: 2, sample_rate: 48_000 });
  const levels: number[] = [];
  let worstStep = 0;
  let last = 0;
  const playout = new Playout<SoundPiece>(25, {
    sound({ pcm }) {
      const bytes = decoder.decode(encoder.encode(pcm));
      const heard = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
      levels.push(Math.sqrt(heard.reduce((sum, value) => sum + value * value, 0) / heard.length) / 32_768);
      for (let at = 0; at < heard.length; at += 2) {
        worstStep = Math.max(worstStep, Math.abs(heard[at]! - last));
        last = heard[at]!;
      }
    },
    picture: () => {},
    jpeg: () => {},
  });
  const tone = (k: number) =>
    Int16Array.from({ length: 1920 }, (_, i) => 8000 * Math.sin((k * 1920 + i) / 40));
  for (let k = 0; k < 50; k += 1) playout.pushSound({ pcm: tone(k), epoch: 0 }, k * 960);
  playout.advance(9 * 960 - 1920);
  assert.equal(levels.length, 10);
  for (const [at, one] of playout.cut(1).waiting.entries())
    one.sound = at === 0 ? fadedOut(one.sound, 1) : silentPiece(1920, 1);
  playout.advance(50 * 960);
  assert.ok(Math.min(...levels.slice(2, 10)) > 0.1, 'before it, there is sound');
  assert.ok(Math.max(...levels.slice(12)) < 0.002, `then ${Math.max(...levels.slice(12))}`);
  // The tone itself steps by 400 from sample to sample.
  assert.ok(worstStep < 900, `a step of ${worstStep}`);
  encoder.close();
});
