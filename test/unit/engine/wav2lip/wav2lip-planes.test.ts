import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wav2LipPreparer } from '../../../../src/engine/wav2lip/wav2lip-planes.js';

test('preparation gives planes of 0..1 in the order asked for, without a network', async () => {
  const crop = {
    widthPx: 2,
    heightPx: 2,
    data: Uint8Array.from([255, 0, 51, 0, 255, 51, 0, 0, 51, 255, 255, 51]),
  };
  const [red, green, blue] = [
    [1, 0, 0, 1],
    [0, 1, 0, 1],
    [0.2, 0.2, 0.2, 0.2],
  ];
  for (const [channelOrder, planes] of [
    ['rgb', [red, green, blue]],
    ['bgr', [blue, green, red]],
  ] as const) {
    const preparer = wav2LipPreparer({ faceSidePx: 2, channelOrder });
    assert.deepEqual([preparer.faceSidePx, preparer.inputValues], [2, 12]);
    const [input] = await preparer.prepare([crop]);
    assert.deepEqual(input, Float32Array.from(planes.flatMap((plane) => plane!)));
    await assert.rejects(preparer.prepare([{ ...crop, widthPx: 4, heightPx: 1 }]), {
      code: 'internal',
      message: /4x1 pixels, not 2x2/,
    });
  }
});
