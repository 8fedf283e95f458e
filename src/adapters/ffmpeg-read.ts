import { AppError } from '../errors.js';
import type { FfmpegProcess } from './ffmpeg.js';

/**
 * The standard output of an ffmpeg that is read at the consumer's pace, so that only silence, not slowness of the
 * consumer, counts against it: throws `timeout` if a read waits longer than `stallLimitMs`, and what `done` throws.
 * Leaving the loop early ends ffmpeg. The yielded bytes belong to the consumer.
 */
export async function* readOutput(
  run: FfmpegProcess,
  stallLimitMs: number,
): AsyncGenerator<Buffer, void, undefined> {
  let stalled = false;
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    timer = setTimeout(() => {
      stalled = true;
      void run.kill();
    }, stallLimitMs);
  };
  try {
    arm();
    try {
      for await (const bytes of run.stdout) {
        clearTimeout(timer);
        yield bytes as Buffer;
        arm();
      }
    } catch (error) {
      // A killed process tears its pipe; that is told below.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    }
    if (!stalled) await run.done;
    if (stalled) throw new AppError('timeout', `ffmpeg gave nothing for ${stallLimitMs} ms`);
  } finally {
    clearTimeout(timer);
    await run.kill();
  }
}
