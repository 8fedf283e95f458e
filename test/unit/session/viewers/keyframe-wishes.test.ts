import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { KeyframeWishes } from '../../../../src/session/viewers/keyframe-wishes.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

describe('KeyframeWishes', () => {
  let clock: ManualClock;
  let asked: string[];
  let wishes: KeyframeWishes;
  beforeEach(() => {
    clock = new ManualClock();
    asked = [];
    wishes = new KeyframeWishes(clock, 300, (rendition) => asked.push(`${clock.now()} ${rendition}`));
  });

  it('asks at once, and for what is wished inside the gap at its end', () => {
    for (let i = 0; i < 5; i += 1) wishes.ask('high');
    wishes.ask('low');
    clock.advance(1000);
    assert.deepEqual(asked, ['0 high', '0 low', '300 high']);
    assert.equal(wishes.asked, 3);
  });

  it('forgets a wish that a key picture granted meanwhile', () => {
    wishes.ask('high');
    wishes.ask('high');
    wishes.granted('high');
    clock.advance(1000);
    assert.deepEqual(asked, ['0 high']);
  });
});
