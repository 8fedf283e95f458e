import type { MouthTuning } from '../engine/engine.js';
import type { OpusEncoder } from '../encoder/opus-encoder.js';
import type { Clock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import type { WorkerStream, WorkerStreamOptions } from '../worker/host.js';
import type { Audience, AudienceEvents } from './viewers/audience.js';
import type { HeardAt, SpokenState } from './events/session-events.js';
import type { SessionLifeOptions } from './session-life.js';
import type { PictureSettings } from './playout/session-renditions.js';
import type { DroppedSpeech } from './speech/session-speech.js';
import type { SpeechOptions } from './speech/speech-queue.js';
import type { Stopped } from './playout/stop-measure.js';
import type { SpeechMode } from './speech/utterance-book.js';

export interface SessionOptions {
  id: string;
  avatarId: string;
  fps: number;
  bitrateBps: number;
  /** When it should end. */
  life: Omit<SessionLifeOptions, 'onEnding'>;
  /** Viewers without VP8 can be sent H.264. */
  h264?: boolean;
  /** The faces of an utterance are made before it plays. */
  rehearses?: boolean;
  openStream(options: WorkerStreamOptions): Promise<WorkerStream>;
  openAudience(events: AudienceEvents): Audience;
  opus: OpusEncoder;
  clock: Clock;
  log: Log;
}

export interface SessionSettings extends PictureSettings {
  /** Range of the delay that players shall add, ms. */
  readonly playoutDelayMs: readonly [number, number];
  /** How the mouth moves. */
  readonly mouth: MouthTuning;
  /** Pictures a second, at most those that the session counts in. */
  readonly rateFps: number;
}

export type SessionState = SpokenState | 'ended';

export interface SayOptions {
  /** Default `append`. */
  readonly mode?: SpeechMode;
  /** Holds it back until somebody listens (3 s at most). */
  readonly untilWatched?: boolean;
  /** Where its sound lies, for a session that renders before it plays; read until `say` resolves. */
  readonly audioPath?: string;
  /** Of speech that arrives while it is spoken. */
  readonly live?: SpeechOptions;
}

/** What an interrupt did. */
export interface Interrupted {
  /** How much was heard of the speech that played; 0 if none did. */
  readonly playedMs: number;
  /** All that will not be heard, in its order, with what was heard of it. */
  readonly dropped: readonly DroppedSpeech[];
  /** Whether `resume` can go on with it. */
  readonly resumable: boolean;
  /** From when on it is silent and the mouth is shut; absent where nothing was heard or about to be. */
  readonly silentAt?: HeardAt;
  readonly shutAt?: HeardAt;
  /** Resolves when it is silent and the mouth is shut, as far as the server can see: half a second at most. */
  readonly stopped: Promise<Stopped>;
}
