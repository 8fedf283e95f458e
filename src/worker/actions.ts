import type { AvatarManifest } from '../avatar/manifest.js';
import { AppError, toAppError } from '../errors.js';
import type { AvatarView } from './avatar-view.js';
import { Avatars, type AvatarsOptions } from './avatars.js';

/** So many actions may an avatar have: each takes as much disk as footage of its length. */
const MAX_ACTIONS = 32;

/** An action as clients see it. */
export interface ActionView extends Omit<AvatarView, 'id' | 'faces'> {
  name: string;
  durationMs?: number;
}

export interface ActionsOptions extends Omit<AvatarsOptions, 'inUse' | 'avatarsDir'> {
  /** @throws avatar-not-found, avatar-not-ready */
  avatar(id: string): Promise<AvatarManifest>;
}

/**
 * The actions of all avatars: clips that they can play, each prepared as an avatar is and stored in its avatar's folder.
 * Whoever plays one that is deleted goes on to its end.
 */
export class Actions {
  readonly #options: ActionsOptions;
  /** Those of one avatar, by its id. */
  readonly #byAvatar = new Map<string, Avatars>();

  constructor(options: ActionsOptions) {
    this.#options = options;
  }

  /**
   * Starts the preparation of a clip. An upload belongs to this call from here on.
   * @throws avatar-not-found, avatar-not-ready, avatar-exists (the name is taken), no-capacity, media-undecodable ...
   */
  async create(
    avatarId: string,
    action: { name: string; sourcePath: string; sourceIsUpload?: boolean },
  ): Promise<ActionView> {
    const { name, ...source } = action;
    return this.#told(avatarId, name, async (actions) => {
      const others = (await actions.list()).filter(({ id }) => id !== name);
      if (others.length >= MAX_ACTIONS)
        throw new AppError(
          'no-capacity',
          `avatar ${avatarId} has ${MAX_ACTIONS} actions; delete one that is not needed`,
        );
      return viewOf(await actions.create({ id: name, ...source }));
    });
  }

  /** Oldest first. @throws avatar-not-found, avatar-not-ready */
  async list(avatarId: string): Promise<ActionView[]> {
    return this.#told(avatarId, '', async (actions) => (await actions.list()).map(viewOf));
  }

  /** @throws avatar-not-found, avatar-not-ready, action-not-found */
  get(avatarId: string, name: string): Promise<ActionView> {
    return this.#told(avatarId, name, async (actions) => viewOf(await actions.get(name)));
  }

  /** @throws avatar-not-found, action-not-found, avatar-not-ready (the avatar or the action) */
  ready(avatarId: string, name: string): Promise<AvatarManifest> {
    return this.#told(avatarId, name, (actions) => actions.ready(name));
  }

  /** Also ends what prepares it. @throws avatar-not-found, avatar-not-ready, action-not-found */
  delete(avatarId: string, name: string): Promise<void> {
    return this.#told(avatarId, name, (actions) => actions.delete(name));
  }

  /** Ends what prepares actions of an avatar that goes. */
  async forget(avatarId: string): Promise<void> {
    const actions = this.#byAvatar.get(avatarId);
    this.#byAvatar.delete(avatarId);
    await actions?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byAvatar.keys()].map((id) => this.forget(id)));
  }

  /** With errors that speak of the action. */
  async #told<T>(avatarId: string, name: string, work: (actions: Avatars) => Promise<T>): Promise<T> {
    await this.#options.avatar(avatarId);
    try {
      return await work(this.#of(avatarId));
    } catch (error) {
      const { code, message } = toAppError(error);
      if (name === '' || !message.includes(`avatar ${name}`) || code === 'internal') throw error;
      const sentence = message.replaceAll(`avatar ${name}`, `action ${name} of avatar ${avatarId}`);
      throw new AppError(code === 'avatar-not-found' ? 'action-not-found' : code, sentence, { cause: error });
    }
  }

  #of(avatarId: string): Avatars {
    let actions = this.#byAvatar.get(avatarId);
    if (actions === undefined) {
      const { store } = this.#options;
      actions = new Avatars({
        ...this.#options,
        store: store.actionsOf(avatarId),
        avatarsDir: store.actionsDir(avatarId),
        inUse: () => false,
      });
      this.#byAvatar.set(avatarId, actions);
    }
    return actions;
  }
}

function viewOf({ id, faces, ...view }: AvatarView): ActionView {
  void faces;
  const { frameCount, fps } = view;
  const durationMs =
    frameCount === undefined || fps === undefined ? {} : { durationMs: (frameCount * 1000) / fps };
  return { name: id, ...view, ...durationMs };
}
