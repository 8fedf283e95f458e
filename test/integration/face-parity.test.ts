/**
 * The converted models against the package they come from, running as it was made to run: in a browser. Both sides
 * detect, place the square and find the landmarks on their own; distances are in pixels of the 192 x 192 square.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { OnnxModel } from '../../src/adapters/onnx.js';
import { FaceDetector, chooseFace } from '../../src/face/face-detector.js';
import { MESH_INPUT_PX, MeshRunner } from '../../src/face/mesh-runner.js';
import { readTflite } from '../../src/face/convert/tflite-reader.js';
import { tfliteToOnnx } from '../../src/face/convert/tflite-to-onnx.js';
import { cropSquare } from '../../src/face/image-crop.js';
import type { SquareRoi } from '../../src/face/image-crop.js';
import { FACE_MODELS, ensureFaceModels, readPackedAssets } from '../../src/face/models.js';
import { roiFromDetection } from '../../src/face/roi.js';
import { silentLog } from '../../src/lib/log.js';
import type { RgbImage } from '../../src/media/frame.js';
import { readPictures, readPng, testDataDir, testFfmpegPath } from '../helpers/face-media.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const dataDir = testDataDir();
const ffmpeg = testFfmpegPath();
const skip = !CHROMIUM ? 'no Chromium' : !dataDir ? 'no test media' : !ffmpeg ? 'no ffmpeg for tests' : false;

const PICTURES = [
  // Cut off at the forehead: part of the square lies outside the picture.
  { name: 'man', file: 'portraits/man.png', filter: 'crop=1024:700:0:330' },
  { name: 'monalisa', file: 'portraits/monalisa.png', filter: 'format=rgb24,rotate=0.3:c=gray' },
  { name: 'sun', file: 'video/sun.mp4', filter: 'null' },
];

/**
 * The package's own landmarks: x y z, x and z over the picture's width, y over its height. The page is loaded anew for
 * each picture, for the package carries something over from one size of picture to the next.
 */
async function landmarksInBrowser(page: Page, picture: string): Promise<number[]> {
  await page.reload();
  return page.evaluate(async (name) => {
    const scope = globalThis as unknown as { findFace(url: string): Promise<number[]> };
    return scope.findFace(name);
  }, `/picture/${picture}`);
}

const PAGE = `<!doctype html><script src="/package/face_mesh.js"></script><script>
const mesh = new FaceMesh({ locateFile: (file) => '/package/' + file });
mesh.setOptions({ staticImageMode: true, maxNumFaces: 1, refineLandmarks: true });
let answer;
mesh.onResults((results) => answer((results.multiFaceLandmarks[0] || []).flatMap((p) => [p.x, p.y, p.z])));
globalThis.findFace = async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext('2d').drawImage(image, 0, 0);
  const result = new Promise((resolve) => (answer = resolve));
  await mesh.send({ image: canvas });
  return result;
};
</script>`;

const CONTENT_TYPES: Readonly<Record<string, string>> = { js: 'text/javascript', wasm: 'application/wasm' };

