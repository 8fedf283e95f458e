import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { AppError } from '../../src/errors.js';
import { route } from '../describe.js';
import { avatarIdParam, pathParam } from '../params.js';
import type { ActionInfo, ActionsPort, MediaPathsPort, SessionsPort } from '../ports.js';
import { mediaTypeOf, readJson, validate } from '../request-body.js';
import {
  actionFormSchema,
  actionFromPathSchema,
  actionPlayingSchema,
  actionPlaySchema,
  actionSchema,
  AVATAR_ID,
} from '../schemas.js';
import { discard, receiveForm } from '../uploads.js';

/** Clips that avatars can play: those of an avatar, and playing them in a session. */
export function actionRoutes(
  app: OpenAPIHono,
  ports: { actions: ActionsPort; sessions: SessionsPort; paths: MediaPathsPort },
  options: { readonly maxUploadBytes: number },
): void {
  const { actions, sessions, paths } = ports;
  const limits = { uploadsDir: paths.uploadsDir, maxUploadBytes: options.maxUploadBytes };

  route(
    app,
    {
      method: 'get',
      path: '/v1/avatars/{id}/actions',
      tag: 'avatars',
      summary: 'List the clips that an avatar can play',
      status: 200,
      answer: 'Its actions',
      schema: z.object({ actions: z.array(actionSchema) }),
      refusals: [404, 409],
    },
    async (c) => c.json({ actions: await actions.list(avatarIdParam(c)) }),
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/avatars/{id}/actions',
      tag: 'avatars',
      summary: 'Prepare a clip of the avatar, which it can play while it speaks or idles',
      body: {
        'application/json': actionFromPathSchema,
        'multipart/form-data': actionFormSchema.extend({ file: z.string().openapi({ format: 'binary' }) }),
      },
      status: 202,
      answer: 'Preparing; Location names the action',
      schema: actionSchema,
      refusals: [400, 403, 404, 409, 413, 415, 422, 429, 503],
    },
    async function createAction(c) {
      const avatarId = avatarIdParam(c);
      const isForm = mediaTypeOf(c) === 'multipart/form-data';
      const info = isForm ? await fromForm(c, avatarId) : await fromPath(c, avatarId);
      return c.json(info, 202, { Location: `/v1/avatars/${avatarId}/actions/${info.name}` });
    },
  );

  async function fromPath(c: Context, avatarId: string): Promise<ActionInfo> {
    const { name, path } = await readJson(c, actionFromPathSchema);
    return actions.create(avatarId, { name, sourcePath: await paths.resolveFootage(path) });
  }

  async function fromForm(c: Context, avatarId: string): Promise<ActionInfo> {
    // An avatar that is not there is told before the long part is taken in.
    await actions.list(avatarId);
    const form = await receiveForm(c, limits, (early) => {
      if (early['name'] !== undefined) validate(actionFormSchema, early);
    });
    try {
      const { name } = validate(actionFormSchema, form.fields);
      return await actions.create(avatarId, { name, sourcePath: form.file.path, sourceIsUpload: true });
    } catch (error) {
      await discard(form.file);
      throw error;
    }
  }

  route(
    app,
    {
      method: 'get',
      path: '/v1/avatars/{id}/actions/{name}',
      tag: 'avatars',
      summary: 'Describe a clip: state, progress, quality',
      status: 200,
      answer: 'The action',
      schema: actionSchema,
      refusals: [404, 409],
    },
    async (c) => c.json(await actions.get(avatarIdParam(c), nameParam(c))),
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/avatars/{id}/actions/{name}',
      tag: 'avatars',
      summary: 'Delete a clip; a session that plays it plays it to its end',
      status: 204,
      answer: 'Deleted',
      refusals: [404, 409],
    },
    async function deleteAction(c) {
      await actions.delete(avatarIdParam(c), nameParam(c));
      return c.body(null, 204);
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions/{id}/actions',
      tag: 'sessions',
      summary: "Let the session's avatar play one of its clips, cross-faded in and out; the lips go on",
      body: { 'application/json': actionPlaySchema },
      status: 201,
      answer: 'It plays, and when it is first seen',
      schema: actionPlayingSchema,
      refusals: [400, 404, 409, 415, 422, 429, 501, 503, 504],
    },
    async function play(c) {
      const id = pathParam(c, 'id');
      sessions.get(id);
      return c.json(await sessions.act(id, await readJson(c, actionPlaySchema)), 201);
    },
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/sessions/{id}/actions',
      tag: 'sessions',
      summary: 'End the clip that plays; the avatar itself comes back',
      status: 204,
      answer: 'It ends',
      refusals: [404],
    },
    function stop(c) {
      sessions.stopActing(pathParam(c, 'id'));
      return c.body(null, 204);
    },
  );
}

function nameParam(c: Context): string {
  const name = pathParam(c, 'name');
  if (!AVATAR_ID.test(name))
    throw new AppError('action-not-found', `there is no action "${name.slice(0, 80)}"`);
  return name;
}
