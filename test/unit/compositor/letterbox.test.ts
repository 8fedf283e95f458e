import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Letterbox } from '../../../src/compositor/letterbox.js';
import { i420SizeBytes } from '../../../src/media/frame.js';

/** A slope across and down, so that every place tells where it comes from; U is the slope across, V down. */
function slopes(widthPx: number, heightPx: number): Uint8Array {
  const data = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  const plane = widthPx * heightPx;
  for (let y = 0; y < heightPx; y += 1)
    for (let x = 0; x < widthPx; x += 1)
      data[y * widthPx + x] = 20 + Math.round((100 * x) / widthPx + (100 * y) / heightPx);
  const [cw, ch] = [widthPx / 2, heightPx / 2];
  for (let y = 0; y < ch; y += 1)
    for (let x = 0; x < cw; x += 1) {
      data[plane + y * cw + x] = 20 + Math.round((200 * x) / cw);
      data[plane + plane / 4 + y * cw + x] = 20 + Math.round((200 * y) / ch);
    }
  return data;
}

/** The largest error over a picture that should show the slopes of its whole source in `place`. */
function worst(
  data: Uint8Array,
  size: { widthPx: number; heightPx: number },
  place: { x: number; y: number; widthPx: number; heightPx: number },
): number {
  let most = 0;
  for (let y = place.y; y < place.y + place.heightPx; y += 1)
    for (let x = place.x; x < place.x + place.widthPx; x += 1) {
      const [u, v] = [(x - place.x + 0.5) / place.widthPx, (y - place.y + 0.5) / place.heightPx];
      most = Math.max(most, Math.abs(data[y * size.widthPx + x]! - (20 + 100 * u + 100 * v)));
    }
  return most;
}

test('a picture of another shape lies in the middle between black bars, larger or smaller', () => {
  for (const [from, to, place] of [
    [
      [64, 64],
      [64, 128],
      [0, 32, 64, 64],
    ],
    [
      [64, 64],
      [200, 100],
      [50, 0, 100, 100],
    ],
    [
      [320, 160],
      [100, 100],
      [0, 26, 100, 50],
    ],
    [
      [1280, 720],
      [128, 256],
      [0, 92, 128, 72],
    ],
    [
      [62, 90],
      [300, 100],
      [116, 0, 68, 100],
    ],
  ] as const) {
    const [source, size] = [from, to].map(([widthPx, heightPx]) => ({ widthPx, heightPx })) as [Size, Size];
    const [x, y, widthPx, heightPx] = place;
    const fitted = new Letterbox(source, size).fit(slopes(source.widthPx, source.heightPx));
    assert.deepEqual([fitted.widthPx, fitted.heightPx], [...to]);
    assert.ok(
      worst(fitted.data, size, { x, y, widthPx, heightPx }) < 4,
      `${from.join('x')} to ${to.join('x')}`,
    );
    const outside = [...fitted.data.subarray(0, size.widthPx * size.heightPx)].filter((_, at) => {
      const [px, py] = [at % size.widthPx, Math.floor(at / size.widthPx)];
      return px < x || px >= x + widthPx || py < y || py >= y + heightPx;
    });
    assert.ok(outside.length > 0 && outside.every((value) => value === 16), 'black bars');
    const corner = fitted.data[size.widthPx * size.heightPx]!;
    assert.equal(corner, 128, 'without a colour');
  }
});

test('its sizes may be those of an object with getters, as an avatar is', () => {
  class Opened {
    get widthPx(): number {
      return 64;
    }
    get heightPx(): number {
      return 64;
    }
  }
  const fitted = new Letterbox(new Opened(), { widthPx: 64, heightPx: 128 }).fit(slopes(64, 64));
  assert.ok(fitted.data[64 * 95 + 63]! > fitted.data[64 * 32]! + 150, 'the slope is there');
});

test('nearly the same shape fills the picture, and loses a little of its sides instead', () => {
  const fitted = new Letterbox({ widthPx: 100, heightPx: 104 }, { widthPx: 200, heightPx: 200 }).fit(
    slopes(100, 104),
  );
  const luma = fitted.data.subarray(0, 40_000);
  assert.ok(!luma.includes(16), 'no bars');
  assert.ok(Math.abs(luma[0]! - 22) < 3 && Math.abs(luma[39_999]! - 218) < 3);
});

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}
