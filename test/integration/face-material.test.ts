import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { OnnxModel } from '../../src/adapters/onnx.js';
import { faceMask, faceSquare, labelsFrom, toAlphaMask } from '../../src/compositor/face-mask.js';
import { resizeLanczos4 } from '../../src/compositor/resize-opencv.js';
import { DEFAULT_FACE_PARAMETERS } from '../../src/engine/faces/face-material.js';
import { prepareMaterial } from '../../src/engine/faces/prepare-material.js';
import type { PreparedPicture, PrepareMaterialOptions } from '../../src/engine/faces/prepare-material.js';
import { loadFaceModels } from '../../src/face/load-face-models.js';
import type { FaceModels } from '../../src/face/load-face-models.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes } from '../../src/media/frame.js';
import type { Landmarks, RgbImage } from '../../src/media/frame.js';
import { i420ToRgb } from '../../src/media/yuv.js';
import { readPictures, testFfmpegPath } from '../helpers/face-media.js';
import { sharedFile, temporaryFolder } from '../helpers/media.js';
import { syntheticAvatar } from '../helpers/synthetic-avatar.js';
import { syntheticLandmarks } from '../helpers/synthetic-face.js';

const STUBS = 'test/fixtures/musetalk/stubs';
const PX = 256;
const sun = sharedFile('video/sun.mp4');
const ffmpeg = testFfmpegPath();

/** The stand-in networks answer the same for every picture: a face of box (540, 194, 740, 458) at 1280x720. */
const BOX = { x1: 540, y1: 194, x2: 740, y2: 458 };

