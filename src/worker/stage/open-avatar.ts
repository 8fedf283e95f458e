import type { AvatarStore } from '../../avatar/store.js';
import type { Engine, EngineStreamOptions } from '../../engine/engine.js';
import type { Opened } from './stage.js';

/** @throws avatar-not-found, avatar-not-ready (not prepared for this engine) */
export async function openAvatar(
  store: Pick<AvatarStore, 'open'>,
  id: string,
  engine: Engine,
  options: EngineStreamOptions,
): Promise<Opened> {
  const avatar = await store.open(id);
  try {
    return { avatar, stream: await engine.open(avatar, options) };
  } catch (error) {
    avatar.close();
    throw error;
  }
}
