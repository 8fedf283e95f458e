import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../../../src/lib/log.js';
import type { RenditionName } from '../../../../src/media/frame.js';
import { OutputTaps, type OutputTap } from '../../../../src/session/playout/output-tap.js';
import { codedPicture } from '../../../helpers/coded-picture.js';

class CountingTap implements OutputTap {
  sounds = 0;
  pictures = 0;
  ends = 0;
  /** Thrown at the next picture. */
  fault: Error | undefined;

  demand(top: RenditionName): readonly RenditionName[] {
    return [top];
  }

  sound(): void {
    this.sounds += 1;
  }

  picture(): void {
    if (this.fault) throw this.fault;
    this.pictures += 1;
  }

  async ended(): Promise<void> {
    this.ends += 1;
  }
}

test('all taps get all that leaves until they are taken off', async () => {
  const taps = new OutputTaps(silentLog);
  const [a, b] = [new CountingTap(), new CountingTap()];
  taps.add(a);
  taps.add(b);
  taps.sound({ full: Buffer.alloc(1) }, 0);
  taps.picture([codedPicture(0, true)]);
  taps.remove(a);
  taps.picture([codedPicture(1, false)]);
  assert.deepEqual([a.sounds, a.pictures, b.sounds, b.pictures], [1, 1, 1, 2]);
  assert.deepEqual(taps.demand('mid'), ['mid']);
  await taps.close();
  assert.deepEqual([a.ends, b.ends, taps.size], [0, 1, 0]);
});

test('one that throws is ended and taken off, and the others do not notice', () => {
  const taps = new OutputTaps(silentLog);
  const [bad, good] = [new CountingTap(), new CountingTap()];
  taps.add(bad);
  taps.add(good);
  bad.fault = new Error('the disk burns');
  taps.picture([codedPicture(0, true)]);
  taps.picture([codedPicture(1, false)]);
  assert.deepEqual([bad.ends, good.pictures, taps.size], [1, 2, 1]);
});
