import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { i420SizeBytes } from '../../src/media/frame.js';
import { idleIndex } from '../../src/media/idle-index.js';
import { StubEngine } from '../helpers/stub-engine.js';
import { syntheticAvatar } from '../helpers/synthetic-avatar.js';
import { syntheticLandmarks } from '../helpers/synthetic-face.js';

/** The MuseTalk engine on stand-in networks in silence: no inference, the footage itself, and a soft way in and out. */

const [widthPx, heightPx, FRAMES] = [256, 256, 3];
const PIECE = 320;

interface Shown {
  /** Nothing differs from the footage. */
  readonly same: boolean;
  /** By how much a place of the mask with full alpha is brighter. */
  readonly luma: number;
  /** Values that differ where the mask has no alpha. */
  readonly outside: number;
  readonly calls: number;
}

/** Each picture's background has another brightness; the face is dark. */
const avatar = syntheticAvatar({
  widthPx,
  heightPx,
  landmarks: Array.from({ length: FRAMES }, () => syntheticLandmarks(128, 110, 60)),
  paint: (index, rgb) => rgb.fill(30).fill(100 + 20 * index, 0, widthPx * 20 * 3),
});
const footage = Array.from({ length: FRAMES }, (_, index) => {
  const picture = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  avatar.readFrame(index, picture);
  return picture;
});

function noise(ms: number, levelDb: number): Float32Array {
  let state = 7;
  const next = () => (state = (Math.imul(1664525, state) + 1013904223) >>> 0) / 2 ** 32;
  // The sum of twelve is nearly Gaussian, with a deviation of 1.
  return Float32Array.from({ length: ms * 16 }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += next();
    return sum * 10 ** (levelDb / 20);
  });
}

/** A buzz in syllables of 200 ms. */
const voice = (ms: number) =>
  Float32Array.from({ length: ms * 16 }, (_, i) => {
    const s = i / 16_000;
    let buzz = 0;
    for (let k = 1; k <= 12; k++) buzz += Math.sin(2 * Math.PI * 140 * k * s) / k;
    return 0.08 * buzz * Math.max(0.1, Math.sin(Math.PI * s * 5) ** 2);
  });

function joined(...parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

describe('silence', () => {
  let stub: StubEngine;
  before(async () => {
    stub = await StubEngine.open();
    await stub.prepare(avatar);
  });
  after(() => stub?.close());

  /** Every picture of the sound, as a session would push it, each with what it differs from the footage in. */
  async function play(pcm: Float32Array): Promise<Shown[]> {
    const { mask } = (await stub.prepare(avatar))[0]!;
    const alphaAt = (x: number, y: number): number => {
      const { x1, y1, x2, y2 } = mask.area;
      return x < x1 || x >= x2 || y < y1 || y >= y2 ? 0 : mask.alpha[(y - y1) * (x2 - x1) + x - x1]!;
    };
    const full = { x: 0, y: 0 };
    for (let y = 0; y < heightPx; y++)
      for (let x = 0; x < widthPx; x++) if (alphaAt(x, y) === 255) [full.x, full.y] = [x, y];
    const stream = await stub.engine.open(avatar, { fps: 25 });
    const pictures: Shown[] = [];
    try {
      for (let at = 0; at < pcm.length; at += PIECE) {
        for await (const { data } of stream.push(pcm.slice(at, at + PIECE))) {
          const own = footage[idleIndex(pictures.length, FRAMES)]!;
          let outside = 0;
          for (let y = 0; y < heightPx; y++)
            for (let x = 0; x < widthPx; x++)
              if (alphaAt(x, y) === 0 && data[y * widthPx + x] !== own[y * widthPx + x]) outside += 1;
          // Chroma is shared by four pixels.
          const chroma = widthPx * heightPx;
          for (let i = 0; i < chroma / 2; i++) {
            const [x, y] = [2 * (i % (widthPx / 2)), 2 * Math.floor((i % (chroma / 4)) / (widthPx / 2))];
            const untouched =
              alphaAt(x, y) + alphaAt(x + 1, y) + alphaAt(x, y + 1) + alphaAt(x + 1, y + 1) === 0;
            if (untouched && data[chroma + i] !== own[chroma + i]) outside += 1;
          }
          const place = full.y * widthPx + full.x;
          pictures.push({
            same: Buffer.compare(data, own) === 0,
            luma: data[place]! - own[place]!,
            outside,
            calls: stub.calls.faces + stub.calls.hear,
          });
        }
      }
    } finally {
      await stream.close();
    }
    return pictures;
  }

  const counted = async <T>(work: () => Promise<T>): Promise<{ result: T; hear: number; faces: number }> => {
    const { hear, faces } = stub.calls;
    const result = await work();
    return { result, hear: stub.calls.hear - hear, faces: stub.calls.faces - faces };
  };

  it('digital: no network is asked, and every picture is the footage, bit for bit', async () => {
    const { result, hear, faces } = await counted(() => play(new Float32Array(8 * 16_000)));
    assert.deepEqual([hear, faces], [0, 0]);
    assert.ok(result.length > 180, `${result.length} pictures`);
    assert.ok(result.every(({ same }) => same));
  });

  it('of a room: after it has been known for two seconds, the same', async () => {
    const pictures = await play(noise(12_000, -55));
    const later = pictures.slice(50);
    assert.ok(later.length > 200);
    assert.ok(later.every(({ same }) => same));
    assert.equal(later.at(-1)!.calls, later[0]!.calls, 'nothing was asked either');
  });

  it('ends and begins again softly: four steps inside the mask only, after a hang-over', async () => {
    const [fromMs, lastsMs] = [1000, 1500];
    const pcm = joined(new Float32Array(fromMs * 16), voice(lastsMs), new Float32Array(3000 * 16));
    const { result: pictures, faces } = await counted(() => play(pcm));
    assert.ok(
      pictures.every(({ outside }) => outside === 0),
      'nothing outside the mask',
    );
    const whole = Math.max(...pictures.map(({ luma }) => Math.abs(luma)));
    assert.ok(whole > 20, `a generated mouth differs by ${whole}`);
    const strengths = pictures.map(({ luma }) => Math.round((Math.abs(luma) / whole) * 20) / 20);
    const first = strengths.findIndex((strength) => strength > 0);
    const last = strengths.findLastIndex((strength) => strength > 0);
    assert.deepEqual(strengths.slice(first, first + 5), [0.25, 0.5, 0.75, 1, 1], 'fading in');
    assert.deepEqual(strengths.slice(last - 3, last + 2), [1, 0.75, 0.5, 0.25, 0], 'fading out');
    assert.ok(strengths.slice(first + 3, last - 2).every((strength) => strength === 1));
    // From 120 ms before the onset until 250 ms after the end, then the fade.
    const [onset, end] = [fromMs / 40, (fromMs + lastsMs) / 40];
    assert.ok(first >= onset - 4 && first <= onset - 1, `begins at picture ${first}, sound at ${onset}`);
    assert.ok(last >= end + 5 && last <= end + 10, `ends at picture ${last}, sound at ${end}`);
    // Only what is shown was drawn.
    assert.equal(faces, last - first + 1);
  });
});
