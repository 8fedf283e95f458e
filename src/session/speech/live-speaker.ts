import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import { samplesToMs } from '../../media/timeline.js';
import type { LiveRate } from '../../media/upsample.js';
import { VoiceGate } from '../../media/voice-gate.js';
import { JitterMeter, MAX_TARGET_MS } from './jitter-meter.js';
import { MAX_BUFFERED_MS, PcmInlet } from './pcm-inlet.js';
import type { SpeechOptions } from './speech-queue.js';
import type { SpeechMode } from './utterance-book.js';
import { SENDER_LIMIT_MS } from './utterance-inlets.js';
import { Utterance } from './utterance.js';

/** Quiet sound that is kept while nobody speaks, so that the first syllable of what follows is whole; it delays it as much. */
const PRE_ROLL_MS = 40;
/** An utterance begins with so much of it at the latest: an answer that comes soon is worth a gap now and then. */
const FIRST_HOLD_MS = 200;
/** A sender that did not hear of an interrupt goes on for a while; what comes after a pause of this is new speech. */
const NEW_SPEECH_AFTER_MS = 300;

export interface LiveSpeakerOptions {
  readonly rate: LiveRate;
  /** Of each utterance; default `append`. */
  readonly mode?: SpeechMode;
  /** An utterance ends when nothing came, or nothing but silence, for so long; undefined: when the sender says so, or is gone. */
  readonly endAfterMs: number | undefined;
  say(utterance: Utterance, options: { mode: SpeechMode } & SpeechOptions): void;
  readonly clock: Clock;
}

/** How a sender's sound arrives and waits. */
export interface LiveReport {
  /** Sound that waits to be fed, and how much of it should wait before an utterance begins. */
  readonly depthMs: number;
  readonly targetMs: number;
  readonly jitterMs: number;
  /** Sound that came, that was taken to be spoken, and that was thrown away since its speech had been interrupted. */
  readonly receivedMs: number;
  readonly spokenMs: number;
  readonly discardedMs: number;
  /** False asks the sender to wait. */
  readonly hasRoom: boolean;
}

/** What is spoken now. */
interface Current {
  readonly utterance: Utterance;
  readonly inlet: PcmInlet;
}

/**
 * Speech that arrives while it is spoken: PCM16LE mono in pieces of any length, cut into utterances by the sender or by
 * silence. An utterance begins once so much of it waits as the unevenness of its arrival asks for, 200 ms at most; after a
 * gap it waits for as much as that asks for, 400 ms at most. No sample is ever left out to catch up.
 */
export class LiveSpeaker {
  readonly #options: LiveSpeakerOptions;
  readonly #jitter = new JitterMeter();
  readonly #gate: VoiceGate;
  #current: Current | undefined;
  /** The newest silence, of at most PRE_ROLL_MS. */
  #preRoll: Uint8Array[] = [];
  #receivedSamples = 0;
  #spokenSamples = 0;
  #discardedSamples = 0;
  #discarding = false;
  #lastMs = -Infinity;
  #stopTimer: () => void = () => {};
  #closed = false;

  constructor(options: LiveSpeakerOptions) {
    this.#options = options;
    const { rate, endAfterMs = 800 } = options;
    this.#gate = new VoiceGate({ rate, attackMs: 10, releaseMs: endAfterMs, thresholdDbfs: -55 });
  }

  /** Of the utterance that is being sent. */
  get utteranceId(): string | undefined {
    return this.#current?.utterance.id;
  }

