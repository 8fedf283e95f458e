import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JitterMeter, MAX_TARGET_MS, MIN_TARGET_MS } from '../../../../src/session/speech/jitter-meter.js';
import { LiveSpeaker } from '../../../../src/session/speech/live-speaker.js';
import { SpeechQueue } from '../../../../src/session/speech/speech-queue.js';
import { lcg } from '../../../helpers/live-sound.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A sender at 48 kHz, whose values pass unchanged, into a queue that is fed every 20 ms. */
function arrange(endAfterMs?: number) {
  const clock = new ManualClock();
  const queue = new SpeechQueue();
  const said: string[] = [];
  const speaker = new LiveSpeaker({
    rate: 48_000,
    endAfterMs,
    clock,
    say: (utterance, { mode: _mode, ...options }) => {
      said.push(utterance.id);
      queue.push(utterance, options);
    },
  });
  const heard: number[] = [];
  let at = 0;
  let silentPieces = 0;
  const step = async (): Promise<void> => {
    clock.advance(20);
    await settle();
    const pcm = new Int16Array(1920);
    if (queue.feed(pcm, at, true, clock.now())) for (let i = 0; i < 1920; i += 2) heard.push(pcm[i]!);
    else silentPieces += 1;
    at += 960;
    queue.retire(at);
  };
  return { clock, queue, said, speaker, heard, step, silent: () => silentPieces };
}

/** 20 ms of values that count on and never are 0. */
function piece(number: number): Uint8Array {
  return new Uint8Array(Int16Array.from({ length: 960 }, (_, i) => 1 + ((number * 960 + i) % 20_000)).buffer);
}

const counts = (samples: readonly number[], from = 0): boolean =>
  samples.every((value, i) => value === 1 + ((from + i) % 20_000));

test('ten minutes of sound that arrives up to 400 ms late lose no sample, and soon have no gaps', async () => {
  const { speaker, heard, step, queue, clock, silent } = arrange();
  const random = lcg(7);
  const arrivals: { atMs: number; number: number }[] = [];
  let inOrderMs = 0;
  for (let number = 0; number < 30_000; number += 1) {
    // One network path: what comes later in the sound never overtakes.
    inOrderMs = Math.max(inOrderMs, number * 20 + 400 * random() ** 6);
    arrivals.push({ atMs: inOrderMs, number });
  }
  let worstDepthMs = 0;
  let gapsAfterTenSeconds = 0;
  for (let next = 0; next < arrivals.length;) {
    for (; next < arrivals.length && arrivals[next]!.atMs <= clock.now(); next += 1)
      speaker.push(piece(next));
    const before = silent();
    await step();
    if (clock.now() > 10_000) gapsAfterTenSeconds += silent() - before;
    worstDepthMs = Math.max(worstDepthMs, speaker.report.depthMs);
  }
  speaker.end();
  for (let i = 0; i < 60; i += 1) await step();
  assert.equal(heard.length, 30_000 * 960, 'every sample, none twice');
  assert.ok(counts(heard));
  assert.equal(queue.size, 0);
  assert.ok(worstDepthMs < 700, `${worstDepthMs} ms waited at most`);
  assert.ok(gapsAfterTenSeconds < 40, `${gapsAfterTenSeconds} silent pieces after the first ten seconds`);
});

test('an even sender is heard after little more than the least target', async () => {
  const { speaker, heard, step } = arrange();
  for (let number = 0; number < 5; number += 1) {
    speaker.push(piece(number));
    await step();
  }
  assert.ok(heard.length >= 960, 'within 100 ms of its first sound');
  const { targetMs, jitterMs } = speaker.report;
  assert.deepEqual([targetMs, jitterMs], [MIN_TARGET_MS, 0]);
});

