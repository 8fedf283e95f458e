import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { after, before, describe, it } from 'node:test';
import type { EngineStream } from '../../src/engine/engine.js';
import { loudnessUnet } from '../helpers/paint-unet.js';
import { StubEngine } from '../helpers/stub-engine.js';
import { syntheticAvatar } from '../helpers/synthetic-avatar.js';
import { syntheticLandmarks } from '../helpers/synthetic-face.js';

/**
 * Which pictures a sound moves, through the whole engine: a burst in a low voice changes exactly the pictures whose
 * window of sound holds it. With rows of 20 ms, picture i hears rows 2i - 4 to 2i + 5 (MuseTalk reference).
 */

const [widthPx, heightPx] = [256, 256];
const RATE_HZ = 16_000;
const FPS = 25;
const BURST_ROWS = { from: 150, to: 160 };
const FIRST_PICTURE = Math.ceil((BURST_ROWS.from - 5) / 2);
const LAST_PICTURE = Math.floor((BURST_ROWS.to - 1 + 4) / 2);

const avatar = syntheticAvatar({
  widthPx,
  heightPx,
  landmarks: [0, 1].map(() => syntheticLandmarks(128, 110, 60)),
  paint: (_index, rgb) => rgb.fill(90),
});

/** Five seconds of a voice that is loud enough to be speech, and a burst of noise in it. */
const sound = Float32Array.from({ length: 5 * RATE_HZ }, (_, i) => {
  const row = Math.floor(i / 320);
  const burst = row >= BURST_ROWS.from && row < BURST_ROWS.to;
  const noise = ((Math.imul(i + 1, 2654435761) >>> 0) / 2 ** 31 - 1) * 0.7;
  return burst ? noise : 0.05 * Math.sin((2 * Math.PI * 200 * i) / RATE_HZ + Math.sin(i / 50));
});

describe('lips and sound', () => {
  let stub: StubEngine;
  let place: number;
  before(async () => {
    stub = await StubEngine.open({ files: { 'unet.onnx': loudnessUnet() } });
    const { mask } = (await stub.prepare(avatar))[0]!;
    const full = mask.alpha.indexOf(255);
    const { x1, y1, x2 } = mask.area;
    place = (y1 + Math.floor(full / (x2 - x1))) * widthPx + x1 + (full % (x2 - x1));
  });
  after(() => stub?.close());

  /** Luma of one point of the mouth in every picture, the sound pushed as a session does. */
  async function lumas(stream: EngineStream): Promise<number[]> {
    const seen: number[] = [];
    const padded = new Float32Array(sound.length + 2 * RATE_HZ);
    padded.set(sound);
    for (let at = 0; at < padded.length; at += 320)
      for await (const { data } of stream.push(padded.slice(at, at + 320))) seen.push(data[place]!);
    return seen;
  }

  function assertBurst(seen: readonly number[]): void {
    // A live ear lifts quiet sound a little once something loud is within its 30 s, as the feature extractor does.
    const quiet = Math.max(seen[60]!, seen[100]!);
    const moved = seen.flatMap((luma, index) =>
      luma > quiet + 3 && index > 40 && index < 110 ? [index] : [],
    );
    assert.deepEqual([moved[0], moved.at(-1)], [FIRST_PICTURE, LAST_PICTURE], `of ${seen.join(' ')}`);
  }

  it('live: the burst moves the pictures that hear it, and no other', async () => {
    const stream = await stub.engine.open(avatar, { fps: FPS });
    try {
      assertBurst(await lumas(stream));
    } finally {
      await stream.close();
    }
  });

  it('rendered before it plays: the same pictures', async () => {
    const take = await stub.engine.rehearse(avatar, sound, { fps: FPS, folder: tmpdir() });
    const stream = await stub.engine.open(avatar, { fps: FPS });
    try {
      stream.cue?.(take, 0);
      assertBurst(await lumas(stream));
    } finally {
      await stream.close();
    }
  });
});
