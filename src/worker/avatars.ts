import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { assertAvatarId } from '../avatar/avatar-id.js';
import type { AvatarManifest } from '../avatar/manifest.js';
import type { AvatarStore } from '../avatar/store.js';
import { AppError, isAppError, toAppError } from '../errors.js';
import { Emitter } from '../lib/emitter.js';
import type { Log } from '../lib/log.js';
import { avatarJobFor } from './avatar-job.js';
import { runJob } from './job.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import { materialFolder, materialFor, type FaceBasis } from '../engine/face-basis.js';
import type { FaceParameters } from '../engine/faces/face-material.js';
import { hasMaterial } from '../engine/faces/material-store.js';
import type { PrepareInput } from './prepare-job.js';

export interface AvatarsOptions {
  store: AvatarStore;
  avatarsDir: string;
  modelsDir: string;
  ffmpeg: Ffmpeg;
  fps: number;
  logLevel: string;
  /** The engine of generated faces that avatars can be prepared for. */
  face?: FaceEngineSettings;
  /** Whether every new avatar is prepared for it, too. */
  facesAlong(): boolean;
  inUse(avatarId: string): boolean;
  log: Log;
}

interface AvatarView {
  id: string;
  state: 'preparing' | 'ready' | 'failed';
  progress: number;
  createdAtUnixS: number;
  error?: { code: string; message: string };
  widthPx?: number;
  heightPx?: number;
  fps?: number;
  frameCount?: number;
  still?: boolean;
  quality?: AvatarManifest['quality'];
  faces?: NonNullable<AvatarManifest['faces']>;
}

interface CreateOptions {
  id: string;
  /** A video, a photo, a folder of PNG pictures, or a folder that the MuseTalk reference prepared. */
  sourcePath: string;
  sourceIsUpload?: boolean;
  faceParameters?: Partial<FaceParameters>;
}

interface Preparation {
  view: AvatarView;
  done: Promise<AvatarView>;
  abort: AbortController;
}

/** How many preparations run at once; the others wait their turn. */
const PARALLEL = 1;

/** The avatars that clients see: those on disk, and those being prepared now or failed since the start. */
export class Avatars {
  readonly #options: AvatarsOptions;
  readonly #preparations = new Map<string, Preparation>();
  readonly #changes = new Emitter<Record<string, AvatarView>>();
  /** Ids between their check and their preparation, so that two requests at once cannot both pass the check. */
  readonly #claimed = new Set<string>();
  readonly #faces = new Map<string, Promise<void>>();
  readonly #abort = new AbortController();
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(options: AvatarsOptions) {
    this.#options = options;
  }

  /**
   * Starts a preparation. The same source under the same id again is no error: the avatar is used as it is.
   * An upload belongs to this call from here on and is deleted afterwards.
   */
  async create(options: CreateOptions): Promise<AvatarView> {
    const { id, sourcePath } = options;
    const discard = async () => {
      if (options.sourceIsUpload) await rm(sourcePath, { force: true });
    };
    const claimed = !this.#claimed.has(id);
    try {
      assertAvatarId(id);
      if (!claimed) throw new AppError('avatar-exists', `avatar ${id} is being prepared already`);
      this.#claimed.add(id);
      const module = await avatarJobFor(sourcePath);
      if (module === 'import-job' && options.faceParameters !== undefined)
        throw new AppError(
          'invalid-argument',
          `avatar ${id}: the faces in ${path.basename(sourcePath)} are cut out already; name no parameters for them`,
        );
      const existing = await this.#existing(options);
      if (existing) {
        await discard();
        return existing;
      }
      const abort = new AbortController();
      const view: AvatarView = { id, state: 'preparing', progress: 0, createdAtUnixS: Date.now() / 1000 };
      const preparation: Preparation = {
        view,
        abort,
        done: this.#prepare(view, module, options, abort.signal).finally(discard),
      };
      preparation.done.catch(() => {});
      this.#preparations.set(id, preparation);
      return { ...view };
    } catch (error) {
      await discard();
      throw error;
    } finally {
      if (claimed) this.#claimed.delete(id);
    }
  }

