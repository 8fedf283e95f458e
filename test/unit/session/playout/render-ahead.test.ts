import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../../../src/errors.js';
import { RenderAhead } from '../../../../src/session/playout/render-ahead.js';
import { Utterance } from '../../../../src/session/speech/utterance.js';
import type { WorkerStream } from '../../../../src/worker/host.js';
import { deferred, type Deferred } from '../../../helpers/deferred.js';

/** A worker's stream that makes nothing: each rehearsal waits for the test. */
function fakeStream() {
  const asked: { path: string; made: Deferred<number> }[] = [];
  const cues: [number, number][] = [];
  const dropped: number[] = [];
  const stream = {
    rehearse(path: string, { signal }: { signal: AbortSignal }) {
      const made = deferred<number>();
      signal.addEventListener('abort', () => made.reject(signal.reason));
      asked.push({ path, made });
      return made.promise;
    },
    cue: (id: number, atMs: number) => void cues.push([id, atMs]),
    drop: (id: number) => void dropped.push(id),
  } as unknown as WorkerStream;
  return { stream, asked, cues, dropped };
}

function arrange() {
  const first = fakeStream();
  const now: { stream: WorkerStream | undefined } = { stream: first.stream };
  const failed: string[] = [];
  const ahead = new RenderAhead({
    stream: () => now.stream,
    onProgress: () => {},
    onFailed: (utterance) => failed.push(utterance.id),
  });
  const add = (id: string) => {
    const utterance = new Utterance(id, async function* () {});
    return { utterance, rendered: ahead.add(utterance, `/${id}.wav`) };
  };
  return { ahead, add, first, now, failed };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));
const paths = (asked: { path: string }[]) => asked.map(({ path }) => path);

test('utterances are made one after the other, and two ahead of their turn at most', async () => {
  const { ahead, add, first } = arrange();
  const [a] = ['a', 'b', 'c', 'd'].map(add);
  assert.deepEqual(paths(first.asked), ['/a.wav']);
  first.asked[0]!.made.resolve(1);
  await settle();
  first.asked[1]!.made.resolve(2);
  await settle();
  assert.deepEqual(paths(first.asked), ['/a.wav', '/b.wav'], 'c waits until one of them plays');
  assert.deepEqual(
    ahead.progress.map(({ utteranceId }) => utteranceId),
    ['c', 'd'],
  );
  assert.equal(a!.rendered.ready, true);
  a!.rendered.start(40);
  assert.deepEqual(first.cues, [[1, 40]]);
  assert.deepEqual(first.dropped, [], 'what was cued is the stream’s to close');
  assert.deepEqual(paths(first.asked), ['/a.wav', '/b.wav', '/c.wav']);
  await a!.rendered.over;
});

test('one that is dropped after it was made is dropped in the worker, too', async () => {
  const { add, first } = arrange();
  const { utterance, rendered } = add('a');
  first.asked[0]!.made.resolve(7);
  await settle();
  await utterance.close();
  assert.deepEqual(first.dropped, [7]);
  await rendered.over;
});

test('one that is dropped while it is made makes way for the next', async () => {
  const { add, first, failed } = arrange();
  const [a, b] = [add('a'), add('b')];
  await a.utterance.close();
  await settle();
  assert.deepEqual(paths(first.asked), ['/a.wav', '/b.wav']);
  assert.deepEqual(failed, []);
  assert.equal(b.rendered.ready, false);
});

test('what a lost stream had made is made again in the next one, and waits for it', async () => {
  const { ahead, add, first, now } = arrange();
  const { rendered } = add('a');
  first.asked[0]!.made.resolve(1);
  await settle();
  now.stream = undefined;
  assert.equal(rendered.ready, false, 'without a stream it would be spoken without a picture');
  const second = fakeStream();
  now.stream = second.stream;
  ahead.streamChanged();
  assert.deepEqual(paths(second.asked), ['/a.wav']);
  second.asked[0]!.made.resolve(5);
  await settle();
  assert.equal(rendered.ready, true);
  rendered.start(0);
  assert.deepEqual(second.cues, [[5, 0]]);
  assert.deepEqual(first.cues, []);
});

test('a failure lets it play all the same; a worker that dies over it twice is a failure', async () => {
  const { ahead, add, first, failed } = arrange();
  const { rendered } = add('a');
  first.asked[0]!.made.reject(new AppError('worker-died', 'gone'));
  await settle();
  assert.equal(rendered.ready, false);
  ahead.streamChanged();
  first.asked[1]!.made.reject(new AppError('worker-died', 'gone again'));
  await settle();
  assert.equal(rendered.ready, true);
  assert.deepEqual(failed, ['a']);
  rendered.start(0);
  assert.deepEqual(first.cues, []);
});
