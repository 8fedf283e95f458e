import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SpreadAudience } from '../../../../src/session/viewers/spread-audience.js';
import { ViewerTally } from '../../../../src/session/viewers/viewer-tally.js';
import { FakeAudience } from '../../../helpers/fake-audience.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

describe('SpreadAudience', () => {
  let clock: ManualClock;
  let a: FakeAudience;
  let b: FakeAudience;
  let told: string[];
  let audience: SpreadAudience;
  beforeEach(() => {
    clock = new ManualClock();
    told = [];
    audience = new SpreadAudience({
      sessionId: 's',
      clock,
      events: {
        onWish: () => told.push('wish'),
        onKeyframeWanted: (rendition) => told.push(`key ${rendition}`),
        onJoined: (id) => told.push(`${id} joined`),
        onGone: (id) => told.push(`${id} gone`),
      },
      openParts: (events) => [(a = new FakeAudience('a', events)), (b = new FakeAudience('b', events))],
    });
  });

  const join = async (count: number): Promise<string[]> => {
    const ids: string[] = [];
    for (let n = 0; n < count; n++) ids.push((await audience.add('offer')).id);
    return ids;
  };

  it('sends a newcomer where the fewest viewers of all sessions are', async () => {
    a.load = 2;
    assert.deepEqual(await join(4), ['b1', 'b2', 'a1', 'b3']);
    assert.equal(audience.size, 4);
    assert.deepEqual(told.slice(0, 2), ['b1 joined', 'b2 joined']);
  });

  it('passes over a sender that is being started again; without any it asks to come again', async () => {
    a.ready = false;
    assert.deepEqual(await join(2), ['b1', 'b2']);
    b.ready = false;
    await assert.rejects(audience.add('offer'), { code: 'no-capacity' });
  });

  it('hands what concerns one viewer to the sender that has it', async () => {
    await join(2);
    await audience.trickle('b1', 'candidates');
    assert.deepEqual([a.told, b.told], [[], [['trickle', 'b1', 'candidates']]]);
    assert.equal((await audience.restartIce('a1', 'fragment')).etag, '"2"');
    assert.deepEqual([audience.etagOf('a1'), audience.etagOf('b1')], ['"2"', '"1"']);
    audience.remove('a1');
    assert.deepEqual([audience.etagOf('a1'), audience.size, told.at(-1)], [undefined, 1, 'a1 gone']);
    await assert.rejects(audience.trickle('a1', 'candidates'), { code: 'peer-not-found' });
    assert.throws(() => audience.remove('c1'), { code: 'peer-not-found' });
  });

  it('needs what any of them needs', () => {
    a.demand = { renditions: new Set(['high'] as const), slimSound: false, worstLossShare: 0.1 };
    b.demand = { renditions: new Set(['low', 'high'] as const), slimSound: true, worstLossShare: 0.02 };
    const { renditions, slimSound, worstLossShare } = audience.demand;
    assert.deepEqual([[...renditions].sort(), slimSound, worstLossShare], [['high', 'low'], true, 0.1]);
  });

  it('makes one key picture of what several senders wish for', () => {
    a.events.onKeyframeWanted('high');
    b.events.onKeyframeWanted('high');
    assert.deepEqual(told, ['key high']);
    audience.sendPicture([{ index: 1, key: true, data: Uint8Array.of(1) }], 25);
    clock.advance(1000);
    assert.deepEqual(told, ['key high'], 'the picture that passed was for both');
    assert.deepEqual([a.told.length, b.told.length], [1, 1]);
  });

  it('adds up what each has measured, and lists the oldest viewers of all', async () => {
    await join(4);
    const { sums, viewers } = await audience.report(3);
    assert.equal(ViewerTally.of(sums).soundsSent, 4);
    assert.deepEqual(
      viewers.map(({ id }) => id),
      ['a1', 'b1', 'a2'],
    );
  });
});
