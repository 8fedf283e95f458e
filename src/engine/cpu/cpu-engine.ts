import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMouthBasis } from '../../compositor/mouth-basis.js';
import type { MouthBasis } from '../../compositor/mouth-basis.js';
import { AppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import type { AvatarSource, Ear, Engine, EngineStream, EngineStreamOptions } from '../engine.js';
import { LivingStill } from '../still/living-still.js';
import { CpuEngineStream } from './cpu-stream.js';
import { MouthModel } from './mouth-model.js';
import type { MouthTiming } from './mouth-model.js';

/** The engine that needs no GPU and no download: a small network hears the mouth, a mesh warp draws it. */
export class CpuEngine implements Engine {
  readonly name = 'cpu';
  #model: MouthModel;
  #basis: MouthBasis;
  #lipTiming: MouthTiming;
  #log: Log;
  #closing: Promise<void> | undefined;

  private constructor(model: MouthModel, basis: MouthBasis, lipTiming: MouthTiming, log: Log) {
    this.#model = model;
    this.#lipTiming = lipTiming;
    this.#basis = basis;
    this.#log = log;
  }

  /** @param options.modelsDir the folder that holds cpu/basis.json and cpu/audio2mouth.onnx */
  static async create(options: { modelsDir: string; lipTiming?: MouthTiming; log: Log }): Promise<CpuEngine> {
    const basis = await loadMouthBasis(options.modelsDir);
    const model = await MouthModel.load(options.modelsDir);
    const { lipTiming = 'sure', log } = options;
    log.info({ engine: 'cpu', lipTiming }, 'engine ready');
    return new CpuEngine(model, basis, lipTiming, log);
  }

  async open(avatar: AvatarSource, options: EngineStreamOptions): Promise<EngineStream> {
    const still = avatar.still ? await LivingStill.open(avatar, this.#log, options.background) : undefined;
    if (this.#closing !== undefined) throw new AppError('session-closed', 'the cpu engine is closed');
    const ear = this.#model.open(this.#lipTiming);
    return new CpuEngineStream({ avatar, still, basis: this.#basis, ear, ...options });
  }

  listen(): Ear {
    return this.#model.listen();
  }

  close(): Promise<void> {
    this.#closing ??= this.#model.close();
    return this.#closing;
  }
}

/** Reads cpu/basis.json; AppError model-invalid if it is absent, not JSON or of the wrong shape. */
export async function loadMouthBasis(modelsDir: string): Promise<MouthBasis> {
  const path = join(modelsDir, 'cpu', 'basis.json');
  try {
    return parseMouthBasis(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('model-invalid', `cannot use ${path}: ${reason}`, { cause });
  }
}
