import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RgbConverter } from '../../../src/avatar/i420-to-rgb.js';

// Y, Cb, Cr of BT.601 limited range and the colour that they stand for.
const KNOWN: [string, [number, number, number], [number, number, number]][] = [
  ['black', [16, 128, 128], [0, 0, 0]],
  ['white', [235, 128, 128], [255, 255, 255]],
  ['red', [81, 90, 240], [255, 0, 0]],
  ['green', [145, 54, 34], [0, 255, 0]],
  ['blue', [41, 240, 110], [0, 0, 255]],
  ['blacker than black', [0, 128, 128], [0, 0, 0]],
  ['whiter than white', [255, 128, 128], [255, 255, 255]],
];

for (const [name, [y, u, v], rgb] of KNOWN) {
  it(`knows ${name}`, () => {
    const data = Uint8Array.from([...Array<number>(8).fill(y), u, u, v, v]);
    const image = new RgbConverter().convert({ widthPx: 4, heightPx: 2, data });
    assert.equal(image.data.length, 24);
    for (let at = 0; at < 24; at++)
      assert.ok(
        Math.abs((image.data[at] as number) - (rgb[at % 3] as number)) <= 2,
        `${at}: ${image.data[at]}`,
      );
  });
}

it('gives each pixel its own light and each square of four its colour', () => {
  const data = Uint8Array.from([16, 235, 16, 16, 16, 16, 16, 81, 128, 90, 128, 240]);
  const { data: rgb } = new RgbConverter().convert({ widthPx: 4, heightPx: 2, data });
  assert.deepEqual([...rgb.subarray(3, 6)], [255, 255, 255]);
  assert.ok((rgb[21] as number) > 250 && (rgb[22] as number) < 5 && (rgb[23] as number) < 5);
});
