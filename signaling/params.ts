import type { Context } from 'hono';
import { AppError } from '../src/errors.js';
import { AVATAR_ID } from './schemas.js';

/** A parameter that the route's own path guarantees. */
export function pathParam(c: Context, name: string): string {
  const value = c.req.param(name);
  if (value === undefined) throw new AppError('internal', `the route ${c.req.path} has no parameter ${name}`);
  return value;
}

/** The avatar that the path names. What cannot be an id cannot exist either, and never gets near a folder. */
export function avatarIdParam(c: Context): string {
  const id = pathParam(c, 'id');
  if (!AVATAR_ID.test(id)) throw new AppError('avatar-not-found', `there is no avatar "${id.slice(0, 80)}"`);
  return id;
}