  get report(): LiveReport {
    const { inlet, utterance } = this.#current ?? {};
    const depthMs = (inlet?.bufferedMs ?? 0) + samplesToMs(utterance?.waitingSamples ?? 0);
    const toMs = (samples: number): number => Math.round((samples * 1000) / this.#options.rate);
    return {
      depthMs: Math.round(depthMs),
      targetMs: Math.round(this.#jitter.targetMs),
      jitterMs: Math.round(this.#jitter.jitterMs),
      receivedMs: toMs(this.#receivedSamples),
      spokenMs: toMs(this.#spokenSamples),
      discardedMs: toMs(this.#discardedSamples),
      hasRoom: inlet?.hasRoom ?? true,
    };
  }

  /** Resolves once there is room again. */
  async room(): Promise<void> {
    await this.#current?.inlet.room();
  }

  /** @throws invalid-argument for an odd number of bytes, no-capacity if far more waits than may */
  push(bytes: Uint8Array): void {
    if (this.#closed) throw new AppError('utterance-closed', 'the sender has ended');
    if (bytes.length % 2 !== 0)
      throw new AppError('invalid-argument', `${bytes.length} bytes are no whole number of 16-bit samples`);
    if (bytes.length === 0) return;
    const nowMs = this.#options.clock.now();
    const count = bytes.length / 2;
    this.#receivedSamples += count;
    if (this.#discarding && nowMs - this.#lastMs > NEW_SPEECH_AFTER_MS) this.#discarding = false;
    this.#lastMs = nowMs;
    if (this.#options.endAfterMs !== undefined) this.#cutBySilence(bytes, nowMs);
    else if (this.#discarding) this.#discardedSamples += count;
    else this.#speak([bytes], nowMs);
  }

  /** The utterance is complete. */
  end(): void {
    this.#discarding = false;
    this.#stopTimer();
    this.#current?.inlet.end();
    this.#current = undefined;
  }

  /** What came so far shall not be spoken; what comes from now on is new. */
  clear(): void {
    this.end();
    this.#preRoll = [];
  }

  close(): void {
    if (this.#closed) return;
    this.end();
    this.#closed = true;
  }

  #cutBySilence(bytes: Uint8Array, nowMs: number): void {
    const mono = new Int16Array(bytes.length / 2);
    new Uint8Array(mono.buffer).set(bytes);
    const wasOpen = this.#gate.isOpen;
    const isOpen = this.#gate.push(mono);
    if (this.#discarding && isOpen) {
      this.#discardedSamples += mono.length;
      return;
    }
    // A microphone never pauses: what is said after silence is new.
    const wasDiscarding = this.#discarding;
    this.#discarding = false;
    if (!isOpen && (!wasOpen || wasDiscarding)) {
      this.#preRoll.push(bytes);
      const most = (PRE_ROLL_MS * this.#options.rate * 2) / 1000;
      let held = this.#preRoll.reduce((sum, { length }) => sum + length, 0);
      while (held - (this.#preRoll[0]?.length ?? 0) >= most) held -= this.#preRoll.shift()?.length ?? 0;
      return;
    }
    this.#speak([...this.#preRoll.splice(0), bytes], nowMs);
    if (!isOpen) this.end();
  }

  #speak(pieces: readonly Uint8Array[], nowMs: number): void {
    const current = (this.#current ??= this.#begin(nowMs));
    for (const bytes of pieces) {
      this.#jitter.arrived(nowMs, samplesToMs(current.inlet.receivedSamples));
      current.inlet.push(bytes);
      this.#spokenSamples += bytes.length / 2;
    }
    this.#stopTimer();
    const { clock, endAfterMs = SENDER_LIMIT_MS } = this.#options;
    this.#stopTimer = clock.after(endAfterMs, () => this.end());
  }

  #begin(nowMs: number): Current {
    const { rate, mode = 'append', say, clock } = this.#options;
    const inlet = new PcmInlet(rate);
    const utterance = new Utterance(randomUUID(), (signal) => inlet.sound(signal));
    const current: Current = { utterance, inlet };
    this.#jitter.restart();
    const waits = (mostMs: number): boolean => {
      const targetMs = Math.min(mostMs, this.#jitter.targetMs);
      const depthMs = inlet.bufferedMs + samplesToMs(utterance.waitingSamples);
      return !inlet.ended && depthMs < targetMs;
    };
    try {
      say(utterance, {
        mode,
        heldAt: () => waits(FIRST_HOLD_MS) && clock.now() - nowMs < this.#jitter.targetMs,
        waitsForMore: () => waits(MAX_TARGET_MS),
        onDropped: () => this.#dropped(current),
      });
    } catch (error) {
      inlet.end();
      void utterance.close();
      throw error;
    }
    return current;
  }

  /** Interrupted, be it by the sender or not: what it still sends of it is not to be spoken. */
  #dropped(current: Current): void {
    if (this.#current !== current) return;
    this.end();
    this.#discarding = true;
  }
}

/** A sender that does not heed `hasRoom` is held back when so much waits. */
export const HOLD_BACK_MS = 1.5 * MAX_BUFFERED_MS;
