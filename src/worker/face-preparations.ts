import type { AvatarStore } from '../avatar/store.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import { materialFolder, materialFor, type FaceBasis } from '../engine/face-basis.js';
import { isPrepared } from '../engine/faces/material-check.js';
import { AppError } from '../errors.js';
import type { runJob } from './job.js';
import type { PrepareFacesInput } from './prepare-faces.js';
import type { Turns } from './turns.js';

export interface FacePreparationsOptions {
  store: AvatarStore;
  avatarsDir: string;
  modelsDir: string;
  logLevel: string;
  /** The engine of generated faces; absent: there is none. */
  face: FaceEngineSettings | undefined;
  /** Shared with other work of the kind. */
  turns: Turns;
  run: typeof runJob;
}

interface FacePreparation {
  readonly done: Promise<void>;
  readonly abort: AbortController;
}

/** Prepares avatars that are there already for the engine of generated faces. */
export class FacePreparations {
  readonly #options: FacePreparationsOptions;
  readonly #running = new Map<string, FacePreparation>();

  constructor(options: FacePreparationsOptions) {
    this.#options = options;
  }

  /** Whether an avatar's material is there, whole, and made by these models and its present parameters. */
  async ready(id: string, basis: FaceBasis): Promise<boolean> {
    const { avatarsDir, face, store } = this.#options;
    if (face === undefined) return false;
    const expected = materialFor(face, basis, await store.get(id));
    return isPrepared(materialFolder(avatarsDir, id, face.name), expected);
  }

  /** One call at a time does the work for an avatar; the others wait for it. Rejects with the reason. */
  prepare(id: string, basis?: FaceBasis): Promise<void> {
    const running = this.#running.get(id);
    if (running) return running.done;
    const { avatarsDir, modelsDir, face, logLevel, turns, run } = this.#options;
    if (face === undefined)
      return Promise.reject(new AppError('not-supported', 'this server has no such engine'));
    const input: PrepareFacesInput & { modelsDir: string; logLevel: string } = {
      ...{ id, avatarsDir, modelsDir, face, logLevel },
      ...(basis === undefined ? {} : { basis }),
    };
    const abort = new AbortController();
    const { signal } = abort;
    const done = turns
      .run(signal, async () => void (await run('face-job', input, { signal, niceness: 5 })))
      .finally(() => this.#running.delete(id));
    this.#running.set(id, { done, abort });
    return done;
  }

  /** Ends the preparation of an avatar with this reason; resolves when nothing of it writes any more. */
  async stop(id: string, reason: AppError): Promise<void> {
    const running = this.#running.get(id);
    running?.abort.abort(reason);
    await running?.done.catch(() => {});
  }

  async close(): Promise<void> {
    const reason = new AppError('session-closed', 'the server stops');
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id, reason)));
  }
}