describe('face material with stand-in networks', () => {
  let models: FaceModels;
  let encoder: OnnxModel;

  before(async () => {
    models = await loadFaceModels(STUBS, { flipTest: false });
    encoder = await OnnxModel.load(`${STUBS}/vae_encoder.onnx`);
  });
  after(async () => {
    await models?.close();
    await encoder?.close();
  });

  /** Whole crops through the encoder: 4 x 32 x 32 latents. */
  async function latentsOf(crops: readonly RgbImage[]): Promise<Float32Array[]> {
    const values = 3 * PX * PX;
    const data = new Float32Array(crops.length * values);
    crops.forEach((crop, k) => {
      for (let i = 0; i < PX * PX; i++) {
        for (let c = 0; c < 3; c++) data[k * values + c * PX * PX + i] = crop.data[i * 3 + c]! / 127.5 - 1;
      }
    });
    const { latents } = await encoder.run({ image: { data, dims: [crops.length, 3, PX, PX] } });
    return crops.map((_, k) => latents!.data.slice(k * 4096, (k + 1) * 4096));
  }

  const family: PrepareMaterialOptions['family'] = {
    name: 'musetalk',
    faceSidePx: PX,
    inputValues: 4096,
    prepare: latentsOf,
  };

  it('finds the golden box in every picture, masks it by the parsed labels and encodes its pixels', async () => {
    const avatar = syntheticAvatar({
      widthPx: 1280,
      heightPx: 720,
      landmarks: Array.from({ length: 3 }, () => syntheticLandmarks(640, 310, 130)),
      paint(index, rgb) {
        for (let i = 0; i < 1280 * 720; i++) {
          rgb[i * 3] = (i % 1280) / 5;
          rgb[i * 3 + 1] = i / 1280 / 3;
          rgb[i * 3 + 2] = 40 * index;
        }
      },
    });
    const pictures: PreparedPicture[] = [];
    const summary = await prepareMaterial({
      avatar,
      family,
      ...models,
      parameters: DEFAULT_FACE_PARAMETERS,
      sink: { add: (picture) => Promise.resolve(void pictures.push(picture)) },
      log: silentLog,
    });

    assert.deepEqual([summary.landmarks, summary.masks, summary.heldCount], ['dwpose', 'parsing', 0]);
    assert.ok(summary.meshDifferencePx);
    assert.deepEqual(
      pictures.map(({ box }) => box),
      Array.from({ length: 3 }, () => BOX),
    );

    const square = faceSquare(BOX);
    const labels = labelsFrom(await models.parser!(new Float32Array(3 * 512 * 512)));
    const { parsingMode: mode, leftCheekWidthPx, rightCheekWidthPx } = DEFAULT_FACE_PARAMETERS;
    const expected = toAlphaMask(
      faceMask({ labels, box: BOX, square, mode, leftCheekWidthPx, rightCheekWidthPx }),
      square,
      avatar,
    );
    for (const { mask } of pictures) assert.deepEqual(mask, expected);

    const i420 = new Uint8Array(i420SizeBytes(1280, 720));
    const rgb = new Uint8Array(1280 * 720 * 3);
    for (const [k, { input }] of pictures.entries()) {
      avatar.readFrame(k, i420);
      i420ToRgb(i420, 1280, 720, rgb);
      const crop = new Uint8Array(200 * 264 * 3);
      for (let y = 0; y < 264; y++) {
        crop.set(rgb.subarray(((194 + y) * 1280 + 540) * 3, ((194 + y) * 1280 + 740) * 3), y * 600);
      }
      const [latents] = await latentsOf([
        resizeLanczos4({ widthPx: 200, heightPx: 264, data: crop }, PX, PX),
      ]);
      assert.deepEqual(input, latents);
    }
  });

  it(
    'boxes and masks a real face by its mesh alone',
    { skip: sun && ffmpeg ? false : 'no test media' },
    async (t) => {
      const frames = await readPictures(ffmpeg!, sun!, 3);
      const tracker = await FaceTracker.create(await ensureFaceModels(await temporaryFolder(t), silentLog));
      const landmarks: Landmarks[] = [];
      for (const frame of frames) landmarks.push((await tracker.track(frame)).face!.landmarks);
      await tracker.close();
      const avatar = syntheticAvatar({
        widthPx: frames[0]!.widthPx,
        heightPx: frames[0]!.heightPx,
        landmarks,
        paint: (index, rgb) => rgb.set(frames[index]!.data),
      });
      const pictures: PreparedPicture[] = [];
      await prepareMaterial({
        avatar,
        family,
        parameters: DEFAULT_FACE_PARAMETERS,
        sink: { add: (picture) => Promise.resolve(void pictures.push(picture)) },
        log: silentLog,
      });
      pictures.forEach(({ box, mask }, k) => {
        const x = (point: number): number => landmarks[k]![point * 3]!;
        const y = (point: number): number => landmarks[k]![point * 3 + 1]!;
        // Both eyes and the whole mouth are in it, the chin a margin above its lower edge, the eyes in its upper half.
        assert.ok(box.x1 < x(33) && x(263) < box.x2);
        assert.ok(Math.abs(box.y2 - 10 - y(152)) < 3, `chin at ${y(152)}, box to ${box.y2}`);
        const middle = (box.y1 + box.y2) / 2;
        assert.ok(box.y1 < y(105) && y(145) < middle && middle < y(2), 'brow, lower lid, middle, nose base');
        const alphaAt = (point: number): number => {
          const { x1, y1, x2 } = mask.area;
          return mask.alpha[(Math.round(y(point)) - y1) * (x2 - x1) + Math.round(x(point)) - x1] ?? 0;
        };
        for (const lip of [13, 14, 17, 61, 291]) assert.equal(alphaAt(lip), 255, `point ${lip} of the mouth`);
        assert.ok(mask.area.y1 > y(145), 'the eyes keep their own pixels');
      });
    },
  );

  it('has the stand-in graphs that the golden box was made with', () => {
    const goldens = JSON.parse(readFileSync(`${STUBS}/stub-goldens.json`, 'utf8')) as {
      landmarks_1280x720: { box_v15_margin10: number[] };
    };
    assert.deepEqual(goldens.landmarks_1280x720.box_v15_margin10, Object.values(BOX));
  });
});
