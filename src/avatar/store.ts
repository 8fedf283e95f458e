import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError, isAppError } from '../errors.js';
import { i420SizeBytes, LANDMARK_COUNT } from '../media/frame.js';
import { assertAvatarId } from './avatar-id.js';
import {
  ACTIONS_FOLDER,
  FRAMES_FILE,
  HIDDEN_PREFIX,
  LANDMARKS_FILE,
  MANIFEST_FILE,
  parseManifest,
  PREVIEW_FILE,
  type AvatarManifest,
} from './manifest.js';
import { foldersInTheMaking } from './workspace.js';

const LANDMARK_VALUES = LANDMARK_COUNT * 3;

/** The prepared avatars: one folder each, complete or not there. Hidden folders are in the making or going. */
export class AvatarStore {
  readonly #avatarsDir: string;

  constructor(avatarsDir: string) {
    this.#avatarsDir = path.resolve(avatarsDir);
  }

  /** Every avatar that is whole, oldest first. */
  async list(): Promise<AvatarManifest[]> {
    const names = await readdir(this.#avatarsDir).catch(() => []);
    const found: AvatarManifest[] = [];
    for (const name of names) {
      if (name.startsWith('.')) continue;
      try {
        found.push(await this.get(name));
      } catch (error) {
        if (!isAppError(error)) throw error; // damaged or foreign: get() tells who asks for it by name
      }
    }
    return found.sort((a, b) => a.createdAtUnixS - b.createdAtUnixS || (a.id < b.id ? -1 : 1));
  }

  /** Throws `avatar-not-found`, also for a damaged one, with the damage in the message. */
  async get(id: string): Promise<AvatarManifest> {
    assertAvatarId(id);
    const folder = path.join(this.#avatarsDir, id);
    const text = await readFile(path.join(folder, MANIFEST_FILE), 'utf8').catch((cause: unknown) => {
      throw new AppError('avatar-not-found', `there is no avatar ${id}`, { cause });
    });
    const manifest = parseManifest(text, id);
    const wanted = {
      [FRAMES_FILE]: i420SizeBytes(manifest.widthPx, manifest.heightPx),
      [LANDMARKS_FILE]: LANDMARK_VALUES * 4,
    };
    for (const [file, bytesEach] of Object.entries(wanted)) {
      const sizeBytes = (await stat(path.join(folder, file)).catch(() => undefined))?.size;
      if (sizeBytes !== bytesEach * manifest.frameCount) {
        throw new AppError(
          'avatar-not-found',
          `avatar ${id} is damaged: ${file} has ${sizeBytes ?? 'no'} bytes, not ${bytesEach * manifest.frameCount}; prepare it again`,
        );
      }
    }
    return manifest;
  }

  /** Notes in its manifest that it is prepared for an engine of generated faces. */
  async noteFaces(id: string, engine: string, notes: readonly string[]): Promise<void> {
    const manifest = await this.get(id);
    const changed: AvatarManifest = { ...manifest, faces: { ...manifest.faces, [engine]: { notes } } };
    const file = path.join(this.#avatarsDir, id, MANIFEST_FILE);
    const fresh = `${file}.${process.pid}`;
    await writeFile(fresh, `${JSON.stringify(changed, null, 2)}\n`);
    await rename(fresh, file);
  }

  /** Opens it for reading; close it when done. */
  async open(id: string): Promise<StoredAvatar> {
    const manifest = await this.get(id);
    const folder = path.join(this.#avatarsDir, id);
    const bytes = await readFile(path.join(folder, LANDMARKS_FILE));
    const landmarks = new Float32Array(manifest.frameCount * LANDMARK_VALUES);
    new Uint8Array(landmarks.buffer).set(bytes.subarray(0, landmarks.byteLength));
    return new StoredAvatar(manifest, folder, openSync(path.join(folder, FRAMES_FILE), 'r'), landmarks);
  }

  /**
   * The avatar's actions: clips that it can play, prepared and stored like avatars, by their names. They lie in its folder,
   * so that they go with it; the avatar need not exist.
   */
  actionsOf(id: string): AvatarStore {
    return new AvatarStore(this.actionsDir(id));
  }

  actionsDir(id: string): string {
    assertAvatarId(id);
    return path.join(this.#avatarsDir, id, ACTIONS_FOLDER);
  }

  /** Where its picture lies (a JPEG); the avatar need not exist. */
  previewPath(id: string): string {
    assertAvatarId(id);
    return path.join(this.#avatarsDir, id, PREVIEW_FILE);
  }

  /** Removes it at one stroke. Whoever has it open goes on reading. Throws `avatar-not-found`. */
  async delete(id: string): Promise<void> {
    assertAvatarId(id);
    const going = path.join(this.#avatarsDir, `${HIDDEN_PREFIX}${process.pid}-${randomUUID()}`);
    await rename(path.join(this.#avatarsDir, id), going).catch((cause: unknown) => {
      throw new AppError('avatar-not-found', `there is no avatar ${id}`, { cause });
    });
    await rm(going, { recursive: true, force: true });
  }

  /** Makes the folder if need be and clears it of what killed processes left half made. Call it at start-up. */
  async sweep(): Promise<void> {
    await mkdir(this.#avatarsDir, { recursive: true });
    for (const name of await readdir(this.#avatarsDir)) {
      const folder = path.join(this.#avatarsDir, name);
      if (!name.startsWith('.') && existsSync(path.join(folder, ACTIONS_FOLDER)))
        await new AvatarStore(path.join(folder, ACTIONS_FOLDER)).sweep();
      if (!name.startsWith(HIDDEN_PREFIX) || foldersInTheMaking.has(folder) || belongsToOther(name)) continue;
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** True while the process that made the hidden folder, another one than this, is alive. */
function belongsToOther(name: string): boolean {
  const pid = Number.parseInt(name.slice(HIDDEN_PREFIX.length), 10);
  if (!Number.isInteger(pid) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** An open avatar: the engine's AvatarSource. Pictures are read on demand (about 1 MB each), landmarks are in memory. */
export class StoredAvatar {
  readonly manifest: AvatarManifest;
  /** Its own folder, under this name until it is deleted. */
  readonly folder: string;
  readonly #frames: number;
  readonly #landmarks: Float32Array;
  readonly #sizeBytes: number;
  #closed = false;

  /** Takes over the open file of pictures. */
  constructor(manifest: AvatarManifest, folder: string, frames: number, landmarks: Float32Array) {
    this.manifest = manifest;
    this.folder = folder;
    this.#frames = frames;
    this.#landmarks = landmarks;
    this.#sizeBytes = i420SizeBytes(manifest.widthPx, manifest.heightPx);
  }

  get id(): string {
    return this.manifest.id;
  }
  get widthPx(): number {
    return this.manifest.widthPx;
  }
  get heightPx(): number {
    return this.manifest.heightPx;
  }
  get frameCount(): number {
    return this.manifest.frameCount;
  }
  get fps(): number {
    return this.manifest.fps;
  }
  get still(): boolean {
    return this.manifest.still;
  }

  get faceParameters(): AvatarManifest['faceParameters'] {
    return this.manifest.faceParameters;
  }

  /** Reads picture `index` into `target`, which is exactly one I420 picture long. */
  readFrame(index: number, target: Uint8Array): void {
    this.#check(index);
    if (target.length !== this.#sizeBytes)
      throw new AppError(
        'invalid-argument',
        `a picture of ${this.id} has ${this.#sizeBytes} bytes, not ${target.length}`,
      );
    let done = 0;
    while (done < this.#sizeBytes) {
      const read = readSync(
        this.#frames,
        target,
        done,
        this.#sizeBytes - done,
        index * this.#sizeBytes + done,
      );
      if (read === 0) throw new AppError('internal', `avatar ${this.id} ends within picture ${index}`);
      done += read;
    }
  }

  /** The 1404 values of picture `index`: a view, not to be written to. */
  landmarks(index: number): Float32Array {
    this.#check(index);
    return this.#landmarks.subarray(index * LANDMARK_VALUES, (index + 1) * LANDMARK_VALUES);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#frames);
  }

  #check(index: number): void {
    if (this.#closed) throw new AppError('internal', `avatar ${this.id} is closed`);
    if (!Number.isInteger(index) || index < 0 || index >= this.frameCount) {
      throw new AppError(
        'invalid-argument',
        `avatar ${this.id} has no picture ${index} (it has ${this.frameCount})`,
      );
    }
  }
}
