import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../../../src/errors.js';
import { msToSamples } from '../../../../src/media/timeline.js';
import type { SceneEvent } from '../../../../src/session/events/session-events.js';
import { SessionScene } from '../../../../src/session/playout/session-scene.js';
import type { Shown } from '../../../../src/worker/shows.js';
import { deferred, type Deferred } from '../../../helpers/deferred.js';

/** A scene at 25 pictures a second, whose worker answers when the test says so. */
function arrange() {
  const told: SceneEvent[] = [];
  const asked: { what: string; answer: Deferred<Shown> }[] = [];
  const ask = (what: string): Promise<Shown> => {
    const answer = deferred<Shown>();
    asked.push({ what, answer });
    return answer.promise;
  };
  const scene = new SessionScene({
    avatarId: 'anna',
    fps: 25,
    pictures: {
      show: (id) => ask(`show ${id}`),
      act: (name, times) => ask(`act ${name} ${times}`),
      stopActing: () => void asked.push({ what: 'stop', answer: deferred() }),
    },
    tell: (event) => told.push(event),
    heardAt: (samples) => ({ mediaMs: samples / 48, rtp: { audio: 0, video: 0 } }),
  });
  const at = (ms: number, isIdle = true): void => scene.advance(msToSamples(ms), isIdle);
  return { scene, told, asked, at };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('an avatar is told when it is seen, and counts as used before', async () => {
  const { scene, told, asked, at } = arrange();
  const checked = deferred<void>();
  const shown = scene.show('bob', undefined, () => checked.promise);
  assert.deepEqual([scene.uses('bob'), scene.uses('anna'), scene.avatarId], [true, true, 'anna']);
  checked.resolve();
  await settle();
  asked[0]!.answer.resolve({ showId: 1, fromIndex: 50, toIndex: 55 });
  assert.equal((await shown).mediaMs, 2000);
  assert.deepEqual([scene.avatarId, scene.uses('anna')], ['bob', false]);
  at(1999);
  assert.equal(told.length, 0);
  at(2000);
  assert.deepEqual(
    told.map(({ event, data }) => [event, data.mediaMs]),
    [['session.avatar', 2000]],
  );
  const before = scene.show('bob', '#00ff00', () => Promise.resolve());
  await settle();
  assert.equal(asked.at(-1)?.what, 'show bob');
  asked.at(-1)!.answer.resolve({ showId: 2, fromIndex: 60, toIndex: 65 });
  assert.equal((await before).mediaMs, 2400);
  at(3000);
  assert.deepEqual([scene.background, told.length], ['#00ff00', 1], 'another background is no other avatar');
  const refused = scene.show('eve', undefined, () =>
    Promise.reject(new AppError('avatar-not-found', 'none')),
  );
  await assert.rejects(refused, { code: 'avatar-not-found' });
  assert.deepEqual([scene.avatarId, scene.uses('eve'), asked.length], ['bob', false, 2]);
});

test('an action is told from its beginning to its end, also when its worker is lost', async () => {
  const { scene, told, asked, at } = arrange();
  assert.throws(() => scene.stopActing(), { code: 'action-not-found' });
  for (const showId of [1, 2]) {
    const acting = scene.act('wave', 1);
    asked.at(-1)!.answer.resolve({ showId, fromIndex: 25, toIndex: 30 });
    assert.equal((await acting).name, 'wave');
    assert.equal(scene.action?.name, 'wave');
    if (showId === 1) scene.actOver(1, { fromIndex: 75, interrupted: false });
    else scene.lost(msToSamples(4000));
    assert.equal(scene.action, undefined);
  }
  at(5000);
  assert.deepEqual(
    told.map(({ event, data }) => [event, 'interrupted' in data && data.interrupted, data.mediaMs]),
    [
      ['action.started', false, 1000],
      ['action.ended', false, 3000],
      ['action.started', false, 1000],
      ['action.ended', true, 4000],
    ],
  );
});

test('idle actions play while nobody speaks, after their pauses, and never in the place of what was asked for', async () => {
  const { scene, asked, at } = arrange();
  scene.idleActions = [
    { name: 'nod', everyS: 10 },
    { name: 'yawn', everyS: 15 },
  ];
  const acts = (): string[] => asked.map(({ what }) => what);
  at(9_900);
  at(20_000, false);
  assert.deepEqual(acts(), [], 'not in speech');
  const asking = scene.act('wave', 1);
  at(20_100);
  assert.deepEqual(acts(), ['act wave 1'], 'not while something is on its way');
  asked[0]!.answer.resolve({ showId: 1, fromIndex: 505, toIndex: 510 });
  await asking;
  at(20_200);
  assert.equal(asked.length, 1, 'not while an action plays');
  scene.actOver(1, { fromIndex: 520, interrupted: false });
  at(21_000);
  assert.deepEqual(acts().slice(1), ['act nod 1'], 'the one that has waited longest');
  asked[1]!.answer.resolve({ showId: 2, fromIndex: 530, toIndex: 535 });
  await settle();
  scene.actOver(2, { fromIndex: 550, interrupted: false });
  at(22_000);
  assert.deepEqual(acts().slice(2), ['act yawn 1']);
  asked[2]!.answer.reject(new AppError('action-not-found', 'deleted'));
  await settle();
  assert.deepEqual(scene.idleActions, [{ name: 'nod', everyS: 10 }], 'one that is gone is forgotten');
  at(30_900);
  assert.equal(asked.length, 3);
  at(31_100);
  assert.deepEqual(acts().slice(3), ['act nod 1'], 'a pause from its end on');
  asked[3]!.answer.reject(new AppError('worker-died', 'gone'));
  await settle();
  const switched = scene.show('bob', undefined, () => Promise.resolve());
  await settle();
  asked[4]!.answer.resolve({ showId: 4, fromIndex: 900, toIndex: 905 });
  await switched;
  assert.deepEqual(scene.idleActions, [], 'they were the other one’s');
});
