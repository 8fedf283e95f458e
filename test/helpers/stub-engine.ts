import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadMouthBasis } from '../../src/engine/cpu/cpu-engine.js';
import type { AvatarSource } from '../../src/engine/engine.js';
import { decideCost } from '../../src/engine/faces/cost-model.js';
import { FaceBatcher } from '../../src/engine/faces/face-batcher.js';
import { FaceEngine } from '../../src/engine/faces/face-engine.js';
import { DEFAULT_FACE_PARAMETERS, type FaceMaterial } from '../../src/engine/faces/face-material.js';
import { prepareMaterial, type PreparedPicture } from '../../src/engine/faces/prepare-material.js';
import { MuseTalkFamily } from '../../src/engine/musetalk/musetalk-family.js';
import { MuseTalkNets } from '../../src/engine/musetalk/musetalk-nets.js';
import { silentLog } from '../../src/lib/log.js';
import { stubSet } from './musetalk-stubs.js';
import { greenUnet } from './paint-unet.js';

/** The engine of generated faces, in this process, on stand-in networks that paint green; counts what they are asked. */
export class StubEngine {
  readonly engine: FaceEngine;
  readonly family: MuseTalkFamily;
  /** Runs of the encoder that hears, and faces drawn. */
  readonly calls: { hear: number; faces: number };
  readonly #material: PreparedPicture[];

  private constructor(
    engine: FaceEngine,
    family: MuseTalkFamily,
    calls: { hear: number; faces: number },
    material: PreparedPicture[],
  ) {
    this.engine = engine;
    this.family = family;
    this.calls = calls;
    this.#material = material;
  }

  /** `mode` as the cost model would have decided. */
  static async open(mode: 'live' | 'prerendered' = 'live'): Promise<StubEngine> {
    const folder = await mkdtemp(path.join(tmpdir(), 'musecast-stubs-'));
    await stubSet(folder, { 'unet.onnx': greenUnet() });
    const nets = await MuseTalkNets.create({ folder, threads: 1, log: silentLog });
    await rm(folder, { recursive: true });
    const calls = { hear: 0, faces: 0 };
    const family = new MuseTalkFamily(
      {
        hear(mel, rows) {
          calls.hear += 1;
          return nets.hear(mel, rows);
        },
        prepare: (crops) => nets.prepare(crops),
        faces(inputs, features, count) {
          calls.faces += count;
          return nets.faces(inputs, features, count);
        },
      },
      {},
    );
    const plan = decideCost({ singleMs: 5, batch: 4, batchMs: 12, hearMs: 5 }, { fps: 25, mode });
    const batcher = new FaceBatcher({ generator: family, batch: plan.batch });
    const material: PreparedPicture[] = [];
    const engine = new FaceEngine({
      family,
      submit: (inputs, features, signal) => batcher.submit(inputs, features, signal),
      plan,
      basis: await loadMouthBasis('models'),
      openMaterial: () => Promise.resolve(materialOf(material)),
      async close() {
        await batcher.close();
        await nets.close();
      },
      log: silentLog,
    });
    return new StubEngine(engine, family, calls, material);
  }

  /** Makes the material that streams opened from now on use. */
  async prepare(avatar: AvatarSource): Promise<readonly PreparedPicture[]> {
    this.#material.length = 0;
    await prepareMaterial({
      avatar,
      family: this.family,
      parameters: DEFAULT_FACE_PARAMETERS,
      sink: { add: async (picture) => void this.#material.push(picture) },
      log: silentLog,
    });
    return [...this.#material];
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}

function materialOf(pictures: readonly PreparedPicture[]): FaceMaterial {
  return {
    frameCount: pictures.length,
    box: (index) => pictures[index]!.box,
    mask: (index) => pictures[index]!.mask,
    inputs: (index) => pictures[index]!.input,
    close() {},
  };
}
