import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPUS_FRAME_SAMPLES } from '../../../../src/media/timeline.js';
import { asWaiting, SpeechQueue } from '../../../../src/session/speech/speech-queue.js';
import { Utterance } from '../../../../src/session/speech/utterance.js';
import { deferred } from '../../../helpers/deferred.js';

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

test('a gap in the middle counts as underflow, not as speech that was heard', async () => {
  const { utterance, more, end } = slowSpeech(2, 1);
  const { queue, feed } = arrange(utterance);
  assert.deepEqual([await feed(), await feed(), await feed()], [true, false, false]);
  more.resolve();
  end.resolve();
  assert.ok(await feed());
  await feed();
  assert.equal(queue.retire(1e9)[0]?.heardSamples, 2 * OPUS_FRAME_SAMPLES);
  assert.equal(queue.underflows, 2);
});

/** Sound whose samples count on from `first`, ready to be taken. */
async function counting(id: string, first: number, samples: number): Promise<Utterance> {
  const utterance = new Utterance(id, async function* () {
    yield Int16Array.from({ length: 2 * samples }, (_, i) => first + (i >> 1));
  });
  await utterance.closed;
  return utterance;
}

function feeder(queue: SpeechQueue) {
  let at = 0;
  return (pieces: number): number[] => {
    const heard: number[] = [];
    for (let piece = 0; piece < pieces; piece += 1, at += OPUS_FRAME_SAMPLES) {
      const pcm = new Int16Array(2 * OPUS_FRAME_SAMPLES).fill(-1);
      queue.feed(pcm, at, true, 0);
      for (let i = 0; i < pcm.length; i += 2) heard.push(pcm[i]!);
    }
    return heard;
  };
}

const upTo = (first: number, end: number): number[] =>
  Array.from({ length: end - first }, (_, i) => first + i);

test('one utterance follows the other to the sample, and silence the last', async () => {
  const queue = new SpeechQueue();
  queue.push(await counting('a', 1, 1000));
  queue.push(await counting('b', 1001, 30));
  queue.push(await counting('c', 1031, 1500));
  const heard = feeder(queue)(4);
  assert.deepEqual(heard.slice(0, 2530), upTo(1, 2531));
  assert.ok(heard.slice(2530).every((value) => value === 0));
  assert.deepEqual(
    queue.begun(1015).map(({ utterance, atSamples }) => [utterance.id, atSamples]),
    [
      ['a', 0],
      ['b', 1000],
    ],
  );
  assert.deepEqual(
    queue
      .retire(2529)
      .map(({ utterance, endSamples, heardSamples }) => [utterance.id, endSamples, heardSamples]),
    [
      ['a', 1000, 1000],
      ['b', 1030, 30],
    ],
  );
  assert.equal(queue.at(2529)?.utterance.id, 'c');
  assert.equal(queue.at(2530), undefined);
});

test('after a cut what was not heard is heard later: nothing is lost, nothing is doubled', async () => {
  const queue = new SpeechQueue();
  queue.push(await counting('a', 1, 3000));
  queue.push(await counting('b', 3001, 3000));
  const feed = feeder(queue);
  feed(4); // all of `a` and the beginning of `b`
  const dropped = queue.cut(1920, ({ utterance }) => utterance.id === 'a');
  assert.deepEqual(
    dropped.map(({ utterance, spans }) => [utterance.id, utterance.takenSamples, spans]),
    [['a', 1920, [{ atSamples: 0, samples: 1920 }]]],
  );
  assert.deepEqual(feed(1), upTo(3001, 3961), 'the next begins from its beginning');
  queue.pushFirst(dropped.map(asWaiting));
  assert.equal(queue.cut(4800 - 480, () => false).length, 0);
  assert.deepEqual(feed(3).slice(0, 2520), upTo(3481, 6001), 'half of its first piece had been heard');
});
