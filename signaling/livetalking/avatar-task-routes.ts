import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { AppError } from '../../src/errors.js';
import type { Log } from '../../src/lib/log.js';
import { route } from '../describe.js';
import { pathParam } from '../params.js';
import type { AvatarsPort, FaceParameters, MediaPathsPort } from '../ports.js';
import { mediaTypeOf, validate } from '../request-body.js';
import { avatarIdSchema } from '../schemas.js';
import { discard, receiveForm, type UploadedFile } from '../uploads.js';
import { AvatarTasks } from './avatar-tasks.js';
import { enveloped, failure, jsonBody, ok } from './envelope.js';
import { avatarTaskSchema } from './schemas.js';

type TaskFields = z.infer<typeof avatarTaskSchema>;

/** Avatars being made, as tasks. */
export function avatarTaskRoutes(
  app: OpenAPIHono,
  ports: { avatars: AvatarsPort; paths: MediaPathsPort; log: Log },
  options: { maxUploadBytes: number; nowMs: () => number },
): void {
  const { avatars, paths, log } = ports;
  const limits = { uploadsDir: paths.uploadsDir, maxUploadBytes: options.maxUploadBytes };
  const tasks = new AvatarTasks(avatars, options.nowMs);
  const tag = 'livetalking';

  route(
    app,
    {
      method: 'post',
      path: '/api/avatar/task',
      tag,
      summary: 'Prepare an avatar',
      body: {
        'application/json': avatarTaskSchema,
        'multipart/form-data': avatarTaskSchema.extend({
          video_file: z.string().openapi({ format: 'binary' }),
        }),
      },
      status: 200,
      answer: 'data.task_id, or code -1 and msg',
    },
    enveloped(log, async (c) => {
      const id = await (mediaTypeOf(c) === 'multipart/form-data' ? fromForm(c) : fromPath(c));
      return ok(c, { task_id: id });
    }),
  );

  route(
    app,
    {
      method: 'get',
      path: '/api/avatar/task/{task}',
      tag,
      summary: 'Tell how far a preparation is',
      status: 200,
      answer: 'data, or code 404 and msg',
    },
    enveloped(log, (c) => {
      const task = tasks.get(pathParam(c, 'task'));
      return task === undefined ? failure(c, 'Task not found', 404) : ok(c, task);
    }),
  );

  route(
    app,
    {
      method: 'get',
      path: '/api/avatar/tasks',
      tag,
      summary: 'List the preparations',
      status: 200,
      answer: 'data.tasks, the newest first',
    },
    enveloped(log, (c) => ok(c, { tasks: tasks.list() })),
  );

  route(
    app,
    {
      method: 'delete',
      path: '/api/avatar/task/{task}',
      tag,
      summary: 'Take out a task that waits; none does here, so this says why not',
      status: 200,
      answer: 'code -1 and msg',
    },
    enveloped(log, (c) => {
      const status = tasks.statusOf(pathParam(c, 'task'));
      if (status === undefined) return failure(c, 'Task not found');
      return failure(c, `Task is in ${status} state, cannot delete`);
    }),
  );

  async function fromPath(c: Context): Promise<string> {
    const fields = await jsonBody(c, avatarTaskSchema);
    assertPossible(fields);
    if (fields.video_path === undefined)
      throw new AppError('invalid-argument', 'video_file or video_path is required');
    return create(fields, await paths.resolveFootage(fields.video_path));
  }

  async function fromForm(c: Context): Promise<string> {
    const { file, fields } = await receiveForm(c, limits, (early) => {
      if (early['avatar_id'] !== undefined) validate(avatarIdSchema, early['avatar_id']);
    });
    let checked: TaskFields;
    try {
      checked = validate(avatarTaskSchema, fields);
      assertPossible(checked);
    } catch (error) {
      await discard(file);
      throw error;
    }
    return create(checked, file.path, file);
  }

  function assertPossible({ avatar_id: avatarId, task_id: taskId, notifyurl }: TaskFields): void {
    validate(z.object({ avatar_id: avatarIdSchema }), { avatar_id: avatarId });
    tasks.assertNew(taskId);
    // A server that calls whatever address it is told could be sent into its own network.
    if (notifyurl)
      throw new AppError('not-supported', 'notifyurl is not called here: ask GET /api/avatar/task/{id}');
  }

  async function create(fields: TaskFields, sourcePath: string, upload?: UploadedFile): Promise<string> {
    const faceParameters = faceParametersOf(fields);
    const info = await avatars.create({
      id: fields.avatar_id,
      sourcePath,
      ...(upload === undefined ? {} : { sourceIsUpload: true }),
      ...(Object.keys(faceParameters).length === 0 ? {} : { faceParameters }),
    });
    return tasks.add(fields.model, info, fields.task_id);
  }
}

/** Where they differ from the usual. */
function faceParametersOf(fields: TaskFields): FaceParameters {
  if (fields.model !== 'musetalk') return {};
  return {
    ...(fields.bbox_shift === 0 ? {} : { bboxShiftPx: fields.bbox_shift }),
    ...(fields.extra_margin === 10 ? {} : { extraMarginPx: fields.extra_margin }),
    ...(fields.parsing_mode === 'jaw' ? {} : { parsingMode: fields.parsing_mode }),
    ...(fields.nosmooth ? { smoothBoxes: false } : {}),
  };
}
