import { yuvOf } from '../../media/colour.js';
import { frameToSamples, MEDIA_RATE, samplesToFrame } from '../../media/timeline.js';
import { AppError, isAppError } from '../../errors.js';
import type { HeardAt, SceneEvent } from '../events/session-events.js';
import type { PictureStream } from './picture-stream.js';

export interface SessionSceneOptions {
  /** The avatar that it begins with. */
  avatarId: string;
  fps: number;
  pictures: Pick<PictureStream, 'show' | 'act' | 'stopActing'>;
  tell(event: SceneEvent): void;
  heardAt(samples: number): HeardAt;
}

/** An action that the avatar plays now and then while nobody speaks. */
export interface IdleAction {
  readonly name: string;
  /** Pause before it, and between it and itself, seconds. */
  readonly everyS: number;
}

/** An action that plays, and when it was first seen. */
export interface PlayingAction {
  readonly id: string;
  readonly name: string;
}

/** Who is seen in a session: its avatar, which may change, and the actions that it plays. Tells it when viewers see it. */
export class SessionScene {
  readonly #options: SessionSceneOptions;
  #avatarId: string;
  /** Avatars that are on their way onto the stage. */
  readonly #coming: string[] = [];
  /** Requests that are not answered: an idle action must not take their place. */
  #asked = 0;
  #background: string | undefined;
  #action: PlayingAction | undefined;
  #actionCount = 0;
  /** By the worker's number of the request. */
  readonly #actions = new Map<number, PlayingAction>();
  #idle: { readonly action: IdleAction; dueSamples: number }[] = [];
  /** The newest media time that it was told. */
  #nowSamples = 0;
  /** What is told when a media time is seen, in rising order. */
  #news: { readonly atSamples: number; readonly event: SceneEvent }[] = [];

  constructor(options: SessionSceneOptions) {
    this.#options = options;
    this.#avatarId = options.avatarId;
  }

  get avatarId(): string {
    return this.#avatarId;
  }

  get action(): PlayingAction | undefined {
    return this.#action;
  }

  /** `#rrggbb` behind the avatar; undefined: its own. */
  get background(): string | undefined {
    return this.#background;
  }

  /** Whether it is seen, or about to be. */
  uses(avatarId: string): boolean {
    return this.#avatarId === avatarId || this.#coming.includes(avatarId);
  }

  /**
   * Another avatar, or the present one before another background, takes the place of what is seen. Resolves with the media
   * time of the first picture that shows it.
   * @param check rejects where this avatar cannot be shown; from the call on it counts as used
   * @throws what `check` throws and WorkerStream.show rejects with
   */
  async show(
    avatarId: string,
    background: string | undefined,
    check: () => Promise<unknown>,
  ): Promise<HeardAt> {
    this.#coming.push(avatarId);
    this.#asked += 1;
    try {
      await check();
      const { fromIndex } = await this.#options.pictures.show(
        avatarId,
        background === undefined ? undefined : yuvOf(background),
      );
      const before = this.#avatarId;
      this.#avatarId = avatarId;
      this.#background = background;
      if (before === avatarId) return this.#options.heardAt(frameToSamples(fromIndex, this.#options.fps));
      // They were the other one's.
      this.idleActions = [];
      return this.#announce(fromIndex, (at) => ({
        event: 'session.avatar',
        data: { avatar: avatarId, before, ...at },
      }));
    } finally {
      this.#asked -= 1;
      this.#coming.splice(this.#coming.indexOf(avatarId), 1);
    }
  }

  /** The avatar plays an action. Resolves when its first picture is made; rejects as WorkerStream.act. */
  async act(name: string, times: number): Promise<PlayingAction & { readonly at: HeardAt }> {
    const action = { id: `a${(this.#actionCount += 1)}`, name };
    this.#asked += 1;
    const { showId, fromIndex } = await this.#options.pictures
      .act(name, times)
      .finally(() => (this.#asked -= 1));
    this.#actions.set(showId, action);
    this.#action = action;
    const data = { actionId: action.id, name };
    const at = this.#announce(fromIndex, (heardAt) => ({
      event: 'action.started',
      data: { ...data, ...heardAt },
    }));
    return { ...action, at };
  }

  /** @throws action-not-found when no action plays */
  stopActing(): void {
    if (this.#action === undefined) throw new AppError('action-not-found', 'no action plays');
    this.#options.pictures.stopActing();
  }

  /** What the worker tells: see WorkerStreamOptions.onActOver. */
  actOver(showId: number, { fromIndex, interrupted }: { fromIndex: number; interrupted: boolean }): void {
    const action = this.#actions.get(showId);
    this.#actions.delete(showId);
    if (action === undefined) return;
    if (this.#action === action) this.#action = undefined;
    for (const idle of this.#idle)
      if (idle.action.name === action.name)
        idle.dueSamples = this.#nowSamples + idle.action.everyS * MEDIA_RATE;
    this.#announce(fromIndex, (at) => ({
      event: 'action.ended',
      data: { actionId: action.id, name: action.name, interrupted, ...at },
    }));
  }

  /** The pictures' stream is gone, and with it the actions that played; another one begins with the avatar itself. */
  lost(atSamples: number): void {
    for (const showId of [...this.#actions.keys()])
      this.actOver(showId, { fromIndex: samplesToFrame(atSamples, this.#options.fps), interrupted: true });
  }

  get idleActions(): readonly IdleAction[] {
    return this.#idle.map(({ action }) => action);
  }

  /** Instead of those before. Another avatar begins without any. */
  set idleActions(actions: readonly IdleAction[]) {
    this.#idle = actions.map((action) => ({
      action,
      dueSamples: this.#nowSamples + action.everyS * MEDIA_RATE,
    }));
  }

  /** Called all the time with the media time that viewers are at, and whether nobody speaks. */
  advance(seenSamples: number, isIdle: boolean): void {
    this.#nowSamples = seenSamples;
    if (isIdle && this.#action === undefined && this.#asked === 0) this.#playIdle();
    for (let next = this.#news[0]; next && next.atSamples <= seenSamples; next = this.#news[0]) {
      this.#news.shift();
      this.#options.tell(next.event);
    }
  }

  /** The one that has waited longest, if one is due. */
  #playIdle(): void {
    const due = this.#idle.filter(({ dueSamples }) => dueSamples <= this.#nowSamples);
    const next = due.sort((a, b) => a.dueSamples - b.dueSamples)[0];
    if (next === undefined) return;
    const { name, everyS } = next.action;
    next.dueSamples = this.#nowSamples + everyS * MEDIA_RATE;
    this.act(name, 1).catch((error: unknown) => {
      // It was deleted. Anything else may be better the next time.
      if (isAppError(error, 'action-not-found')) this.#idle = this.#idle.filter((one) => one !== next);
    });
  }

  #announce(fromIndex: number, eventAt: (at: HeardAt) => SceneEvent): HeardAt {
    const atSamples = frameToSamples(fromIndex, this.#options.fps);
    const at = this.#options.heardAt(atSamples);
    this.#news.push({ atSamples, event: eventAt(at) });
    return at;
  }
}
