import type { MouthTiming } from '../engine/cpu/mouth-model.js';
import type { MouthTuning } from '../engine/engine.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import type { CostDecision } from '../engine/faces/cost-model.js';
import type { FaceBasis } from '../engine/face-basis.js';
import type { RenditionRequest } from '../encoder/renditions.js';
import type { YuvColour } from '../media/colour.js';
import type { RenditionName } from '../media/frame.js';

/**
 * Messages between the server and a media worker (child process, advanced serialization). Down go avatars' ids and
 * 16 kHz sound; up come encoded pictures. Raw pictures never cross.
 */

export interface WorkerSettings {
  avatarsDir: string;
  modelsDir: string;
  logLevel: string;
  /** Absent: the CPU engine. */
  face?: FaceEngineSettings;
  /** When the CPU engine's mouth is told; `sure` if absent. */
  lipTiming?: MouthTiming;
  /** A module that takes the CPU engine's place (see open-engine.ts); tests and benches measure the path with it. */
  engineModule?: string;
  ffmpeg: {
    path: string;
    origin: 'FFMPEG_BIN' | 'ffmpeg-static' | 'PATH' | '@ffmpeg-installer';
    version: string;
    vsyncArgs: readonly string[];
    codesH264: boolean;
  };
}

/** What a worker of generated faces found out about its engine. */
export interface FaceReadiness {
  plan: CostDecision;
  /** What prepared faces depend on, besides their parameters. */
  basis: FaceBasis;
  /** Where the networks really compute; preparation uses the same files. */
  provider: 'cpu' | 'cuda';
}

export type ToWorker =
  /** The stream begins with `high` at full size and this bit rate. */
  | {
      type: 'open';
      streamId: number;
      avatarId: string;
      fps: number;
      bitrateBps: number;
      firstIndex: number;
      epoch: number;
      /** Of the pictures; the avatar's own if absent, as in a session that begins. */
      sizePx?: { widthPx: number; heightPx: number };
      /** Behind the person of a photo; its own if absent. */
      background?: YuvColour;
    }
  /** Another avatar takes the place of the one that is seen, with a cross-fade. Answered by shown or show-failed. */
  | { type: 'show'; streamId: number; showId: number; avatarId: string; background?: YuvColour }
  /** The avatar plays one of its actions. Answered in the same way; later comes act-over. */
  | { type: 'act'; streamId: number; showId: number; name: string; times: number }
  | { type: 'stop-acting'; streamId: number }
  /** So many of the session's pictures a second are drawn from now on; the others are left out. */
  | { type: 'rate'; streamId: number; fps: number }
  /** 16 kHz mono, -1..1, contiguous media time. */
  | { type: 'sound'; streamId: number; pcm: Float32Array }
  /** The renditions to be encoded from now on, at most one of each name. */
  | { type: 'renditions'; streamId: number; wanted: readonly RenditionRequest[] }
  /** The next picture to be encoded shall be a keyframe, in this rendition or in all. */
  | { type: 'keyframe'; streamId: number; rendition?: RenditionName }
  /** Starts or ends JPEG encoding beside VP8. */
  | { type: 'jpeg'; streamId: number; wanted: boolean }
  | { type: 'tune'; streamId: number; tuning: MouthTuning }
  /** Makes the faces of a whole sound file before it plays. */
  | { type: 'rehearse'; streamId: number; rehearsalId: number; audioPath: string }
  | { type: 'drop-rehearsal'; streamId: number; rehearsalId: number }
  /** The rehearsed sound's first sample is media time `atMs`; comes before that sound. */
  | { type: 'cue'; streamId: number; rehearsalId: number; atMs: number }
  /**
   * The speech was interrupted: from media time `fromMs` of this stream on, what was sent so far is not to be seen. Its
   * pictures from then on belong to `epoch`, and are drawn again where they were drawn already.
   */
  | { type: 'cut'; streamId: number; epoch: number; fromMs: number }
  | { type: 'close'; streamId: number }
  /** Sound that is listened to, not spoken: 16 kHz mono, -1..1. The first begins, `deafen` ends it. */
  | { type: 'listen'; earId: number; pcm: Float32Array }
  | { type: 'deafen'; earId: number }
  | { type: 'shutdown' };

export type FromWorker =
  | { type: 'ready'; faces?: FaceReadiness }
  /** The engine cannot be built; starting the process again would not help. */
  | { type: 'unusable'; code: string; message: string }
  | { type: 'opened'; streamId: number; widthPx: number; heightPx: number; lookaheadMs: number }
  | { type: 'open-failed'; streamId: number; code: string; message: string }
  | {
      type: 'picture';
      streamId: number;
      rendition: RenditionName;
      index: number;
      epoch: number;
      key: boolean;
      data: Uint8Array;
    }
  /** The next picture of this rendition is the first that another encoder codes. */
  | { type: 'coded-anew'; streamId: number; rendition: RenditionName }
  | { type: 'jpeg'; streamId: number; index: number; epoch: number; data: Uint8Array }
  /** Once a second while something was drawn. */
  | {
      type: 'stats';
      streamId: number;
      frames: number;
      skipped: number;
      renderMs: number;
      encodeMs: number;
      backlogMs: number;
      /** Pictures that renditions beside `high` left out, and encoders of theirs that were started again. */
      renditionDrops: number;
      renditionRestarts: number;
    }
  /** What was asked for is first seen in picture `fromIndex` of the session, and nothing else from `toIndex` on. */
  | { type: 'shown'; streamId: number; showId: number; fromIndex: number; toIndex: number }
  | { type: 'show-failed'; streamId: number; showId: number; code: string; message: string }
  /** From picture `fromIndex` on the action makes room for what follows. */
  | { type: 'act-over'; streamId: number; showId: number; fromIndex: number; interrupted: boolean }
  | { type: 'rehearsing'; streamId: number; rehearsalId: number; fraction: number }
  | { type: 'rehearsed'; streamId: number; rehearsalId: number; code?: string; message?: string }
  | { type: 'stream-failed'; streamId: number; message: string }
  | { type: 'closed'; streamId: number }
  /** How likely a voice is (0..1), each 10 ms; absent: this worker cannot tell. */
  | { type: 'voice'; earId: number; likely?: Float32Array };
