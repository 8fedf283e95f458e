import { randomUUID } from 'node:crypto';
import { AppError } from '../../src/errors.js';
import type { AvatarInfo, AvatarsPort } from '../ports.js';

/** Tasks that are remembered; the oldest are forgotten first. */
const REMEMBERED = 1000;

interface Task {
  readonly id: string;
  readonly model: string;
  readonly startUnixS: number;
  endUnixS: number | undefined;
  /** As it was last heard of. */
  avatar: AvatarInfo;
}

/** Preparations as LiveTalking tells them. */
export class AvatarTasks {
  readonly #avatars: AvatarsPort;
  readonly #nowMs: () => number;
  readonly #tasks = new Map<string, Task>();

  constructor(avatars: AvatarsPort, nowMs: () => number) {
    this.#avatars = avatars;
    this.#nowMs = nowMs;
  }

  /** Before a long upload. @throws invalid-argument */
  assertNew(taskId: string | undefined): void {
    if (taskId !== undefined && this.#tasks.has(taskId))
      throw new AppError('invalid-argument', `there is a task ${taskId} already`);
  }

  /** Takes in an avatar whose preparation has begun, and returns the task's id. */
  add(model: string, avatar: AvatarInfo, taskId: string = randomUUID()): string {
    const task: Task = { id: taskId, model, startUnixS: this.#nowMs() / 1000, endUnixS: undefined, avatar };
    this.#tasks.set(taskId, task);
    if (this.#tasks.size > REMEMBERED) this.#tasks.delete(this.#tasks.keys().next().value!);
    const off = this.#avatars.subscribe(avatar.id, (info) => look(info));
    const look = (info: AvatarInfo): void => {
      task.avatar = info;
      if (info.state === 'preparing') return;
      task.endUnixS ??= this.#nowMs() / 1000;
      off();
    };
    // It may have ended before anybody listened.
    void this.#avatars.get(avatar.id).then(look, off);
    return taskId;
  }

  get(id: string): object | undefined {
    const task = this.#tasks.get(id);
    return task && this.#told(task);
  }

  /** The newest first. */
  list(): object[] {
    return [...this.#tasks.values()].reverse().map((task) => this.#told(task));
  }

  statusOf(id: string): string | undefined {
    const task = this.#tasks.get(id);
    return task && STATUS[task.avatar.state];
  }

  #told({ id, model, startUnixS, endUnixS, avatar }: Task): object {
    return {
      task_id: id,
      model_type: model,
      avatar_id: avatar.id,
      status: STATUS[avatar.state],
      progress: avatar.state === 'ready' ? 100 : Math.min(99, Math.floor(100 * avatar.progress)),
      error_msg: avatar.error?.message ?? '',
      notify_url: null,
      start_time: startUnixS,
      end_time: endUnixS ?? null,
      duration: (endUnixS ?? this.#nowMs() / 1000) - startUnixS,
    };
  }
}

const STATUS = { preparing: 'running', ready: 'completed', failed: 'failed' } as const;
