import type { YuvColour } from '../media/colour.js';
import type { I420Frame, RgbImage } from '../media/frame.js';

/** A prepared avatar, opened for reading by one worker. Frames are read on demand, never all held in memory. */
export interface AvatarSource {
  readonly id: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly frameCount: number;
  readonly fps: number;
  /** True for a photo: the engine adds blinks, turns of the head and raised brows. */
  readonly still: boolean;
  /** Where an engine may keep what it finds out about it; absent for an avatar that lies nowhere. */
  readonly folder?: string;
  /** How its faces are cut out, where that differs from the engine's settings (engine/faces FaceParameters). */
  readonly faceParameters?: Readonly<Record<string, number | string | boolean>> | undefined;
  /** Reads picture `index` (0..frameCount-1) into `target` (I420, i420SizeBytes long). */
  readFrame(index: number, target: Uint8Array): void;
  /** 1404 values of picture `index` (see media/frame.ts Landmarks); a view, not to be written to. */
  landmarks(index: number): Float32Array;
  close(): void;
}

/** How a mouth moves, of what was heard. */
export interface MouthTuning {
  /** 0 shuts it, 1 is as heard, 2 twice as far. */
  readonly strength: number;
  /** 0..1: how much of the picture before stays; 0 is as heard. */
  readonly smoothing: number;
}

/** How long a mouth takes to shut when its speech is cut off, where an engine can draw again what was drawn. */
export const CLOSING_MS = 60;

/** Turns one avatar and a stretch of sound into pictures. One instance a session. */
export interface EngineStream {
  /** How much sound after a picture's own time the engine needs before it can draw it. */
  readonly lookaheadMs: number;
  /**
   * Appends 16 kHz mono samples (-1..1) and yields, in order, the pictures that are due: a picture is handed out when
   * the sound up to `lookaheadMs` behind its time was pushed, never earlier, and is waited for then.
   * Picture k shows media time k / fps, counted from the first sample pushed. The yielded buffer belongs to the
   * stream and is valid until the next one is asked for.
   */
  push(pcm: Float32Array): AsyncIterable<I420Frame>;
  /**
   * Leaves the next `count` pictures out: they are neither drawn nor yielded, and the one after them is the next.
   * For a machine that cannot keep up: a picture that is missing is better than one that is late for ever.
   */
  skip(count: number): void;
  /**
   * Plays a rehearsed utterance whose first sample is pushed as media time `timeMs`, a picture's start: its faces are
   * shown from that picture on, and a take before it plays until then. One that is cued late lacks its first faces, the
   * others keep their places. The stream closes the take, at once if it is closed. Only where the engine can rehearse.
   */
  cue?(take: Take, timeMs: number): void;
  /**
   * The speech that was pushed, or is on its way up to `untilMs`, was interrupted: the mouth shuts within CLOSING_MS, a
   * take that plays ends with a short fade, and those behind it are dropped.
   */
  cut?(untilMs: number): void;
  /** How the mouth moves from the next picture on. Absent where it is not possible. */
  tune?(tuning: MouthTuning): void;
  /** The next picture is again the one `count` before: those were drawn, but not shown. Absent where it is not possible. */
  rewind?(count: number): void;
  /**
   * From now on as if it had been given what `other` was given, a stream of the same engine and rate that nobody waits for
   * meanwhile, and with its next picture. Gives how many samples that was. Absent where a stream must hear for itself.
   */
  hearAs?(other: EngineStream): number;
  close(): Promise<void>;
}

export interface EngineStreamOptions {
  fps: number;
  /** Where the idle loop stands at the stream's first picture, in pictures of `fps` since its beginning; 0 if absent. */
  loopFrom?: number;
  /** Behind the person of a photo, instead of what is there. */
  background?: YuvColour;
}

/** An utterance whose faces were made before it plays: picture k for step k of the footage's loop. */
export interface Take {
  /** Its sound's, and those in which the mouth comes to rest behind it. */
  readonly pictureCount: number;
  /** The face of picture `index` since the utterance began, valid until the next call; undefined where none is shown. */
  face(index: number): RgbImage | undefined;
  /** 0..1: how much of the face is shown. */
  strength(index: number): number;
  close(): void;
}

export interface RehearseOptions {
  fps: number;
  /** Where to keep the faces; the take removes what it wrote when it is closed. */
  folder: string;
  onProgress?(fraction: number): void;
  signal?: AbortSignal;
}

/** Hears whether somebody speaks, in one stretch of sound. */
export interface Ear {
  /** Appends 16 kHz mono samples (-1..1; only read) and gives how likely a voice is (0..1), for each 10 ms that are due. */
  push(pcm16k: Float32Array): Promise<Float32Array>;
}

export type EngineName = 'cpu' | 'musetalk' | 'wav2lip';

export interface Engine {
  readonly name: EngineName;
  open(avatar: AvatarSource, options: EngineStreamOptions): Promise<EngineStream>;
  /** Makes the faces of a whole utterance (16 kHz mono) as fast as the machine can; absent where it is not needed. */
  rehearse?(avatar: AvatarSource, pcm: Float32Array, options: RehearseOptions): Promise<Take>;
  /** Absent where the engine cannot tell a voice from other sound. */
  listen?(): Ear;
  close(): Promise<void>;
}