test('speech ends with silence, and the next one begins whole, silence between them left out', async () => {
  const { speaker, heard, step, said } = arrange(400);
  const quiet = new Uint8Array(1920);
  const send = async (bytes: Uint8Array, pieces: number): Promise<void> => {
    for (let i = 0; i < pieces; i += 1) {
      speaker.push(bytes);
      await step();
    }
  };
  await send(quiet, 100);
  assert.deepEqual([said.length, heard.length], [0, 0], 'an idle microphone says nothing');
  await send(piece(0), 20);
  await send(quiet, 100);
  assert.equal(said.length, 1);
  await send(piece(5), 20);
  await send(quiet, 30);
  assert.equal(said.length, 2);
  for (let i = 0; i < 20; i += 1) await step();
  const loud = heard.filter((value) => value !== 0).length;
  assert.equal(loud, 40 * 960, 'no loud sample is missing');
  assert.ok(heard.length < 40 * 960 + 2 * 48 * 650, 'about 200 ms before and 400 ms behind each');
});

test('a sender that stops in the middle ends its utterance, too', async () => {
  const { speaker, step, said, queue } = arrange(400);
  for (let number = 0; number < 10; number += 1) {
    speaker.push(piece(number));
    await step();
  }
  for (let i = 0; i < 40; i += 1) await step();
  assert.deepEqual([said.length, queue.size, speaker.utteranceId], [1, 0, undefined]);
});

test('what is still sent of interrupted speech is thrown away; what follows a pause, or the sender announces, is not', async () => {
  const { speaker, step, said, queue } = arrange();
  const send = async (pieces: number): Promise<void> => {
    for (let number = 0; number < pieces; number += 1) {
      speaker.push(piece(number));
      await step();
    }
  };
  await send(10);
  for (const { onDropped } of queue.clear()) onDropped?.();
  await send(10);
  assert.equal(said.length, 1);
  assert.equal(speaker.report.discardedMs, 200);
  for (let i = 0; i < 20; i += 1) await step();
  await send(3);
  assert.equal(said.length, 2, 'after a pause');
  for (const { onDropped } of queue.clear()) onDropped?.();
  speaker.clear();
  await send(1);
  assert.equal(said.length, 3, 'announced');
});

test('a microphone that was interrupted is heard again after it fell silent, though it never stops sending', async () => {
  const { speaker, step, said, queue } = arrange(400);
  const send = async (bytes: Uint8Array, pieces: number): Promise<void> => {
    for (let i = 0; i < pieces; i += 1) {
      speaker.push(bytes);
      await step();
    }
  };
  await send(piece(0), 10);
  for (const { onDropped } of queue.clear()) onDropped?.();
  await send(piece(1), 30);
  assert.deepEqual([said.length, speaker.report.discardedMs], [1, 600], 'the rest of it is not spoken');
  await send(new Uint8Array(1920), 30);
  await send(piece(2), 10);
  assert.equal(said.length, 2);
});

test('half a sample is refused', () => {
  const { speaker } = arrange();
  assert.throws(() => speaker.push(new Uint8Array(3)), { code: 'invalid-argument', message: /3 bytes/ });
});

test('the target follows the lateness of the last seconds, within its bounds', () => {
  const meter = new JitterMeter();
  meter.arrived(0, 0);
  assert.equal(meter.targetMs, 60);
  for (let at = 20; at < 1000; at += 20) meter.arrived(at, at);
  assert.equal(meter.targetMs, MIN_TARGET_MS);
  meter.arrived(1150, 1000);
  assert.equal(meter.targetMs, 170);
  for (let at = 1020; at < 12_000; at += 20) meter.arrived(Math.max(1150, at), at);
  assert.equal(meter.targetMs, MIN_TARGET_MS, 'forgotten after ten seconds');
  meter.arrived(14_000, 12_000);
  assert.equal(meter.targetMs, MAX_TARGET_MS);
  meter.restart();
  for (let at = 0; at < 5000; at += 20) meter.arrived(20_000 + at / 10, at);
  assert.ok(meter.jitterMs <= 2000 && meter.targetMs <= MAX_TARGET_MS);
});
