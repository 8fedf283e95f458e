import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_BUFFERED_MS, PcmInlet } from '../../../../src/session/speech/pcm-inlet.js';
import { SENDER_LIMIT_MS, UtteranceInlets } from '../../../../src/session/speech/utterance-inlets.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

/** PCM16LE of values that count on. */
function pcm(first: number, count: number): Uint8Array {
  return new Uint8Array(Int16Array.from({ length: count }, (_, i) => first + i).buffer);
}

async function read(inlet: PcmInlet, signal = new AbortController().signal): Promise<number[]> {
  const left: number[] = [];
  for await (const part of inlet.sound(signal))
    for (let at = 0; at < part.length; at += 2) left.push(part[at]!);
  return left;
}

test('pieces make one sound, however they are cut, and repeated ones count once', async () => {
  const inlets = new UtteranceInlets(new ManualClock());
  const inlet = inlets.open('u', 48_000);
  const sound = pcm(1, 1000);
  inlets.push('u', sound.subarray(0, 601), { seq: 0 });
  inlets.push('u', sound.subarray(0, 601), { seq: 0 });
  assert.throws(() => inlets.push('u', sound, { seq: 2 }), { code: 'invalid-argument', message: /number 1/ });
  const report = inlets.push('u', sound.subarray(601), { seq: 1, last: true });
  assert.deepEqual(report, { receivedMs: 21, bufferedMs: 21, hasRoom: true });
  assert.deepEqual(
    await read(inlet),
    Array.from({ length: 1000 }, (_, i) => i + 1),
  );
  assert.throws(() => inlets.push('u', sound), { code: 'utterance-closed' });
});

test('a sender that falls silent in the middle fails its utterance; what it sent is heard', async () => {
  const clock = new ManualClock();
  const inlets = new UtteranceInlets(clock);
  const inlet = inlets.open('u', 48_000);
  clock.advance(SENDER_LIMIT_MS - 1);
  inlets.push('u', pcm(1, 100));
  clock.advance(SENDER_LIMIT_MS - 1);
  assert.ok(!inlet.ended);
  clock.advance(1);
  await assert.rejects(read(inlet), { code: 'timeout', message: /30 s/ });
  assert.throws(() => inlets.push('u', pcm(1, 1)), { code: 'utterance-closed' });
});

test('a sender is told when there is no room, and refused when it does not care', async () => {
  const inlet = new PcmInlet(16_000);
  const second = new Uint8Array(32_000);
  while (inlet.hasRoom) inlet.push(second);
  assert.ok(inlet.bufferedMs >= MAX_BUFFERED_MS && inlet.bufferedMs <= MAX_BUFFERED_MS + 1000);
  assert.throws(
    () => {
      for (let i = 0; i < 40; i += 1) inlet.push(second);
    },
    { code: 'no-capacity', message: /send slower/ },
  );
  const room = inlet.room();
  const abort = new AbortController();
  const source = inlet.sound(abort.signal);
  await source.next();
  let open = false;
  void room.then(() => (open = true));
  while (!inlet.hasRoom) await source.next();
  await room;
  assert.ok(open);
  abort.abort();
  assert.equal((await source.next()).done, true);
  assert.throws(() => inlet.push(second), { code: 'utterance-closed' }, 'nobody listens any more');
});
