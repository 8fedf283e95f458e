import { fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { AppError, toAppError, type ErrorCode } from '../errors.js';

/** What a job process tells its parent. */
export type JobMessage<Result> =
  | { type: 'progress'; fraction: number }
  | { type: 'done'; result: Result }
  | { type: 'failed'; code: ErrorCode; message: string };

export interface JobOptions {
  onProgress?(fraction: number): void;
  signal?: AbortSignal;
  /** 0 normal .. 19 lowest priority, so that live sessions come first. */
  niceness?: number;
}

/**
 * Runs one long piece of work (preparing an avatar, rendering a file) in a process of its own: neural networks
 * block the thread that calls them, and a job that crashes must not take the server along.
 * @throws what the job failed with; `worker-died` when its process ended without a word; the abort reason.
 */
export async function runJob<Result>(
  module: 'prepare-job' | 'import-job' | 'face-job' | 'render-job',
  input: object,
  options: JobOptions = {},
): Promise<Result> {
  options.signal?.throwIfAborted();
  const child = fork(fileURLToPath(new URL(`./${module}.js`, import.meta.url)), [JSON.stringify(input)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  if (child.pid !== undefined && options.niceness) setPriority(child.pid, options.niceness);
  const abort = () => child.kill('SIGTERM');
  options.signal?.addEventListener('abort', abort);
  try {
    return await new Promise<Result>((resolve, reject) => {
      let outcome: (() => void) | undefined;
      child.on('message', (raw) => {
        const message = raw as JobMessage<Result>;
        if (message.type === 'progress') options.onProgress?.(message.fraction);
        else if (message.type === 'done') outcome = () => resolve(message.result);
        else outcome = () => reject(new AppError(message.code, message.message));
      });
      child.once('error', reject);
      // Settled only when the process is really gone, so that nothing of it writes afterwards.
      child.once('exit', (code, signal) => {
        if (outcome) outcome();
        else if (options.signal?.aborted) reject(options.signal.reason as Error);
        else
          reject(
            new AppError(
              'worker-died',
              `the ${module} process ended unexpectedly (${signal ?? `exit code ${code}`})`,
            ),
          );
      });
    });
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}

/** The child's half: runs `work` with the parent's input, reports, and ends. SIGTERM or a lost parent aborts. */
export async function serveJob<Input, Result>(
  work: (
    input: Input,
    context: { onProgress(fraction: number): void; signal: AbortSignal },
  ) => Promise<Result>,
): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort(new AppError('internal', 'the job was stopped'));
  process.on('SIGTERM', stop);
  process.on('SIGINT', () => {});
  process.on('disconnect', stop);
  const send = (message: JobMessage<Result>) =>
    new Promise<void>((resolve) =>
      process.connected ? process.send?.(message, () => resolve()) : resolve(),
    );
  let last = -1;
  try {
    const result = await work(JSON.parse(process.argv[2] ?? '{}') as Input, {
      signal: controller.signal,
      onProgress(fraction) {
        if (fraction < 1 && fraction - last < 0.01) return;
        last = fraction;
        void send({ type: 'progress', fraction });
      },
    });
    await send({ type: 'done', result });
  } catch (error) {
    const { code, message } = toAppError(error);
    if (!controller.signal.aborted) await send({ type: 'failed', code, message });
  }
  process.exit(0);
}
