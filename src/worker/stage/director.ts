import type { AvatarStore } from '../../avatar/store.js';
import type { Engine } from '../../engine/engine.js';
import { AppError, isAppError, toAppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import type { YuvColour } from '../../media/colour.js';
import type { FromWorker } from '../protocol.js';
import { openAvatar } from './open-avatar.js';
import { CROSS_FADE_MS, type Entrance, type Opened, type Stage } from './stage.js';

/** An action's first picture is drawn so many pictures after it was opened, so that it begins at its beginning. */
const LEAD_PICTURES = 2;
/** What follows an action is opened so long before it enters. */
const PREPARE_MS = 500;

export interface DirectorOptions {
  streamId: number;
  stage: Stage;
  avatarId: string;
  background?: YuvColour;
  /** The session's number of the stage's picture 0. */
  firstIndex: number;
  fps: number;
  engine: Engine;
  store: AvatarStore;
  send(message: FromWorker): void;
  log: Log;
}

/** An action that plays: what comes behind it is asked for at `prepareAt` and enters at `endsAt`. */
interface Playing {
  readonly showId: number;
  readonly name: string;
  readonly timesLeft: number;
  readonly prepareAt: number;
  readonly endsAt: number;
  /** It was told to end before its end. */
  readonly stopped: boolean;
  preparing: boolean;
}

/** Says who is on a session's stage: an avatar, or one of its actions, which end by themselves. */
export class Director {
  readonly #options: DirectorOptions;
  #avatarId: string;
  /** Behind the avatar, if it is a photo; not behind its actions, which are footage. */
  #background: YuvColour | undefined;
  #playing: Playing | undefined;
  /** Counts what was asked for: only the newest gets on. */
  #asked = 0;
  /** Requests of the server that are being worked on. */
  #unanswered = 0;
  /** Resolves when the one that is being opened is open. */
  #opening: Promise<void> = Promise.resolve();

  constructor(options: DirectorOptions) {
    this.#options = options;
    this.#avatarId = options.avatarId;
    this.#background = options.background;
    options.stage.onPicture = (picture) => this.#advance(picture);
  }

  /** Another avatar takes the present one's place. An action that plays ends with it. */
  show(showId: number, avatarId: string, background: YuvColour | undefined): void {
    void this.#answer(showId, async () => {
      const entrance = await this.#enter((first) => this.#openAvatar(avatarId, background, first));
      this.#avatarId = avatarId;
      this.#background = background;
      this.#over(entrance, true);
      return entrance;
    });
  }

  /** The avatar plays one of its actions so many times, and is itself again. */
  act(showId: number, name: string, times: number): void {
    void this.#answer(showId, async () => {
      const { stage, fps } = this.#options;
      const startsAt = stage.next + LEAD_PICTURES;
      let pictures = 0;
      const entrance = await this.#enter(async (first) => {
        const opened = await this.#openAction(name, first, startsAt);
        pictures = Math.floor((opened.avatar.frameCount * fps) / opened.avatar.fps);
        return opened;
      }, startsAt);
      this.#over(entrance, true);
      this.#play(showId, name, times, entrance, pictures);
      return entrance;
    });
  }

  /** Ends the action that plays, if one does. */
  stopActing(): void {
    if (this.#playing === undefined) return;
    const atOnce = { timesLeft: 0, prepareAt: 0, endsAt: 0, stopped: true, preparing: false };
    this.#playing = { ...this.#playing, ...atOnce };
  }

  async #answer(showId: number, work: () => Promise<Entrance>): Promise<void> {
    const { streamId, firstIndex, send, log } = this.#options;
    this.#unanswered += 1;
    try {
      const { fromPicture, toPicture } = await work();
      const fromIndex = firstIndex + fromPicture;
      send({ type: 'shown', streamId, showId, fromIndex, toIndex: firstIndex + toPicture });
    } catch (error) {
      const { code, message } = toAppError(error);
      if (code === 'internal') log.error({ err: error, streamId }, 'an avatar could not enter');
      send({ type: 'show-failed', streamId, showId, code, message });
      // It may have pushed aside what was to follow an action.
      if (this.#playing !== undefined) this.#playing.preparing = false;
    } finally {
      this.#unanswered -= 1;
    }
  }

  /** Lets it enter unless something newer was asked for meanwhile. One is opened at a time, however many are asked for. */
  async #enter(open: (firstPicture: number) => Promise<Opened>, notBefore = 0): Promise<Entrance> {
    const asked = (this.#asked += 1);
    const isNewest = (): boolean => asked === this.#asked;
    const before = this.#opening;
    let done = (): void => {};
    this.#opening = new Promise((resolve) => (done = resolve));
    try {
      await before;
      if (!isNewest()) throw superseded();
      return await this.#options.stage.enter(
        async (first) => {
          const opened = await open(first);
          done();
          if (isNewest()) return opened;
          await opened.stream.close().finally(() => opened.avatar.close());
          throw superseded();
        },
        { notBefore },
      );
    } finally {
      done();
    }
  }

  #play(showId: number, name: string, times: number, { fromPicture }: Entrance, pictures: number): void {
    const { fps } = this.#options;
    const fade = Math.round((CROSS_FADE_MS * fps) / 1000);
    // The next one fades in over the last pictures of this.
    const endsAt = fromPicture + Math.max(fade, pictures - fade);
    const prepareAt = endsAt - Math.round((PREPARE_MS * fps) / 1000);
    const timesLeft = times - 1;
    this.#playing = { showId, name, timesLeft, prepareAt, endsAt, stopped: false, preparing: false };
  }

  #advance(picture: number): void {
    const playing = this.#playing;
    if (playing === undefined || playing.preparing || picture < playing.prepareAt) return;
    // What somebody asked for is not pushed aside, and ends the action itself.
    if (this.#unanswered > 0) return;
    playing.preparing = true;
    if (playing.timesLeft > 0) void this.#again(playing);
    else void this.#return(playing, playing.endsAt, playing.stopped);
  }

  /** The action from its beginning, out of its own end. */
  async #again(playing: Playing): Promise<void> {
    const { showId, name, timesLeft, endsAt } = playing;
    let pictures = 0;
    try {
      const entrance = await this.#enter(async (first) => {
        const opened = await this.#openAction(name, first, endsAt);
        pictures = Math.floor((opened.avatar.frameCount * this.#options.fps) / opened.avatar.fps);
        return opened;
      }, endsAt);
      if (this.#playing === playing) this.#play(showId, name, timesLeft, entrance, pictures);
    } catch (error) {
      if (toAppError(error).code === 'superseded') return;
      await this.#return(playing, endsAt, true);
    }
  }

  /** The avatar itself comes back. */
  async #return(playing: Playing, notBefore: number, interrupted: boolean): Promise<void> {
    const { log, streamId } = this.#options;
    try {
      const entrance = await this.#enter(
        (first) => this.#openAvatar(this.#avatarId, this.#background, first),
        notBefore,
      );
      if (this.#playing === playing) this.#over(entrance, interrupted);
    } catch (error) {
      const { code } = toAppError(error);
      if (code === 'superseded' || code === 'session-closed') return;
      // It goes on in the action's pictures, which is a face that speaks, too.
      log.error({ err: error, streamId }, 'the avatar could not come back after an action');
      this.#over({ fromPicture: this.#options.stage.next, toPicture: this.#options.stage.next }, true);
    }
  }

  /** Tells that the action which played is over. */
  #over({ fromPicture }: Entrance, interrupted: boolean): void {
    const { streamId, firstIndex, send } = this.#options;
    const playing = this.#playing;
    this.#playing = undefined;
    if (playing === undefined) return;
    const { showId } = playing;
    send({ type: 'act-over', streamId, showId, fromIndex: firstIndex + fromPicture, interrupted });
  }

  #openAvatar(avatarId: string, background: YuvColour | undefined, loopFrom: number): Promise<Opened> {
    const { store, engine, fps } = this.#options;
    const look = background === undefined ? {} : { background };
    return openAvatar(store, avatarId, engine, { fps, loopFrom, ...look });
  }

  /** So that its first picture is the stage's `startsAt`. */
  async #openAction(name: string, firstPicture: number, startsAt: number): Promise<Opened> {
    const { store, engine, fps } = this.#options;
    const loopFrom = firstPicture - startsAt;
    const avatarId = this.#avatarId;
    try {
      const opened = await openAvatar(store.actionsOf(avatarId), name, engine, { fps, loopFrom });
      if (!opened.avatar.still) return opened;
      await opened.stream.close().finally(() => opened.avatar.close());
      throw new AppError(
        'not-supported',
        `action ${name} of avatar ${avatarId} is a photo: nothing moves in it`,
      );
    } catch (error) {
      if (isAppError(error, 'avatar-not-ready'))
        throw new AppError(
          'avatar-not-ready',
          `action ${name} of avatar ${avatarId} is not prepared for the ${engine.name} engine; delete it and prepare it again`,
          { cause: error },
        );
      if (!isAppError(error, 'avatar-not-found')) throw error;
      throw new AppError('action-not-found', `avatar ${avatarId} has no action ${name}`, { cause: error });
    }
  }
}

function superseded(): AppError {
  return new AppError('superseded', 'a newer request took its place');
}
