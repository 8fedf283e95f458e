import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CutFinder } from '../../../src/face/cut-finder.js';
import type { RgbImage } from '../../../src/media/frame.js';

function grey(value: (x: number, y: number) => number): RgbImage {
  const [widthPx, heightPx] = [64, 48];
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let i = 0; i < widthPx * heightPx; i++)
    data.fill(value(i % widthPx, Math.floor(i / widthPx)), 3 * i, 3 * i + 3);
  return { widthPx, heightPx, data };
}

test('a cut is found, slow change and a moving object are not', () => {
  const cuts = new CutFinder();
  assert.equal(cuts.push(grey(() => 100)), false, 'the first picture follows nothing');
  assert.equal(cuts.push(grey(() => 110)), false);
  assert.equal(cuts.push(grey((x) => (x < 8 ? 250 : 110))), false);
  assert.equal(cuts.push(grey((x) => 4 * x)), true);
  assert.equal(cuts.push(grey((x) => 4 * x)), false);
  cuts.reset();
  assert.equal(cuts.push(grey(() => 0)), false, 'after a reset the next picture is the first');
});
