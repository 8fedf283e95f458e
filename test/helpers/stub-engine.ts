import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { GraphRunner } from '../../src/adapters/graph-runner.js';
import { OnnxGraph } from '../../src/adapters/onnx.js';
import type { AvatarSource } from '../../src/engine/engine.js';
import { decideCost } from '../../src/engine/faces/cost-model.js';
import { FaceBatcher } from '../../src/engine/faces/face-batcher.js';
import { FaceEngine } from '../../src/engine/faces/face-engine.js';
import { DEFAULT_FACE_PARAMETERS, type FaceMaterial } from '../../src/engine/faces/face-material.js';
import { prepareMaterial, type PreparedPicture } from '../../src/engine/faces/prepare-material.js';
import { MuseTalkFamily } from '../../src/engine/musetalk/musetalk-family.js';
import { MuseTalkNets } from '../../src/engine/musetalk/musetalk-nets.js';
import { silentLog, type Log } from '../../src/lib/log.js';
import { stubSet } from './musetalk-stubs.js';
import { greenUnet } from './paint-unet.js';

export interface StubEngineOptions {
  /** As the cost model would have decided. */
  readonly mode?: 'live' | 'prerendered';
  /** Networks instead of the stand-ins. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  /** A face takes this much longer. */
  readonly slowMs?: number;
  /** Called before each run of the UNet with its batch; what it throws is what the runtime says. */
  onFaces?(batch: number): void;
  readonly log?: Log;
}

/** The engine of generated faces, in this process, on stand-in networks that paint green; counts what they are asked. */
export class StubEngine {
  readonly engine: FaceEngine;
  readonly family: MuseTalkFamily;
  /** Runs of the encoder that hears, and faces drawn. */
  readonly calls: { hear: number; faces: number };
  /** Faces that were asked for and not answered or given up: now, and at most. */
  readonly asked: { now: number; most: number };
  readonly #material: PreparedPicture[];

  private constructor(
    parts: Pick<StubEngine, 'engine' | 'family' | 'calls' | 'asked'>,
    material: PreparedPicture[],
  ) {
    this.engine = parts.engine;
    this.family = parts.family;
    this.calls = parts.calls;
    this.asked = parts.asked;
    this.#material = material;
  }

  static async open(options: StubEngineOptions = {}): Promise<StubEngine> {
    const { mode = 'live', slowMs = 0 } = options;
    const folder = await mkdtemp(path.join(tmpdir(), 'musecast-stubs-'));
    await stubSet(folder, { 'unet.onnx': greenUnet(), ...options.files });
    const load = async (file: string): Promise<GraphRunner> => {
      const graph = await OnnxGraph.load(file, { threads: 1 });
      return {
        inputs: graph.inputs,
        outputs: graph.outputs,
        run(feeds, into) {
          const batch = feeds['audio_prompts']?.dims[0];
          if (batch !== undefined) options.onFaces?.(batch);
          return graph.run(feeds, into);
        },
        close: () => graph.close(),
      };
    };
    const { log = silentLog } = options;
    const nets = await MuseTalkNets.create({ folder, load, log });
    await rm(folder, { recursive: true });
    const calls = { hear: 0, faces: 0 };
    const asked = { now: 0, most: 0 };
    const family = new MuseTalkFamily(
      {
        hear(mel, rows) {
          calls.hear += 1;
          return nets.hear(mel, rows);
        },
        prepare: (crops) => nets.prepare(crops),
        async faces(inputs, features, count) {
          calls.faces += count;
          if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs * count));
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
      submit(inputs, features, signal) {
        asked.now += 1;
        asked.most = Math.max(asked.most, asked.now);
        return batcher.submit(inputs, features, signal).finally(() => (asked.now -= 1));
      },
      plan,
      openMaterial: () => Promise.resolve(materialOf(material)),
      async close() {
        await batcher.close();
        await nets.close();
      },
      log,
    });
    return new StubEngine({ engine, family, calls, asked }, material);
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
