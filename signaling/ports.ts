/**
 * What the HTTP surface needs from the rest of the server. `src/main.ts` implements these over the real parts and tests
 * implement them with fakes, so no route knows how an avatar or a session is made. Every port refuses with `AppError`.
 */

import type { Diagnosis } from '../src/session/viewers/diagnosis.js';
import type { SessionFigures } from '../src/session/viewers/figures.js';
import type { LiveRate } from '../src/media/upsample.js';
import type { HeardAt, NumberedEvent } from '../src/session/events/session-events.js';
import type {
  RecordingFileView,
  RecordingView as RecordingInfo,
} from '../src/session/recording/recordings.js';
import type { LiveListener } from '../src/session/speech/live-listener.js';
import type { ListenerSettings, SpeakerSettings } from '../src/session/live-senders.js';
import type { LiveReport, LiveSpeaker } from '../src/session/speech/live-speaker.js';
import type { SessionMediaSummary, ViewerStats } from '../src/session/session-metrics.js';
import type { TakesHold } from '../src/session/takes-hold.js';
import type { InterruptedView } from '../src/session/talks.js';
import type { SpokenText } from '../src/session/texts.js';
import type { SpeechMode, UtteranceView as UtteranceInfo } from '../src/session/speech/utterance-book.js';
import type { InletReport } from '../src/session/speech/utterance-inlets.js';

/** What preparation found out about the footage; structurally the report that an avatar's manifest carries. */
export interface QualityReport {
  readonly framesUsed: number;
  readonly framesWithoutFace: number;
  readonly framesTooSmall: number;
  readonly framesTurnedAway: number;
  /** Opening of the mouth relative to the distance of the eyes. */
  readonly mouthOpening: { readonly min: number; readonly median: number; readonly max: number };
  /** Sentences for a human. */
  readonly notes: readonly string[];
}

export interface AvatarInfo {
  readonly id: string;
  readonly state: 'preparing' | 'ready' | 'failed';
  /** 0..1, and 1 when ready. */
  readonly progress: number;
  /** Seconds since 1970, fractional. */
  readonly createdAtUnixS: number;
  readonly error?: { readonly code: string; readonly message: string };
  readonly widthPx?: number;
  readonly heightPx?: number;
  readonly fps?: number;
  readonly frameCount?: number;
  /** True if the source was a photo. */
  readonly still?: boolean;
  readonly quality?: QualityReport;
  /** The engines of generated faces that it is prepared for, by name, with sentences for a human. */
  readonly faces?: Readonly<Record<string, { readonly notes: readonly string[] }>>;
}

/** How generated faces are cut out, where this avatar differs from the server's settings. */
export interface FaceParameters {
  bboxShiftPx?: number;
  extraMarginPx?: number;
  parsingMode?: 'jaw' | 'raw' | 'neck';
  leftCheekWidthPx?: number;
  rightCheekWidthPx?: number;
  smoothBoxes?: boolean;
}

export interface AvatarsPort {
  /**
   * Starts the preparation and answers at once. An upload is owned by the port from here on: it deletes the file when
   * it is done with it, also when it refuses. Throws avatar-exists, invalid-argument, media-undecodable.
   */
  create(options: {
    id: string;
    sourcePath: string;
    sourceIsUpload?: boolean;
    faceParameters?: FaceParameters;
  }): Promise<AvatarInfo>;
  /** Resolves when the avatar is ready, rejects with its error if it failed; aborting only ends the waiting. */
  whenReady(id: string, signal: AbortSignal): Promise<AvatarInfo>;
  list(): Promise<AvatarInfo[]>;
  /** Throws avatar-not-found. */
  get(id: string): Promise<AvatarInfo>;
  /** Path of a JPEG. Throws avatar-not-found, avatar-not-ready. */
  previewPath(id: string): Promise<string>;
  /** Calls back on every change of state or progress; the returned function unsubscribes. */
  subscribe(id: string, listener: (info: AvatarInfo) => void): () => void;
  /** Throws avatar-not-found, avatar-in-use. */
  delete(id: string): Promise<void>;
}

/** A clip that an avatar can play. */
export interface ActionInfo extends Omit<AvatarInfo, 'id' | 'faces'> {
  readonly name: string;
  /** Known once it is ready. */
  readonly durationMs?: number;
}

