import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../../../src/errors.js';
import { REMEMBERED, UtteranceBook } from '../../../../src/session/speech/utterance-book.js';
import { Utterance } from '../../../../src/session/speech/utterance.js';

async function utterance(id: string, error?: Error): Promise<Utterance> {
  const one = new Utterance(id, async function* () {
    yield new Int16Array(96_000);
    if (error) throw error;
  });
  await one.closed;
  return one;
}

test('an utterance is followed from its acceptance to its end', async () => {
  const book = new UtteranceBook();
  book.accepted(await utterance('a'), 'append', 100);
  const view = (heard?: number) => book.view('a', () => heard);
  assert.deepEqual(view(), {
    ...{ id: 'a', state: 'waiting', mode: 'append', createdAtUnixS: 100, playedMs: 0 },
    ...{ durationMs: 1000, resumable: false },
  });
  book.started('a', 48_000);
  assert.deepEqual(
    [view(24_000)?.state, view(24_000)?.playedMs, view()?.startedAtMs],
    ['playing', 500, 1000],
  );
  book.over('a', 'interrupted', { playedSamples: 24_000, atSamples: 72_000, resumable: true });
  assert.deepEqual([view()?.state, view()?.playedMs, view()?.resumable], ['interrupted', 500, true]);
  book.resumed('a');
  book.started('a', 96_000);
  book.over('a', 'ended', { playedSamples: 48_000, atSamples: 120_000 });
  assert.deepEqual(view(), {
    ...{ id: 'a', state: 'ended', mode: 'append', createdAtUnixS: 100, playedMs: 1000, durationMs: 1000 },
    ...{ startedAtMs: 1000, endedAtMs: 2500, resumable: false },
  });
  assert.equal(
    book.view('b', () => 0),
    undefined,
  );
});

test('a failure keeps its reason', async () => {
  const book = new UtteranceBook();
  book.accepted(await utterance('a', new AppError('timeout', 'it came no more')), 'replace', 0);
  book.over('a', 'failed', { playedSamples: 0, atSamples: 0 });
  assert.deepEqual(book.view('a', () => 0)?.error, { code: 'timeout', message: 'it came no more' });
});

test('of those that are over so many are remembered, the newest', async () => {
  const book = new UtteranceBook();
  for (let i = 0; i < REMEMBERED + 10; i += 1) {
    const one = await utterance(`u${i}`);
    book.accepted(one, 'append', i);
    if (i !== 3) book.over(one.id, 'ended', { playedSamples: 0, atSamples: 0 });
  }
  const ids = book.views(() => 0).map(({ id }) => id);
  assert.equal(ids.length, REMEMBERED + 1, 'and the one that waits');
  assert.deepEqual(ids.slice(0, 2), ['u3', 'u10']);
});
