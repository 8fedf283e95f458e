import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../errors.js';
import { HIDDEN_PREFIX } from './manifest.js';

/** Hidden folders that this process is filling right now; AvatarStore.sweep leaves them alone. */
export const foldersInTheMaking = new Set<string>();

/**
 * The hidden folder in which one avatar is made. It becomes the avatar by one rename, or vanishes; a process that is
 * killed leaves a hidden folder that the next start sweeps away.
 */
export class Workspace {
  readonly folder: string;
  readonly #finalFolder: string;
  readonly #id: string;

  private constructor(folder: string, finalFolder: string, id: string) {
    this.folder = folder;
    this.#finalFolder = finalFolder;
    this.#id = id;
  }

  /** Throws `avatar-exists` if the id is taken. */
  static async create(avatarsDir: string, id: string): Promise<Workspace> {
    const root = path.resolve(avatarsDir);
    const workspace = new Workspace(
      path.join(root, `${HIDDEN_PREFIX}${process.pid}-${randomUUID()}`),
      path.join(root, id),
      id,
    );
    await workspace.#assertFree();
    foldersInTheMaking.add(workspace.folder);
    await mkdir(workspace.folder, { recursive: true });
    return workspace;
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  async publish(): Promise<void> {
    await this.#assertFree();
    await rename(this.folder, this.#finalFolder).catch((cause: unknown) => {
      throw new AppError('avatar-exists', `there is an avatar ${this.#id} already`, { cause });
    });
  }

  /** Removes what was not published. Safe after publishing. */
  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    foldersInTheMaking.delete(this.folder);
  }

  async #assertFree(): Promise<void> {
    const taken = await stat(this.#finalFolder).catch(() => undefined);
    if (taken !== undefined) throw new AppError('avatar-exists', `there is an avatar ${this.#id} already`);
  }
}
