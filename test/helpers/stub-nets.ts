import path from 'node:path';
import { OnnxModel } from '../../src/adapters/onnx.js';
import { AppError } from '../../src/errors.js';

/** What an inference thread hosts in the tests: the stand-in graphs of MuseTalk, and ways to go wrong. */

export interface StubNetsOptions {
  readonly stubsDir: string;
  readonly threads?: number;
  /** Makes createNets fail. */
  readonly refuse?: 'app-error' | 'crash';
}

const STUBS = { stubsDir: path.resolve('test/fixtures/musetalk/stubs') };
export const STUB_MODULE = new URL('./stub-nets.js', import.meta.url).href;

export function stubOptions(more: Partial<StubNetsOptions> = {}): StubNetsOptions {
  return { ...STUBS, ...more };
}

export class StubNets {
  readonly #unet: OnnxModel;
  readonly #decoder: OnnxModel;
  readonly #log: string[] = [];

  constructor(unet: OnnxModel, decoder: OnnxModel) {
    this.#unet = unet;
    this.#decoder = decoder;
  }

  /** `count` x 3 x 256 x 256 floats. */
  async faces(latents: Float32Array, audio: Float32Array, count: number): Promise<Float32Array> {
    this.#log.push(`faces ${count}`);
    const mid = await this.#unet.run({
      input_latents: { data: latents, dims: [count, 8, 32, 32] },
      audio_prompts: { data: audio, dims: [count, 50, 384] },
    });
    const { image } = await this.#decoder.run({ latents: mid['noise_prediction']! });
    return image!.data;
  }

  hear(name: string): Promise<string> {
    this.#log.push(`hear ${name}`);
    return Promise.resolve(name);
  }

  /** What ran, in order. */
  log(): readonly string[] {
    return this.#log;
  }

  /** Gives back what it was given, and how large the buffer under it is. */
  echo(value: { list: readonly Float32Array[]; name: string }): {
    list: Float32Array[];
    name: string;
    bufferBytes: number[];
  } {
    const bufferBytes = value.list.map(({ buffer }) => buffer.byteLength);
    const whole = new Float32Array(value.list.length * 4);
    return {
      name: value.name,
      bufferBytes,
      // Views of one buffer: what prepare() of a real family may well give.
      list: value.list.map((entry, i) => {
        whole.set(entry, i * 4);
        return whole.subarray(i * 4, (i + 1) * 4);
      }),
    };
  }

  fail(kind: 'app-error' | 'error'): Promise<never> {
    if (kind === 'app-error') throw new AppError('no-capacity', 'not even one face fits');
    throw new TypeError('odd');
  }

  die(how: 'throw' | 'exit'): Promise<void> {
    return new Promise(() => {
      setImmediate(() => {
        if (how === 'exit') process.exit(3);
        throw new Error('the networks fell over');
      });
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#unet.close(), this.#decoder.close()]);
  }
}

export async function createNets(options: StubNetsOptions): Promise<StubNets> {
  if (options.refuse === 'app-error') throw new AppError('model-invalid', 'these are not the networks');
  if (options.refuse === 'crash') process.exit(4);
  const load = (name: string): Promise<OnnxModel> =>
    OnnxModel.load(path.join(options.stubsDir, name), { threads: options.threads ?? 1 });
  return new StubNets(await load('unet.onnx'), await load('vae_decoder.onnx'));
}