  async whenReady(id: string, signal: AbortSignal): Promise<AvatarView> {
    const preparation = this.#preparations.get(id);
    if (preparation === undefined) return this.get(id);
    signal.throwIfAborted();
    return new Promise<AvatarView>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      preparation.done.then(resolve, reject);
    });
  }

  async list(): Promise<AvatarView[]> {
    const stored = (await this.#options.store.list()).map(viewOf);
    const names = new Set(stored.map(({ id }) => id));
    const others = [...this.#preparations.values()]
      .map(({ view }) => ({ ...view }))
      .filter(({ id }) => !names.has(id));
    return [...stored, ...others].sort((a, b) => a.createdAtUnixS - b.createdAtUnixS);
  }

  async get(id: string): Promise<AvatarView> {
    const preparation = this.#preparations.get(id);
    if (preparation) return { ...preparation.view };
    return viewOf(await this.#options.store.get(id));
  }

  /** @throws avatar-not-found, avatar-not-ready (still preparing or failed) */
  async ready(id: string): Promise<AvatarManifest> {
    const preparation = this.#preparations.get(id);
    if (preparation)
      throw new AppError(
        'avatar-not-ready',
        `avatar ${id} is ${preparation.view.state === 'failed' ? `unusable: ${preparation.view.error?.message}` : 'still being prepared'}`,
      );
    return this.#options.store.get(id);
  }

  async previewPath(id: string): Promise<string> {
    await this.ready(id);
    return this.#options.store.previewPath(id);
  }

  subscribe(id: string, listener: (view: AvatarView) => void): () => void {
    return this.#changes.on(id, listener);
  }

  async delete(id: string): Promise<void> {
    const preparation = this.#preparations.get(id);
    if (preparation) {
      preparation.abort.abort(
        new AppError('avatar-not-found', `avatar ${id} was deleted while it was being prepared`),
      );
      await preparation.done.catch(() => {});
      this.#preparations.delete(id);
      return;
    }
    await this.#options.store.get(id);
    if (this.#options.inUse(id))
      throw new AppError('avatar-in-use', `avatar ${id} is shown by a session; stop that first`);
    await this.#options.store.delete(id);
  }

  async close(): Promise<void> {
    for (const { abort } of this.#preparations.values())
      abort.abort(new AppError('session-closed', 'the server stops'));
    this.#abort.abort(new AppError('session-closed', 'the server stops'));
    await Promise.allSettled([...this.#preparations.values()].map(({ done }) => done));
    await Promise.allSettled(this.#faces.values());
  }

  /** Whether an avatar is prepared for the engine of generated faces, by these models and its present parameters. */
  async facesReady(id: string, basis: FaceBasis): Promise<boolean> {
    const { avatarsDir } = this.#options;
    const { face } = this.#options;
    if (face === undefined) return false;
    const expected = materialFor(face, basis, await this.#options.store.get(id));
    return hasMaterial(materialFolder(avatarsDir, id, face.name), expected);
  }

  /**
   * Makes what the engine of generated faces needs of an avatar that was prepared without it, or for other models. One
   * call at a time does the work; the others wait for it. Rejects with the reason.
   */
  prepareFaces(id: string): Promise<void> {
    const { avatarsDir, modelsDir, logLevel } = this.#options;
    const { face } = this.#options;
    const running = this.#faces.get(id);
    if (running) return running;
    if (face === undefined)
      return Promise.reject(new AppError('not-supported', 'this server has no such engine'));
    const job = (async () => {
      await this.#turn();
      try {
        await runJob(
          'face-job',
          { id, avatarsDir, modelsDir, face, logLevel },
          { signal: this.#abort.signal, niceness: 5 },
        );
      } finally {
        this.#running -= 1;
        this.#waiting.shift()?.();
      }
    })().finally(() => this.#faces.delete(id));
    this.#faces.set(id, job);
    return job;
  }

  async #existing(options: CreateOptions): Promise<AvatarView | undefined> {
    const { id, sourcePath } = options;
    const preparation = this.#preparations.get(id);
    if (preparation?.view.state === 'preparing')
      throw new AppError('avatar-exists', `avatar ${id} is being prepared already`);
    if (preparation) this.#preparations.delete(id); // A failed one may be tried again.
    const manifest = await this.#options.store.get(id).catch((error: unknown) => {
      if (isAppError(error, 'avatar-not-found')) return undefined;
      throw error;
    });
    if (manifest === undefined) return undefined;
    const source = await stat(sourcePath);
    const same =
      !options.sourceIsUpload &&
      manifest.source.path === sourcePath &&
      manifest.source.sizeBytes === source.size &&
      manifest.source.mtimeMs === source.mtimeMs &&
      isDeepStrictEqual(manifest.faceParameters ?? {}, options.faceParameters ?? {});
    if (same) return viewOf(manifest);
    throw new AppError('avatar-exists', `there is an avatar ${id} already; delete it or choose another id`);
  }

  async #prepare(
    view: AvatarView,
    module: 'prepare-job' | 'import-job',
    { sourcePath, faceParameters }: CreateOptions,
    signal: AbortSignal,
  ): Promise<AvatarView> {
    const { id } = view;
    const { avatarsDir, modelsDir, fps, ffmpeg, logLevel, log } = this.#options;
    const face = this.#options.facesAlong() ? this.#options.face : undefined;
    try {
      await this.#turn();
      try {
        const input: PrepareInput = {
          id,
          sourcePath,
          avatarsDir,
          modelsDir,
          fps,
          ffmpeg,
          logLevel,
          ...(face === undefined ? {} : { face }),
          ...(faceParameters === undefined ? {} : { faceParameters }),
        };
        const manifest = await runJob<AvatarManifest>(module, input, {
          signal,
          niceness: 5,
          onProgress: (fraction) => {
            view.progress = fraction;
            this.#changes.emit(id, { ...view });
          },
        });
        this.#preparations.delete(id);
        const ready = viewOf(manifest);
        this.#changes.emit(id, ready);
        return ready;
      } finally {
        this.#running -= 1;
        this.#waiting.shift()?.();
      }
    } catch (error) {
      const { code, message } = toAppError(error);
      view.state = 'failed';
      view.error = { code, message };
      if (!signal.aborted) log.warn({ avatar: id, code, reason: message }, 'avatar could not be prepared');
      this.#changes.emit(id, { ...view });
      throw error;
    }
  }

  async #turn(): Promise<void> {
    while (this.#running >= PARALLEL) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }
}

function viewOf(manifest: AvatarManifest): AvatarView {
  const { id, createdAtUnixS, widthPx, heightPx, fps, frameCount, still, quality, faces } = manifest;
  return {
    id,
    state: 'ready',
    progress: 1,
    createdAtUnixS,
    widthPx,
    heightPx,
    fps,
    frameCount,
    still,
    quality,
    ...(faces === undefined ? {} : { faces }),
  };
}
