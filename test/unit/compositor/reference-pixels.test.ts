import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blendFaceRgb } from '../../../src/compositor/face-blender.js';
import { faceMask, faceSquare, parsingInput, toAlphaMask } from '../../../src/compositor/face-mask.js';
import { gaussianBlur } from '../../../src/compositor/gaussian-blur.js';
import { resizeLanczos4, resizeLinear } from '../../../src/compositor/resize-opencv.js';
import { pillowResize } from '../../../src/compositor/resize-pillow.js';
import { goldenLabels, lcgBytes, lcgImage, sha256 } from '../../helpers/lcg.js';

/**
 * What the goldens leave out, made with the OpenCV that the reference pins (4.9.0.80) and Pillow 12.3.0, NumPy in
 * single precision: whole ratios, extreme shapes, large kernels on noise, boxes that leave the picture.
 */

type Size = readonly [number, number];

const LANCZOS: readonly { from: Size; to: Size; hash: string }[] = [
  {
    from: [1024, 512],
    to: [256, 256],
    hash: '878f0c0cfa06cdc7ac09254a72541dc1861bac04ca5d268b72bfa578064f4700',
  },
  {
    from: [200, 100],
    to: [256, 256],
    hash: '237edc052ff0a1dccce18f2d0aed50e418b39e3f34beae40201278bfe12135ff',
  },
];

const LINEAR: readonly { from: Size; to: Size; hash: string }[] = [
  {
    from: [256, 256],
    to: [128, 128],
    hash: 'e7619787ef87be6a7d65154aaa636cecd147482799e6d1b5e5e2752194425c03',
  },
  {
    from: [256, 256],
    to: [512, 512],
    hash: 'b6cdd70ba0b2acfefdee768c87da0b3f2612a48bf76fb027751ce507d2e52c36',
  },
  {
    from: [256, 256],
    to: [61, 700],
    hash: '7cc97502c959ffaad4c86b08ae5a9dd327de321de515c2fc7f9154466c48f4ec',
  },
  { from: [3, 2], to: [50, 40], hash: '0297b48bfb09766ec753edad0e00055176ea98e52c4919d26508e1b564c00c36' },
];

const BLUR: readonly { size: Size; kernel: number; hash: string }[] = [
  { size: [40, 30], kernel: 21, hash: '7bf5f0ec5e48b595a4747b340fba91f48405fbb8fe9ef8886a9a4b0b25fb6132' },
  { size: [97, 150], kernel: 139, hash: '9897cf1c6708f583eead2485918d29af223b16ec0bbac45fdd8db8add6a580cb' },
];

const BICUBIC = [
  { side: 37, hash: '649d74d35d59d8c42ed1a1e91ab18acb2cb5967d2c61f0a9539a6511275d0dff' },
  { side: 314, hash: 'bc985c399448079cf97f66fe28b71d602ed9d3804043cfab04eccc5ff4ffebd6' },
  { side: 1300, hash: '16c4353f43f67f5309fbc406dc36f42abe81e0f2e18a4048108ab3a050236523' },
] as const;

