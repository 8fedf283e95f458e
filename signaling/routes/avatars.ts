import { readFile } from 'node:fs/promises';
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { route } from '../describe.js';
import { avatarIdParam } from '../params.js';
import type { AvatarInfo, AvatarsPort, FaceParameters, MediaPathsPort } from '../ports.js';
import { HttpRefusal } from '../problem.js';
import { mediaTypeOf, readJson, validate } from '../request-body.js';
import {
  avatarFormSchema,
  avatarFromPathSchema,
  avatarSchema,
  type faceParametersSchema,
} from '../schemas.js';
import { SSE_HEADERS, sseResponse } from '../sse.js';
import { discard, receiveForm } from '../uploads.js';

export interface AvatarRoutesOptions {
  readonly maxUploadBytes: number;
  readonly keepAliveMs: number;
}

export function avatarRoutes(
  app: OpenAPIHono,
  ports: { avatars: AvatarsPort; paths: MediaPathsPort },
  options: AvatarRoutesOptions,
): void {
  const { avatars, paths } = ports;
  const limits = { uploadsDir: paths.uploadsDir, maxUploadBytes: options.maxUploadBytes };

  route(
    app,
    {
      method: 'get',
      path: '/v1/avatars',
      tag: 'avatars',
      summary: 'List the avatars',
      status: 200,
      answer: 'All avatars',
      schema: z.object({ avatars: z.array(avatarSchema) }),
    },
    async (c) => c.json({ avatars: await avatars.list() }),
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/avatars',
      tag: 'avatars',
      summary:
        'Prepare an avatar from a video, a photo, a folder of PNG pictures, or a folder that MuseTalk prepared',
      body: {
        'application/json': avatarFromPathSchema,
        'multipart/form-data': avatarFormSchema.extend({ file: z.string().openapi({ format: 'binary' }) }),
      },
      status: 202,
      answer: 'Preparing; Location names the avatar',
      schema: avatarSchema,
      refusals: [400, 403, 404, 409, 413, 415, 422, 429, 503],
    },
    async function createAvatar(c) {
      const info = mediaTypeOf(c) === 'multipart/form-data' ? await fromForm(c) : await fromPath(c);
      return c.json(info, 202, { Location: `/v1/avatars/${info.id}` });
    },
  );

  async function fromPath(c: Context): Promise<AvatarInfo> {
    const body = await readJson(c, avatarFromPathSchema);
    return avatars.create({
      id: body.id,
      sourcePath: await paths.resolveFootage(body.path),
      ...faceParametersOf(body),
    });
  }

  async function fromForm(c: Context): Promise<AvatarInfo> {
    const form = await receiveForm(c, limits, (early) => {
      const fields = parseFields(early);
      validate(early['id'] === undefined ? avatarFormSchema.omit({ id: true }) : avatarFormSchema, fields);
    });
    try {
      const body = validate(avatarFormSchema, parseFields(form.fields));
      return await avatars.create({
        id: body.id,
        sourcePath: form.file.path,
        sourceIsUpload: true,
        ...faceParametersOf(body),
      });
    } catch (error) {
      await discard(form.file);
      throw error;
    }
  }

  route(
    app,
    {
      method: 'get',
      path: '/v1/avatars/{id}',
      tag: 'avatars',
      summary: 'Describe an avatar',
      status: 200,
      answer: 'The avatar',
      schema: avatarSchema,
      refusals: [404],
    },
    async (c) => c.json(await avatars.get(avatarIdParam(c))),
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/avatars/{id}/preview.jpg',
      tag: 'avatars',
      summary: 'Show an avatar',
      status: 200,
      answer: 'A picture',
      answerType: 'image/jpeg',
      refusals: [404, 409],
    },
    async function previewAvatar(c) {
      const jpeg = await readPreview(await avatars.previewPath(avatarIdParam(c)));
      // An avatar may be deleted and made anew under the same id, so the picture is checked again each time.
      return c.body(new Uint8Array(jpeg), 200, { 'Content-Type': 'image/jpeg', 'Cache-Control': 'no-cache' });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/avatars/{id}/events',
      tag: 'avatars',
      summary: 'Follow the preparation',
      status: 200,
      answer: 'Events named progress, each with the avatar as JSON, until it is ready or has failed',
      answerType: 'text/event-stream',
      refusals: [404],
    },
    async function followAvatar(c) {
      const id = avatarIdParam(c);
      const first = await avatars.get(id);
      if (c.req.method === 'HEAD') return c.body(null, 200, { ...SSE_HEADERS });
      const source = {
        first,
        subscribe: (listener: (info: AvatarInfo) => void) => avatars.subscribe(id, listener),
        nameOf: () => 'progress',
        dataOf: (info: AvatarInfo) => info,
        isLast: (info: AvatarInfo) => info.state !== 'preparing',
        limit: 1,
      };
      return sseResponse(source, { clientSignal: c.req.raw.signal, keepAliveMs: options.keepAliveMs });
    },
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/avatars/{id}',
      tag: 'avatars',
      summary: 'Delete an avatar',
      status: 204,
      answer: 'Deleted',
      refusals: [404, 409],
    },
    async function deleteAvatar(c) {
      await avatars.delete(avatarIdParam(c));
      return c.body(null, 204);
    },
  );
}

async function readPreview(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new HttpRefusal(404, 'file-not-found', 'the avatar has no preview');
  }
}

/** A form's fields with the one that is JSON read. */
function parseFields(fields: Readonly<Record<string, string>>): Record<string, unknown> {
  const { faceParameters, ...rest } = fields;
  if (faceParameters === undefined) return rest;
  try {
    return { ...rest, faceParameters: JSON.parse(faceParameters) as unknown };
  } catch {
    const error = { loc: ['body', 'faceParameters'], msg: 'JSON decode error', type: 'json_invalid' };
    throw new HttpRefusal(
      422,
      'invalid-argument',
      'faceParameters: must be JSON, such as {"bboxShiftPx": 5}',
      {
        errors: [error],
      },
    );
  }
}

/** Without the properties that are undefined, which zod's type allows and JSON cannot hold. */
function faceParametersOf({
  faceParameters,
}: {
  faceParameters?: z.infer<typeof faceParametersSchema> | undefined;
}): {
  faceParameters?: FaceParameters;
} {
  if (faceParameters === undefined) return {};
  const given = Object.entries(faceParameters).filter(([, value]) => value !== undefined);
  return { faceParameters: Object.fromEntries(given) };
}
