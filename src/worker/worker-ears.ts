import type { Ear, Engine } from '../engine/engine.js';
import { toAppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import type { FromWorker } from './protocol.js';

/** Within a worker: those whose sound is listened to. */
export class WorkerEars {
  readonly #options: { engine: Pick<Engine, 'listen'>; send: (message: FromWorker) => void; log: Log };
  readonly #ears = new Map<number, Ear>();

  constructor(options: { engine: Pick<Engine, 'listen'>; send: (message: FromWorker) => void; log: Log }) {
    this.#options = options;
  }

  listen(earId: number, pcm: Float32Array): void {
    const { engine, send, log } = this.#options;
    const ear = this.#ears.get(earId) ?? engine.listen?.();
    if (ear === undefined) {
      send({ type: 'voice', earId });
      return;
    }
    this.#ears.set(earId, ear);
    ear.push(pcm).then(
      (likely) => {
        if (likely.length > 0 && this.#ears.has(earId)) send({ type: 'voice', earId, likely });
      },
      (error: unknown) => {
        log.error({ err: toAppError(error) }, 'a voice cannot be told from other sound');
        this.#ears.delete(earId);
        send({ type: 'voice', earId });
      },
    );
  }

  deafen(earId: number): void {
    this.#ears.delete(earId);
  }
}
