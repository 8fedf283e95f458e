import { AppError } from '../errors.js';

const AVATAR_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** An id names a folder and a part of a URL; it never begins with a dot, which marks folders in the making. */
export function assertAvatarId(id: string): void {
  if (!AVATAR_ID.test(id)) {
    throw new AppError(
      'invalid-argument',
      `avatar id ${JSON.stringify(id.slice(0, 80))} is not 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or digit`,
    );
  }
}