/** Every method throws avatar-not-found, avatar-not-ready. */
export interface ActionsPort {
  /** As AvatarsPort.create. Throws avatar-exists if the name is taken, no-capacity. */
  create(
    avatarId: string,
    action: { name: string; sourcePath: string; sourceIsUpload?: boolean },
  ): Promise<ActionInfo>;
  list(avatarId: string): Promise<ActionInfo[]>;
  /** Throws action-not-found. */
  get(avatarId: string, name: string): Promise<ActionInfo>;
  /** Whoever plays it goes on to its end. Throws action-not-found. */
  delete(avatarId: string, name: string): Promise<void>;
}

export interface SessionInfo {
  readonly id: string;
  /** Id of the avatar that speaks. */
  readonly avatar: string;
  /** As viewers hear it. */
  readonly state: 'idle' | 'listening' | 'speaking' | 'ended';
  readonly fps: number;
  /** Seconds since 1970, fractional. */
  readonly createdAtUnixS: number;
  readonly viewers: number;
  /** The action that plays. */
  readonly action?: { readonly id: string; readonly name: string };
  readonly widthPx: number;
  readonly heightPx: number;
  /** Which engine draws it, how, and one sentence that says why this one. */
  readonly engine: string;
  readonly engineMode: 'live' | 'prerendered';
  readonly engineReason: string;
  /** Utterances that are being rendered before they play; progress 0..1. */
  readonly rendering: readonly { readonly utteranceId: string; readonly progress: number }[];
  /** How the sound of a live sender arrives, while there is one. */
  readonly live?: LiveReport;
  /** What was asked for with `configure`; what is absent is the server's own choice. */
  readonly settings: SessionSettings;
  /** Counters and gauges; names are camelCase and end in their unit. */
  readonly stats: Readonly<Record<string, number>>;
}

/** What was measured since the session began. Distributions are estimates from histograms; names end in their unit. */
export interface SessionMedia {
  readonly media: SessionMediaSummary;
  /** The first 100 viewers. */
  readonly viewerStats: readonly ViewerStats[];
}

/** What may change while a session runs. */
export interface SessionSettings {
  /** The avatar that is seen; in `SessionInfo.settings` it is not told again. */
  readonly avatar?: string;
  /** `#rrggbb` behind the person of a photo; null: its own. Another avatar begins with its own. */
  readonly background?: string | null;
  /** Pictures a second, at most those that the session began with. */
  readonly fps?: number;
  /** Actions that the avatar plays now and then while nobody speaks; another avatar begins without. */
  readonly idleActions?: readonly { readonly name: string; readonly everyS: number }[];
  /** Ceiling of the picture's bitrate for each viewer. */
  readonly maxBitrateBps?: number;
  /** `auto` follows each viewer's line; the others are the best that a viewer is given. */
  readonly quality?: 'auto' | 'high' | 'mid' | 'low';
  /** What viewers are told about their own buffer (the playout-delay header extension). */
  readonly playoutDelayMs?: { readonly min: number; readonly max: number };
  /** 0 shuts the mouth, 1 is as heard. Seen after some 110 ms; only of the cpu engine. */
  readonly mouthStrength?: number;
  /** 0..1: how much of the picture before stays. */
  readonly mouthSmoothing?: number;
}

export interface SessionCreateOptions {
  avatarId: string;
  /** Chosen by the port if absent. */
  id?: string;
  /** `auto` if absent. */
  engine?: 'auto' | 'cpu' | 'musetalk' | 'wav2lip';
  fps?: number;
  /** Spoken at once. Already resolved by `MediaPathsPort`, or the shipped demo sound. */
  audioPath?: string;
  /** The id then has the legacy form `<avatar id>_<unix seconds>`. */
  legacy?: boolean;
  /** Also save the pictures as PNG and an mp4 of the result. */
  saveImages?: boolean;
  /** The session ends when all that it was given is spoken. */
  endAfterSpeech?: boolean;
  /** It ends when nobody used it for so long; no longer than the server gives every session. */
  idleTimeoutS?: number;
  /** It ends at this age; no later than the server lets every session. */
  maxLengthS?: number;
}

