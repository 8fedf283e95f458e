import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { FootageTracker } from '../../src/avatar/prepare.js';
import {
  fillFromNearest,
  importReference,
  type ImportReferenceOptions,
  type MaterialTarget,
  type ReferenceEntry,
} from '../../src/avatar/reference/import-reference.js';
import { AvatarStore } from '../../src/avatar/store.js';
import type { FaceMaterial } from '../../src/engine/faces/face-material.js';
import { silentLog } from '../../src/lib/log.js';
import type { Landmarks } from '../../src/media/frame.js';
import { i420ToRgb } from '../../src/media/yuv.js';
import { syntheticFace, temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { expectedReference, referenceCopy } from '../helpers/reference-folder.js';

const SIDE_PX = 64;

/** A face whose nose tip is at x, y. */
function faceAt(x: number, y: number): Landmarks {
  const points = syntheticFace({ eyesPx: 40, xPx: x });
  const shift = y - points[3 * 1 + 1]!;
  for (let i = 1; i < points.length; i += 3) points[i] = points[i]! + shift;
  return points;
}

function scripted(faces: readonly (Landmarks | undefined)[]): FootageTracker {
  let index = 0;
  return {
    track: () => {
      const landmarks = faces[index++];
      return Promise.resolve({ face: landmarks && { landmarks } });
    },
    reset() {
      index = 0;
    },
  };
}

/** Keeps what it is given. */
class Sink {
  readonly entries: ReferenceEntry[] = [];
  readonly calls: string[] = [];
  target: MaterialTarget | undefined;

  add(entry: ReferenceEntry): void {
    this.entries.push(entry);
  }
  async finish(): Promise<void> {
    this.calls.push('finish');
    await writeFile(path.join(this.target!.folder, 'material'), 'x');
  }
  close(): void {
    this.calls.push('close');
  }
}

async function options(
  folderPath: string,
  avatarsDir: string,
  tracker: FootageTracker,
  sink: Sink,
): Promise<ImportReferenceOptions> {
  return {
    id: 'x',
    folderPath,
    avatarsDir,
    fps: 25,
    ffmpeg: await testFfmpeg(),
    tracker,
    smooth: (frames) => frames,
    openSink(target) {
      sink.target = target;
      return sink;
    },
    log: silentLog,
  };
}

describe('importReference', () => {
  it('makes an avatar of the reference’s own pictures, boxes, masks and latents', async (t) => {
    const folder = await referenceCopy(t);
    const avatarsDir = await temporaryFolder(t);
    const expected = await expectedReference();
    const sink = new Sink();
    const progress: number[] = [];
    const face = faceAt(30, 30);
    const manifest = await importReference({
      ...(await options(folder, avatarsDir, scripted([face, undefined]), sink)),
      onProgress: (fraction) => progress.push(fraction),
    });
    assert.deepEqual(
      [manifest.widthPx, manifest.heightPx, manifest.frameCount, manifest.fps],
      [64, 64, 2, 25],
    );
    assert.equal(manifest.still, false);
    assert.equal(manifest.source.name, 'avator_1');
    assert.equal(manifest.quality.framesWithoutFace, 1);
    assert.deepEqual(progress, [0.97 / 2, 0.97, 1]);

    const store = new AvatarStore(avatarsDir);
    assert.deepEqual(await store.get('x'), manifest);
    assert.deepEqual((await readdir(path.join(avatarsDir, 'x'))).sort(), [
      'frames.i420',
      'landmarks.f32',
      'manifest.json',
      'material',
      'preview.jpg',
    ]);
    const avatar = await store.open('x');
    t.after(() => avatar.close());
    assert.deepEqual([...avatar.landmarks(0)], [...face]);
    assert.deepEqual([...avatar.landmarks(1)], [...face]);
    // The picture's colours by formula (see the fixtures' script), through 4:2:0.
    const picture = new Uint8Array((SIDE_PX * SIDE_PX * 3) / 2);
    const rgb = new Uint8Array(SIDE_PX * SIDE_PX * 3);
    for (const index of [0, 1]) {
      avatar.readFrame(index, picture);
      i420ToRgb(picture, SIDE_PX, SIDE_PX, rgb);
      let off = 0;
      for (let y = 0; y < SIDE_PX; y++)
        for (let x = 0; x < SIDE_PX; x++) {
          const at = (y * SIDE_PX + x) * 3;
          off += Math.abs(rgb[at]! - (40 + index * 60 + ((x + y) % 32)));
          off += Math.abs(rgb[at + 1]! - y * 3) + Math.abs(rgb[at + 2]! - x * 3);
        }
      assert.ok(off / rgb.length < 3, `picture ${index} is off by ${off / rgb.length} levels`);
    }

    assert.deepEqual(sink.calls, ['finish', 'close']);
    assert.deepEqual(
      { ...sink.target, folder: '' },
      {
        folder: '',
        widthPx: SIDE_PX,
        heightPx: SIDE_PX,
        frameCount: 2,
        info: { avatarId: 'avator_1', videoPath: 'data/video/yongen.mp4', bboxShift: 5, version: 'v15' },
      },
    );
    assert.equal(sink.entries.length, 2);
    for (const [index, { box, mask, input }] of sink.entries.entries()) {
      assert.deepEqual([box.x1, box.y1, box.x2, box.y2], expected.boxes[index]);
      assert.equal(
        createHash('sha256').update(new Uint8Array(input.buffer)).digest('hex'),
        expected.latents[index]!.sha256,
      );
      // Both masks end inside of the picture, so nothing of them is lost.
      assert.equal(
        mask.alpha.reduce((sum, value) => sum + value, 0),
        expected.masks[index]!.sum,
      );
      const { area } = mask;
      assert.equal(mask.alpha.length, (area.x2 - area.x1) * (area.y2 - area.y1));
    }
    // What engines read has the same shapes.
    const entry: { box: ReturnType<FaceMaterial['box']>; mask: ReturnType<FaceMaterial['mask']> } =
      sink.entries[0]!;
    assert.ok(entry.mask.area.x1 >= 0 && entry.mask.area.y2 <= SIDE_PX);
  });

  it('does not take another face for the one in the box', async (t) => {
    const folder = await referenceCopy(t);
    const avatarsDir = await temporaryFolder(t);
    const own = faceAt(40, 30);
    await importReference(await options(folder, avatarsDir, scripted([faceAt(3, 3), own]), new Sink()));
    const avatar = await new AvatarStore(avatarsDir).open('x');
    t.after(() => avatar.close());
    assert.deepEqual([...avatar.landmarks(0)], [...own]);
  });

  it('cuts a box that leaves the picture, and refuses one outside', async (t) => {
    const folder = await referenceCopy(t);
    const boxes = (y1: number, y2: number): string =>
      `(${[1, 2, 3, 4].map(() => `(I30\nI${y1}\nI80\nI${y2}\nt`).join('')}l.`;
    const squares = (y1: number): string =>
      `(${[1, 2, 3, 4].map(() => `(I25\nI${y1}\nI85\nI${y1 + 60}\nt`).join('')}l.`;
    await writeFile(path.join(folder, 'coords.pkl'), boxes(20, 70));
    await writeFile(path.join(folder, 'mask_coords.pkl'), squares(15));
    const faces = [1, 2, 3, 4].map(() => faceAt(50, 50));
    const sink = new Sink();
    await importReference(await options(folder, await temporaryFolder(t), scripted(faces), sink));
    assert.deepEqual(sink.entries[0]!.box, { x1: 30, y1: 20, x2: 64, y2: 64 });
    assert.ok(sink.entries[0]!.mask.area.x2 <= SIDE_PX);

    await writeFile(path.join(folder, 'coords.pkl'), boxes(70, 90));
    await writeFile(path.join(folder, 'mask_coords.pkl'), squares(50));
    const avatarsDir = await temporaryFolder(t);
    await assert.rejects(
      importReference(await options(folder, avatarsDir, scripted(faces), sink)),
      /face box of picture 0 lies outside of the picture of 64x64 pixels/,
    );
    assert.deepEqual(await readdir(avatarsDir), []);
  });

  it('leaves nothing behind when it fails or is cancelled', async (t) => {
    const folder = await referenceCopy(t);
    const avatarsDir = await temporaryFolder(t);
    const sink = new Sink();
    await assert.rejects(importReference(await options(folder, avatarsDir, scripted([]), sink)), {
      code: 'no-face',
      message: /in the boxes of the 2 pictures of avator_1/,
    });
    assert.deepEqual(sink.calls, ['close']);
    const abort = new AbortController();
    const tracker: FootageTracker = {
      track: () => {
        abort.abort(new Error('enough'));
        return Promise.resolve({ face: undefined });
      },
      reset() {},
    };
    await assert.rejects(
      importReference({ ...(await options(folder, avatarsDir, tracker, sink)), signal: abort.signal }),
      /enough/,
    );
    await rm(path.join(folder, 'mask/00000001.png'));
    await assert.rejects(importReference(await options(folder, avatarsDir, scripted([]), sink)), {
      code: 'media-undecodable',
    });
    assert.deepEqual(await readdir(avatarsDir), []);
  });
});

describe('fillFromNearest', () => {
  it('takes the nearest, the earlier of two, and nothing from nothing', () => {
    const a = new Float32Array([1]);
    const b = new Float32Array([2]);
    const none = undefined;
    assert.deepEqual(fillFromNearest([none, a, none, none, none, b, none]), [a, a, a, a, b, b, b]);
    assert.deepEqual(fillFromNearest([a, none, none, b]), [a, a, b, b]);
    assert.equal(fillFromNearest([none, none]), undefined);
  });
});
