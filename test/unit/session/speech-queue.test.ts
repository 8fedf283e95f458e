import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPUS_FRAME_SAMPLES } from '../../../src/media/timeline.js';
import { SpeechQueue } from '../../../src/session/speech-queue.js';
import { Utterance } from '../../../src/session/utterance.js';
import { deferred } from '../../helpers/deferred.js';

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Sound of `pieces` times 20 ms, which may pause, and whose decoder ends when told to. */
function slowSpeech(pieces: number, pauseAfter?: number) {
  const more = deferred<void>();
  const end = deferred<void>();
  const utterance = new Utterance('u', async function* () {
    for (let i = 0; i < pieces; i++) {
      if (i === pauseAfter) await more.promise;
      yield new Int16Array(2 * OPUS_FRAME_SAMPLES).fill(1000);
    }
    await end.promise;
  });
  return { utterance, more, end };
}

function arrange(utterance: Utterance) {
  const queue = new SpeechQueue();
  queue.push(utterance);
  let at = 0;
  const feed = async (): Promise<boolean> => {
    await settle();
    const spoke = queue.feed(new Int16Array(2 * OPUS_FRAME_SAMPLES), at, true, 0);
    at += OPUS_FRAME_SAMPLES;
    return spoke;
  };
  return { queue, feed };
}

test('speech ends with its last sound, however long its decoder takes to end; that is no gap', async () => {
  const { utterance, end } = slowSpeech(1);
  const { queue, feed } = arrange(utterance);
  assert.deepEqual([await feed(), await feed(), await feed()], [true, false, false]);
  end.resolve();
  await feed();
  assert.equal(queue.retire(1e9)[0]?.heardSamples, OPUS_FRAME_SAMPLES);
  assert.equal(queue.underflows, 0);
});

test('a gap in the middle counts, in the speech and as underflow', async () => {
  const { utterance, more, end } = slowSpeech(2, 1);
  const { queue, feed } = arrange(utterance);
  assert.deepEqual([await feed(), await feed(), await feed()], [true, false, false]);
  more.resolve();
  end.resolve();
  assert.ok(await feed());
  await feed();
  assert.equal(queue.retire(1e9)[0]?.heardSamples, 4 * OPUS_FRAME_SAMPLES);
  assert.equal(queue.underflows, 2);
});
