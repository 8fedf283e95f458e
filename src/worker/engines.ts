import type { EngineName } from '../engine/engine.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import type { FaceBasis } from '../engine/face-basis.js';
import { AppError, isAppError, toAppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import type { EarEvents, WorkerEar } from './host-ears.js';
import type { WorkerHost, WorkerStream, WorkerStreamOptions } from './host.js';
import type { WorkerPool } from './pool.js';

/** Which engine draws a session, and why. */
export interface EngineChoice {
  readonly engine: EngineName;
  readonly mode: 'live' | 'prerendered';
  /** One sentence for the person who asked. */
  readonly reason: string;
  /** The engine's settings, for jobs; absent for the CPU engine. */
  readonly face?: FaceEngineSettings;
  /** @throws avatar-not-ready when this avatar was not prepared for the engine */
  open(options: WorkerStreamOptions): Promise<WorkerStream>;
  /** Gives the room that the session was promised back; to be called once it has ended or could not begin. */
  release(): void;
}

export interface EnginesOptions {
  cpu: WorkerPool;
  /** The worker of generated faces; one process, so that sessions share batches. Absent: why in one sentence. */
  face: { host: WorkerHost; settings: FaceEngineSettings } | { missing: string };
  /** The engine of generated faces was asked for by name when the server was started. */
  asked: boolean;
  /** Makes what the engine of generated faces needs of an avatar, in the background; resolves when it is there. */
  prepareFaces(avatarId: string, basis: FaceBasis): Promise<void>;
  /** True if the avatar is prepared for the engine of generated faces. */
  facesReady(avatarId: string, basis: FaceBasis): Promise<boolean>;
  /** Milliseconds of a clock that never runs back; the process's own if left out. */
  nowMs?(): number;
  log: Log;
}

type Changing<T> = { -readonly [K in keyof T]: T[K] };

/** A failed preparation for generated faces is told for this long before it is tried again. */
const RETRY_PREPARATION_MS = 60_000;

/** The engines of this server, and the choice among them for each session. */
export class Engines {
  readonly #options: EnginesOptions;
  /** Avatars whose last preparation for generated faces failed, and why. */
  readonly #unprepared = new Map<string, { message: string; untilMs: number }>();
  /** Room promised to live sessions, in sessions of the rate that the plan was made for. */
  #promised = 0;

  constructor(options: EnginesOptions) {
    this.#options = options;
    if ('missing' in options.face) return;
    const { settings, host } = options.face;
    host.ready.then(
      () => {
        // Preparations take the files that the engine took, not those of a GPU that turned out not to work.
        settings.compute.provider = host.faces?.provider ?? settings.compute.provider;
        options.log.info({ engine: settings.name, ...host.faces?.plan }, 'engine ready');
      },
      (error: unknown) =>
        options.log.warn({ engine: settings.name, err: toAppError(error) }, 'the engine cannot be used'),
    );
  }

  /**
   * `auto` takes generated faces where they are ready and fast enough, else the CPU engine, and says why.
   * @throws invalid-argument, model-invalid, not-supported, avatar-not-ready, no-capacity for an engine asked for by name
   */
  async choose(request: {
    avatarId: string;
    engine: EngineName | 'auto';
    fps: number;
  }): Promise<EngineChoice> {
    const { engine } = request;
    const cpu = (reason: string): EngineChoice => ({
      engine: 'cpu',
      mode: 'live',
      reason,
      open: (options) => this.#options.cpu.open(options),
      release: () => {},
    });
    if (engine === 'cpu') return cpu('asked for');
    try {
      return await this.#face(request);
    } catch (error) {
      if (engine !== 'auto' || !isAppError(error)) throw error;
      return cpu(error.message);
    }
  }

  async #face(request: {
    avatarId: string;
    engine: EngineName | 'auto';
    fps: number;
  }): Promise<EngineChoice> {
    const { face } = this.#options;
    if ('missing' in face) throw new AppError('not-supported', face.missing);
    const { name } = face.settings;
    if (request.engine !== 'auto' && request.engine !== name)
      throw new AppError(
        'not-supported',
        `this server runs the engines cpu and ${name}, not ${request.engine}`,
      );
    const { host } = face;
    if (host.faces === undefined)
      throw host.failure ?? new AppError('no-capacity', `the ${name} engine is still loading its networks`);
    const { plan } = host.faces;
    if (plan.mode === 'unfit' && request.engine === 'auto' && !this.#options.asked)
      throw new AppError('not-supported', plan.reason);
    if (!(await this.#options.facesReady(request.avatarId, host.faces.basis))) {
      const failed = this.#unprepared.get(request.avatarId);
      if (failed !== undefined && this.#nowMs() < failed.untilMs)
        throw new AppError(
          'avatar-not-ready',
          `avatar ${request.avatarId} could not be prepared for the ${name} engine: ${failed.message}`,
        );
      this.#options.prepareFaces(request.avatarId, host.faces.basis).catch((error: unknown) => {
        const err = toAppError(error);
        this.#unprepared.set(request.avatarId, {
          message: err.message,
          untilMs: this.#nowMs() + RETRY_PREPARATION_MS,
        });
        this.#options.log.warn({ avatar: request.avatarId, err }, 'faces were not prepared');
      });
      throw new AppError(
        'avatar-not-ready',
        `avatar ${request.avatarId} is being prepared for the ${name} engine; try again when that is done`,
      );
    }
    const mode = plan.mode === 'live' ? 'live' : 'prerendered';
    const release = mode === 'live' ? this.#promise(request.fps, face.settings, plan.capacity) : () => {};
    const choice: Changing<EngineChoice> = {
      engine: name,
      mode,
      reason: plan.reason,
      face: face.settings,
      open: async (options) => {
        try {
          return await host.open(options);
        } catch (error) {
          // A session whose engine is gone for good goes on with the one that is always there, and says so.
          if (!host.isUnusable) throw error;
          release();
          choice.engine = 'cpu';
          choice.mode = 'live';
          delete choice.face;
          choice.reason = `the ${name} engine cannot be used any more: ${toAppError(error).message}`;
          return this.#options.cpu.open(options);
        }
      },
      release,
    };
    return choice;
  }

  /** Promised before anything is awaited, so that requests at once cannot overshoot. @throws no-capacity */
  #promise(fps: number, { name, fps: planned }: FaceEngineSettings, capacity: number): () => void {
    const share = fps / planned;
    // The first one is let in whatever its rate is: it leaves pictures out rather than be refused for ever.
    if (this.#promised > 0 && this.#promised + share > capacity)
      throw new AppError(
        'no-capacity',
        `the ${name} engine has room for ${capacity} live sessions of ${planned} pictures a second, which are in use`,
      );
    this.#promised += share;
    let released = false;
    return () => {
      if (!released) this.#promised -= share;
      released = true;
      if (this.#promised < 1e-9) this.#promised = 0;
    };
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? performance.now();
  }

  /** Tells somebody's voice from other sound, as the CPU engine hears it. */
  listen(events: EarEvents): WorkerEar {
    return this.#options.cpu.listen(events);
  }

  /** Whether new avatars are prepared for generated faces: not while those load, nor where only a name brings them in. */
  get preparesFaces(): boolean {
    const { face, asked } = this.#options;
    if ('missing' in face || face.host.faces === undefined) return false;
    return face.host.faces.plan.mode !== 'unfit' || asked;
  }

  get names(): EngineName[] {
    return 'missing' in this.#options.face ? ['cpu'] : ['cpu', this.#options.face.settings.name];
  }

  /** Waits for the engine of generated faces. @throws why it cannot be used */
  async whenFacesReady(): Promise<void> {
    if ('missing' in this.#options.face) throw new AppError('model-invalid', this.#options.face.missing);
    await this.#options.face.host.ready;
  }

  async close(): Promise<void> {
    if (!('missing' in this.#options.face)) await this.#options.face.host.close();
  }
}
