/**
 * Messages between the server and a media worker (child process, advanced serialization). Down go avatars' ids and
 * 16 kHz sound; up come encoded pictures. Raw pictures never cross.
 */

export interface WorkerSettings {
  avatarsDir: string;
  modelsDir: string;
  logLevel: string;
  ffmpeg: {
    path: string;
    origin: 'FFMPEG_BIN' | 'ffmpeg-static' | 'PATH' | '@ffmpeg-installer';
    version: string;
    vsyncArgs: readonly string[];
  };
}

export type ToWorker =
  | { type: 'open'; streamId: number; avatarId: string; fps: number; bitrateBps: number; firstIndex: number }
  /** 16 kHz mono, -1..1, contiguous media time. */
  | { type: 'sound'; streamId: number; pcm: Float32Array }
  /** The next picture to be encoded shall be a keyframe. */
  | { type: 'keyframe'; streamId: number }
  /** Starts or ends JPEG encoding beside VP8. */
  | { type: 'jpeg'; streamId: number; wanted: boolean }
  | { type: 'close'; streamId: number }
  | { type: 'shutdown' };

export type FromWorker =
  | { type: 'ready' }
  | { type: 'opened'; streamId: number; widthPx: number; heightPx: number; lookaheadMs: number }
  | { type: 'open-failed'; streamId: number; code: string; message: string }
  | { type: 'picture'; streamId: number; index: number; key: boolean; data: Uint8Array }
  | { type: 'jpeg'; streamId: number; index: number; data: Uint8Array }
  /** Once a second while something was drawn. */
  | {
      type: 'stats';
      streamId: number;
      frames: number;
      skipped: number;
      renderMs: number;
      encodeMs: number;
      backlogMs: number;
    }
  | { type: 'stream-failed'; streamId: number; message: string }
  | { type: 'closed'; streamId: number };
