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
import { viewOf, type AvatarView } from './avatar-view.js';
import { FacePreparations } from './face-preparations.js';
import { runJob } from './job.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import type { AvatarFaceParameters, FaceBasis } from '../engine/face-basis.js';
import type { PrepareInput } from './prepare-job.js';
import { Turns } from './turns.js';

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
  /** Ends what else is made inside an avatar's folder. */
  beforeDelete?(avatarId: string): Promise<void>;
  /** In which preparations wait; those of other avatars wait there, too. One of its own if left out. */
  turns?: Turns;
  log: Log;
  /** Runs the jobs; in processes of their own if left out. */
  run?: typeof runJob;
}

interface CreateOptions {
  id: string;
  /** A video, a photo, a folder of PNG pictures, or a folder that the MuseTalk reference prepared. */
  sourcePath: string;
  sourceIsUpload?: boolean;
  faceParameters?: AvatarFaceParameters;
}

interface Preparation {
  view: AvatarView;
  done: Promise<AvatarView>;
  abort: AbortController;
}

/** How many preparations run at once; the others wait their turn. */
export const PARALLEL = 1;

/** The avatars that clients see: those on disk, and those being prepared now or failed since the start. */
export class Avatars {
  readonly #options: AvatarsOptions;
  readonly #preparations = new Map<string, Preparation>();
  readonly #changes = new Emitter<Record<string, AvatarView>>();
  /** Ids between their check and their preparation, so that two requests at once cannot both pass the check. */
  readonly #claimed = new Set<string>();
  readonly #deleting = new Map<string, Promise<void>>();
  readonly #turns: Turns;
  readonly #faces: FacePreparations;

  constructor(options: AvatarsOptions) {
    this.#options = options;
    const { store, avatarsDir, modelsDir, logLevel, face, run = runJob } = options;
    this.#turns = options.turns ?? new Turns(PARALLEL);
    this.#faces = new FacePreparations({
      ...{ store, avatarsDir, modelsDir, logLevel, face, run },
      turns: this.#turns,
    });
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
    await this.#deleting.get(id)?.catch(() => {});
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
      const done = this.#prepare(view, module, options, abort.signal).finally(discard);
      done.catch(() => {});
      this.#preparations.set(id, { view, abort, done });
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
    // An avatar is on disk before its preparation is over, and that counts. Whatever ends while the disk is read has its
    // last state in its view.
    const prepared = new Map([...this.#preparations].map(([id, { view }]) => [id, view]));
    const stored = (await this.#options.store.list()).filter(({ id }) => !prepared.has(id));
    return [...stored.map(viewOf), ...[...prepared.values()].map((view) => ({ ...view }))].sort(
      (a, b) => a.createdAtUnixS - b.createdAtUnixS,
    );
  }

  async get(id: string): Promise<AvatarView> {
    const preparation = this.#preparations.get(id);
    if (preparation) return { ...preparation.view };
    return viewOf(await this.#options.store.get(id));
  }

  /** @throws avatar-not-found, avatar-not-ready (still preparing or failed) */
  async ready(id: string): Promise<AvatarManifest> {
    if (this.#deleting.has(id)) throw new AppError('avatar-not-found', `avatar ${id} is being deleted`);
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

  /** Also ends what prepares it; resolves when nothing of it is left. @throws avatar-not-found, avatar-in-use */
  async delete(id: string): Promise<void> {
    if (!this.#preparations.has(id)) {
      await this.#options.store.get(id);
      if (this.#options.inUse(id))
        throw new AppError('avatar-in-use', `avatar ${id} is shown by a session; stop that first`);
    }
    let deletion = this.#deleting.get(id);
    if (deletion === undefined) {
      deletion = this.#remove(id).finally(() => this.#deleting.delete(id));
      this.#deleting.set(id, deletion);
    }
    return deletion;
  }

  async close(): Promise<void> {
    for (const { abort } of this.#preparations.values())
      abort.abort(new AppError('session-closed', 'the server stops'));
    const done = [...this.#preparations.values()].map((preparation) => preparation.done);
    await Promise.allSettled([...done, this.#faces.close()]);
  }

  /** Whether an avatar is prepared for the engine of generated faces, by these models and its present parameters. */
  facesReady(id: string, basis: FaceBasis): Promise<boolean> {
    return this.#faces.ready(id, basis);
  }

  /**
   * Makes what the engine of generated faces needs of an avatar that was prepared without it, or for other models. One
   * call at a time does the work; the others wait for it.
   * @param basis what the engine has loaded: refused with model-invalid when the files are others by now
   * @throws why it could not be done; avatar-not-found when the avatar is deleted meanwhile
   */
  async prepareFaces(id: string, basis?: FaceBasis): Promise<void> {
    if (this.#deleting.has(id)) throw new AppError('avatar-not-found', `avatar ${id} is being deleted`);
    return this.#faces.prepare(id, basis);
  }

  async #remove(id: string): Promise<void> {
    const reason = new AppError('avatar-not-found', `avatar ${id} was deleted while it was being prepared`);
    const preparation = this.#preparations.get(id);
    preparation?.abort.abort(reason);
    await preparation?.done.catch(() => {});
    await Promise.all([this.#faces.stop(id, reason), this.#options.beforeDelete?.(id)]);
    await this.#options.store.delete(id).catch((error: unknown) => {
      // A preparation may have ended before there was anything on disk.
      if (preparation === undefined || !isAppError(error, 'avatar-not-found')) throw error;
    });
    if (this.#preparations.get(id) === preparation) this.#preparations.delete(id);
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
    const { avatarsDir, modelsDir, fps, ffmpeg, logLevel, log, run = runJob } = this.#options;
    const face = this.#options.facesAlong() ? this.#options.face : undefined;
    const input: PrepareInput = {
      ...{ id, sourcePath, avatarsDir, modelsDir, fps, ffmpeg, logLevel },
      ...(face === undefined ? {} : { face }),
      ...(faceParameters === undefined ? {} : { faceParameters }),
    };
    const onProgress = (fraction: number): void => {
      view.progress = fraction;
      this.#changes.emit(id, { ...view });
    };
    try {
      const manifest = await this.#turns.run(signal, () =>
        run<AvatarManifest>(module, input, { signal, niceness: 5, onProgress }),
      );
      return this.#finish(view, manifest);
    } catch (error) {
      const { code, message } = toAppError(error);
      const whole = signal.aborted ? undefined : await this.#publishedBy(view, sourcePath);
      if (whole !== undefined) {
        log.warn({ avatar: id, code, reason: message }, 'prepared for the CPU engine only');
        return this.#finish(view, whole);
      }
      view.state = 'failed';
      view.error = { code, message };
      if (!signal.aborted) log.warn({ avatar: id, code, reason: message }, 'avatar could not be prepared');
      this.#changes.emit(id, { ...view });
      throw error;
    }
  }

  #finish(view: AvatarView, manifest: AvatarManifest): AvatarView {
    this.#preparations.delete(view.id);
    Object.assign(view, viewOf(manifest));
    this.#changes.emit(view.id, { ...view });
    return { ...view };
  }

  /** What a job that died afterwards has put in its place: an avatar is whole before its faces are generated. */
  async #publishedBy(view: AvatarView, sourcePath: string): Promise<AvatarManifest | undefined> {
    const manifest = await this.#options.store.get(view.id).catch(() => undefined);
    const own =
      manifest !== undefined &&
      manifest.createdAtUnixS >= view.createdAtUnixS &&
      manifest.source.path === path.resolve(sourcePath);
    return own ? manifest : undefined;
  }
}