describe('converted face models against @mediapipe/face_mesh in a browser', { skip }, () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let modelsDir: string;
  let detector: FaceDetector;
  let mesh: MeshRunner;
  let eyes: EyeModel;

  before(async () => {
    const packageDir = dirname(createRequire(import.meta.url).resolve('@mediapipe/face_mesh/package.json'));
    server = createServer((request, response) => {
      void (async () => {
        const path = new URL(request.url ?? '/', 'http://localhost').pathname;
        const name = basename(path);
        if (path === '/') return response.setHeader('content-type', 'text/html').end(PAGE);
        const picture = PICTURES.find((candidate) => candidate.name === name);
        if (picture)
          return response.end(await readPng(ffmpeg!, join(dataDir!, picture.file), picture.filter));
        const bytes = await readFile(join(packageDir, name)).catch(() => undefined);
        if (!bytes) return response.writeHead(404).end();
        const type = CONTENT_TYPES[name.split('.').at(-1) ?? ''];
        return response.setHeader('content-type', type ?? 'application/octet-stream').end(bytes);
      })();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    browser = await chromium.launch({
      executablePath: CHROMIUM!,
      args: [
        '--no-sandbox',
        '--use-angle=swiftshader',
        '--enable-unsafe-swiftshader',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    modelsDir = await mkdtemp(join(tmpdir(), 'face-parity-'));
    const paths = await ensureFaceModels(modelsDir, silentLog);
    detector = await FaceDetector.create(paths.detectorPath);
    mesh = await MeshRunner.create(paths.meshPath);
    eyes = await EyeModel.create(modelsDir);
  });

  after(async () => {
    await browser?.close();
    server?.close();
    await detector?.close();
    await mesh?.close();
    await eyes?.close();
    if (modelsDir) await rm(modelsDir, { recursive: true });
  });

  for (const picture of PICTURES) {
    test(`${picture.name}: landmarks agree within one pixel of the square`, async (context) => {
      const expected = await landmarksInBrowser(page, picture.name);
      assert.equal(expected.length, 478 * 3, 'the package finds the face');
      const [image] = await readPictures(ffmpeg!, join(dataDir!, picture.file), 1, picture.filter);
      const face = chooseFace(await detector.detect(image!));
      assert.ok(face, 'our detector finds the face');
      const roi = roiFromDetection(face.box, face.leftEye, face.rightEye);
      const { landmarks } = await mesh.run(image!, roi);

      await eyes.refine(image!, roi, landmarks);

      const unit = MESH_INPUT_PX / roi.sidePx;
      const distances = Array.from({ length: 468 }, (_, i) => {
        const dx = landmarks[i * 3]! - expected[i * 3]! * image!.widthPx;
        const dy = landmarks[i * 3 + 1]! - expected[i * 3 + 1]! * image!.heightPx;
        return Math.hypot(dx, dy) * unit;
      });
      // The package settles the depth of the eyes in another way; the nose's stands for the mesh's scale of depth.
      const depth = Math.abs(landmarks[1 * 3 + 2]! - expected[1 * 3 + 2]! * image!.widthPx) * unit;
      const mean = distances.reduce((sum, value) => sum + value, 0) / distances.length;
      const max = Math.max(...distances);
      context.diagnostic(
        `mean ${mean.toFixed(3)} px, max ${max.toFixed(3)} px, depth ${depth.toFixed(3)} px`,
      );
      assert.ok(max < 1, `the worst point is ${max} px off`);
      assert.ok(mean < 0.25, `the points are ${mean} px off on average`);
      assert.ok(depth < 1, `the nose is ${depth} px off in depth`);
    });
  }
});

/**
 * The same source converted with its eye outputs, which the product cuts away and the package uses: with them every
 * one of the 468 points can be compared, and the converter proves itself on the whole graph.
 */
class EyeModel {
  readonly #model: OnnxModel;
  readonly #indices: { left: number[]; right: number[] };

  private constructor(model: OnnxModel, indices: { left: number[]; right: number[] }) {
    this.#model = model;
    this.#indices = indices;
  }

  static async create(dir: string): Promise<EyeModel> {
    const packed = await readPackedAssets();
    const source = packed.subarray(FACE_MODELS.mesh.start, FACE_MODELS.mesh.end);
    const outputs = { output_left_eye: 'left', output_right_eye: 'right' };
    const path = join(dir, 'eyes.onnx');
    await writeFile(path, tfliteToOnnx(source, { graphName: 'eyes', inputName: 'image', outputs }));
    // Each part of the graph is cut out around the points that it refines: lips, left eye, right eye.
    const subsets = readTflite(source)
      .operators.filter((operator) => operator.customName === 'Landmarks2TransformMatrix')
      .map((operator) => operator.customOptions['subset_idxs'] as number[]);
    return new EyeModel(await OnnxModel.load(path), { left: subsets[1]!, right: subsets[2]! });
  }

  async refine(image: RgbImage, roi: SquareRoi, landmarks: Float32Array): Promise<void> {
    const size = MESH_INPUT_PX;
    const input = new Float32Array(3 * size * size);
    cropSquare(image, roi, size, { low: 0, high: 1, outside: 'edge' }, input);
    const results = await this.#model.run({ image: { data: input, dims: [1, 3, size, size] } });
    const cos = (Math.cos(roi.angleRad) * roi.sidePx) / size;
    const sin = (Math.sin(roi.angleRad) * roi.sidePx) / size;
    for (const side of ['left', 'right'] as const) {
      this.#indices[side].forEach((index, k) => {
        const x = results[side]!.data[2 * k]! - size / 2;
        const y = results[side]!.data[2 * k + 1]! - size / 2;
        landmarks[index * 3] = roi.centreX + cos * x - sin * y;
        landmarks[index * 3 + 1] = roi.centreY + sin * x + cos * y;
      });
    }
  }

  close(): Promise<void> {
    return this.#model.close();
  }
}
