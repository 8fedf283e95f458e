import { frameToSamples, samplesToFrame } from '../../media/timeline.js';
import { AppError } from '../../errors.js';
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
  #action: PlayingAction | undefined;
  #actionCount = 0;
  /** By the worker's number of the request. */
  readonly #actions = new Map<number, PlayingAction>();
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

  /** Whether it is seen, or about to be. */
  uses(avatarId: string): boolean {
    return this.#avatarId === avatarId || this.#coming.includes(avatarId);
  }

  /**
   * Another avatar takes the present one's place. Resolves with the media time of the first picture that shows it.
   * @param check rejects where this avatar cannot be shown; from the call on it counts as used
   * @throws what `check` throws and WorkerStream.show rejects with
   */
  async show(avatarId: string, check: () => Promise<unknown>): Promise<HeardAt> {
    this.#coming.push(avatarId);
    try {
      await check();
      const { fromIndex } = await this.#options.pictures.show(avatarId);
      const before = this.#avatarId;
      this.#avatarId = avatarId;
      return this.#announce(fromIndex, (at) => ({
        event: 'session.avatar',
        data: { avatar: avatarId, before, ...at },
      }));
    } finally {
      this.#coming.splice(this.#coming.indexOf(avatarId), 1);
    }
  }

  /** The avatar plays an action. Resolves when its first picture is made; rejects as WorkerStream.act. */
  async act(name: string, times: number): Promise<PlayingAction & { readonly at: HeardAt }> {
    const action = { id: `a${(this.#actionCount += 1)}`, name };
    const { showId, fromIndex } = await this.#options.pictures.act(name, times);
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

  /** Called all the time with the media time that viewers are at. */
  advance(seenSamples: number): void {
    for (let next = this.#news[0]; next && next.atSamples <= seenSamples; next = this.#news[0]) {
      this.#news.shift();
      this.#options.tell(next.event);
    }
  }

  #announce(fromIndex: number, eventAt: (at: HeardAt) => SceneEvent): HeardAt {
    const atSamples = frameToSamples(fromIndex, this.#options.fps);
    const at = this.#options.heardAt(atSamples);
    this.#news.push({ atSamples, event: eventAt(at) });
    return at;
  }
}