/** The frame is noise 9 of 640 x 360, the face noise 3; `seen` is of the parsing input's bytes. */
const FACES = [
  {
    box: [-35, -61, 110, 121],
    mode: 'neck',
    mask: 'f05e1ff4830208f6bbde3d096f9ceb9a4aaa5772831339444902c090d1ff56f8',
    blend: '8e45e22729c97a77b40771d691620842f1a8e7cdd27ead29bd4dc963b15a4605',
    seen: '108b72a08af41b126fb9249d4f7356b368c3a04a32b4ef72a8d9cfb7bf785e20',
  },
  {
    box: [-35, -61, 110, 121],
    mode: 'jaw',
    mask: 'd1109b82d3c39a76437fd32922d0277d7553cc63e942124e4880a3bc119d9b3d',
    blend: '1ff03807ff69072fd38758144d25a7d0e821d4fb4f3df1c5e5cc265e6f385480',
    seen: '108b72a08af41b126fb9249d4f7356b368c3a04a32b4ef72a8d9cfb7bf785e20',
  },
  {
    box: [560, 100, 703, 290],
    mode: 'neck',
    mask: 'f782fe1b08c9d7e8bc01770939c55e74243bba278cf85973e871b1a1e27b8b2f',
    blend: '4b75685ba613ba9d5af60c162297b1bdfba5546e6a929ecc2819419b2075b5a2',
    seen: '3b0a1f1e3c9b09da7f94dbb78cc655ea93b267dd6a47ada17068f0265118441c',
  },
  {
    box: [560, 100, 703, 290],
    mode: 'jaw',
    mask: '4ea146b4253ebd1b268a6574627c07d6c52f1cf186ed0a314d2601f4ed803f15',
    blend: 'd7acac0f645c9387720d43e4dd7ed1526a97257a6ec80a7cc86c5de65f95a145',
    seen: '3b0a1f1e3c9b09da7f94dbb78cc655ea93b267dd6a47ada17068f0265118441c',
  },
  {
    box: [300, 220, 431, 415],
    mode: 'neck',
    mask: '5ca229f012bc1e93390273459ed61ff71deced6d09f234f7642535889e224c5c',
    blend: '78fc376e8c124bd497ef09f4302d2f7c00e6223540efe59ac9501680fd41f45d',
    seen: '64a046224deb93db85493852beb51e947407462f09691f6a2e3baf9c21786827',
  },
  {
    box: [300, 220, 431, 415],
    mode: 'jaw',
    mask: '85c30e002216fb26beadec5e61f6f603869704f19443ba5656d0147cbd90b3fa',
    blend: '2ce84cbe4389aa66cd9391beda32b8b60eb026eee0e83f59295c73503304b975',
    seen: '64a046224deb93db85493852beb51e947407462f09691f6a2e3baf9c21786827',
  },
] as const;

for (const { from, to, hash } of LANCZOS) {
  test(`Lanczos from ${from.join(' x ')} to ${to.join(' x ')} equals OpenCV 4.9`, () => {
    assert.equal(sha256(resizeLanczos4(lcgImage(31, ...from), ...to).data), hash);
  });
}

for (const { from, to, hash } of LINEAR) {
  test(`linear from ${from.join(' x ')} to ${to.join(' x ')} equals OpenCV 4.9`, () => {
    assert.equal(sha256(resizeLinear(lcgImage(32, ...from), ...to).data), hash);
  });
}

for (const { size, kernel, hash } of BLUR) {
  test(`blur of ${size.join(' x ')} noise with a kernel of ${kernel} equals OpenCV 4.9`, () => {
    assert.equal(sha256(gaussianBlur(lcgBytes(33, size[0] * size[1]), ...size, kernel)), hash);
  });
}

for (const { side, hash } of BICUBIC) {
  test(`bicubic from 512 to ${side} equals Pillow`, () => {
    const out = pillowResize(lcgBytes(34, 512 * 512), 1, 512, 512, side, side, 'bicubic');
    assert.equal(sha256(out), hash);
  });
}

for (const golden of FACES) {
  test(`a face with its ${golden.mode} mask in box ${golden.box.join(' ')}, which leaves the picture`, () => {
    const [x1, y1, x2, y2] = golden.box;
    const box = { x1, y1, x2, y2 };
    const square = faceSquare(box);
    const frame = lcgImage(9, 640, 360);
    const seen = parsingInput(frame, square);
    assert.equal(sha256(new Uint8Array(seen.buffer)), golden.seen);
    const mask = faceMask({
      labels: goldenLabels(),
      box,
      square,
      mode: golden.mode,
      leftCheekWidthPx: 90,
      rightCheekWidthPx: 90,
    });
    assert.equal(sha256(mask), golden.mask);
    blendFaceRgb(frame, lcgImage(3, 256, 256), box, toAlphaMask(mask, square, frame));
    assert.equal(sha256(frame.data), golden.blend);
  });
}