export type { NumberedEvent, SessionEvent } from '../src/session/events/session-events.js';
export type {
  RecordingFileView,
  RecordingView as RecordingInfo,
} from '../src/session/recording/recordings.js';
export type { SpeechMode, UtteranceView as UtteranceInfo } from '../src/session/speech/utterance-book.js';

/** An action that plays. */
export interface ActionPlay {
  readonly id: string;
  readonly name: string;
  /** When it is first seen. */
  readonly at: HeardAt;
}

export interface SessionsPort {
  /** Throws avatar-not-found, avatar-not-ready, no-capacity, media-undecodable, not-supported, model-invalid. */
  create(options: SessionCreateOptions): Promise<SessionInfo>;
  list(): SessionInfo[];
  /** Throws session-not-found. */
  get(id: string): SessionInfo;
  /** Costs more than `get`. Throws session-not-found. */
  media(id: string): Promise<SessionMedia>;
  /** For Prometheus: every session, and at most `listedViewers` viewers one by one. */
  figures(listedViewers: number): Promise<SessionFigures[]>;
  /**
   * Calls back on every event until the session ends, first with those kept after number `afterId` if it is given. The
   * returned function unsubscribes. Throws session-not-found.
   */
  subscribe(id: string, listener: (event: NumberedEvent) => void, afterId?: number): () => void;
  /** The session's owner is there: puts off its end for want of use. Throws session-not-found. */
  keepAlive(id: string): void;
  /** Ends the session. Throws session-not-found. */
  stop(id: string): Promise<void>;
  /**
   * Changes what is given, all of it or nothing, and keeps the rest. Throws session-not-found, session-closed,
   * not-supported; for another avatar avatar-not-found, avatar-not-ready, superseded, worker-died, timeout.
   */
  configure(
    id: string,
    settings: SessionSettings,
  ): Promise<SessionInfo & { readonly takesHold: Readonly<Record<string, TakesHold>> }>;
  /**
   * The avatar plays one of its actions, from some 0.15 s later on. Throws session-not-found, action-not-found,
   * avatar-not-ready, not-supported, superseded (by a newer request), worker-died.
   */
  act(id: string, action: { name: string; times: number }): Promise<ActionPlay>;
  /** Throws session-not-found, action-not-found when none plays. */
  stopActing(id: string): void;
  /**
   * Answers with every candidate in. `etag` is strong and quoted. Throws session-not-found, session-closed, sdp-invalid,
   * sdp-unsupported, no-capacity.
   */
  addPeer(sessionId: string, offerSdp: string): Promise<{ peerId: string; answerSdp: string; etag: string }>;
  /** ETag of the peer's present ICE session; undefined if there is no such peer. */
  peerTag(sessionId: string, peerId: string): string | undefined;
  /**
   * Candidates of the present ICE session; ones that cannot be used are dropped. The caller has checked the ETag. Throws
   * peer-not-found, sdp-invalid, sdp-unsupported, not-supported.
   */
  trickle(sessionId: string, peerId: string, fragment: string): Promise<void>;
  /**
   * The viewer's new credentials, against ours and our candidates, with the new ETag. Throws as `trickle`; the ICE session
   * that runs is kept then.
   */
  restartIce(
    sessionId: string,
    peerId: string,
    fragment: string,
  ): Promise<{ fragment: string; etag: string }>;
  /** Throws session-not-found, peer-not-found. */
  removePeer(sessionId: string, peerId: string): Promise<void>;
  /**
   * JPEG pictures as they are drawn. The port keeps at most 30 for a reader and drops the oldest. Ends with the session
   * or when `signal` aborts. Throws session-not-found before the first picture.
   */
  mjpeg(sessionId: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** What is said in sessions, and to them. */
export interface TalkPort {
  /** An upload is owned by the port from here on, also when it refuses. */
  say(
    id: string,
    options: { audioPath: string; audioIsUpload?: boolean; mode?: SpeechMode },
  ): Promise<UtteranceInfo>;
  /** What the speech and chat services that are configured can do. */
  readonly can: { readonly text: boolean; readonly chat: boolean };
  /** Text that is spoken, queued at once. Throws session-not-found, not-supported, invalid-argument, no-capacity. */
  sayText(id: string, spoken: SpokenText): UtteranceInfo;
  /** Text that a language model answers, the answer being spoken. Throws session-not-found, not-supported, no-capacity. */
  chat(id: string, asked: SpokenText): UtteranceInfo;
  /** Speech whose sound follows with `pushSound`. Throws session-not-found, no-capacity, not-supported. */
  openUtterance(id: string, options: { sampleRate: LiveRate; mode?: SpeechMode }): UtteranceInfo;
  /** PCM16LE mono. Throws utterance-not-found, utterance-closed, invalid-argument, no-capacity. */
  pushSound(
    id: string,
    utteranceId: string,
    bytes: Uint8Array,
    options: { seq?: number; last?: boolean },
  ): InletReport;
  /** Throws session-not-found. */
  utterances(id: string): UtteranceInfo[];
  /** Throws session-not-found, utterance-not-found. */
  utterance(id: string, utteranceId: string): UtteranceInfo;
  /** Waits until it is not heard any more. Throws session-not-found, utterance-not-found. */
  dropUtterance(id: string, utteranceId: string): Promise<void>;
  /** Drops what is spoken and queued, and waits until that is not heard any more. Throws session-not-found. */
  interrupt(id: string): Promise<InterruptedView>;
  /** Shown as a state while nothing is spoken. Throws session-not-found. */
  setListening(id: string, listening: boolean): void;
  /** Sound over WebRTC. Throws session-not-found, sdp-invalid, sdp-unsupported, sender-exists, not-supported. */
  addPublisher(
    sessionId: string,
    offerSdp: string,
    role: 'speak' | 'listen',
  ): { peerId: string; answerSdp: string; etag: string };
  /** As `peerTag`, `trickle`, `restartIce` and `removePeer` of viewers. */
  publisherTag(sessionId: string, publisherId: string): string | undefined;
  tricklePublisher(sessionId: string, publisherId: string, fragment: string): void;
  restartPublisher(
    sessionId: string,
    publisherId: string,
    fragment: string,
  ): { fragment: string; etag: string };
  removePublisher(sessionId: string, publisherId: string): void;
  /** The one sender whose sound is spoken as it comes. Throws session-not-found, sender-exists, not-supported. */
  openSpeaker(id: string, settings: SpeakerSettings): LiveSpeaker;
  closeSpeaker(id: string, speaker: LiveSpeaker): void;
  /** The one sender who is listened to. Throws session-not-found, sender-exists. */
  openListener(id: string, settings: ListenerSettings): LiveListener;
  closeListener(id: string, listener: LiveListener): void;
  /** Goes on with what was interrupted. Throws session-not-found, utterance-closed if there is nothing. */
  resume(id: string): { resumed: string[] };
}

/** Recordings of sessions, those that run and those that are over. */
export interface RecordingsPort {
  /** Throws session-not-found, session-closed, recording-exists, storage-full. */
  start(sessionId: string, asked: { maxLengthS?: number; maxBytes?: number }): Promise<RecordingInfo>;
  /** The one that runs, or the newest. Throws recording-not-found. */
  ofSession(sessionId: string): RecordingInfo;
  /** Resolves when the file is whole; of one that is over, at once. Throws recording-not-found. */
  stop(sessionId: string): Promise<RecordingInfo>;
  /** Newest first. */
  list(sessionId?: string): RecordingInfo[];
  /** Throws recording-not-found. */
  get(id: string): RecordingInfo;
  /** Throws recording-not-found, file-not-found. */
  webm(id: string): RecordingFileView;
  /**
   * Undefined while it is being made, which the first call begins. Throws recording-not-found, recording-running,
   * file-not-found, not-supported, storage-full, no-capacity, ffmpeg-failed, timeout.
   */
  mp4(id: string): RecordingFileView | undefined;
  /** Throws recording-not-found, recording-running. */
  delete(id: string): Promise<void>;
}

/** The server's test of its own connections. */
export interface DiagnosisPort {
  /** Takes 10 s at most. Throws no-capacity while another one runs. */
  run(): Promise<Diagnosis>;
}

export interface MediaPathsPort {
  /** The real path, inside the media roots; otherwise throws path-outside-roots, file-not-found, not-a-file. */
  resolve(path: string): Promise<string>;
  /** The same for an avatar's footage, which may be a folder too. */
  resolveFootage(path: string): Promise<string>;
  /** Where uploads are kept until their port has used them. */
  readonly uploadsDir: string;
}
