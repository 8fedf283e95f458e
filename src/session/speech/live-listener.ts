import { AppError } from '../../errors.js';
import { Downsampler48To16 } from '../../media/resample.js';
import { Upsampler, type LiveRate } from '../../media/upsample.js';
import { VoiceGate } from '../../media/voice-gate.js';
import { VoiceRun } from '../../media/voice-run.js';

/** Voice is over after so much without it. */
const RELEASE_MS = 500;

/** Who tells a voice from other sound. */
export interface ListenerEar {
  /** 16 kHz mono, -1..1. */
  push(pcm: Float32Array): void;
  close(): void;
}

export interface ListenerEarEvents {
  /** How likely a voice is (0..1), for each 10 ms, in order and soon after the sound. */
  onVoice(likely: Float32Array): void;
  /** It hears no more; once. */
  onDeaf(): void;
}

export interface LiveListenerOptions {
  readonly rate: LiveRate;
  /** Voice interrupts the avatar; default true. */
  readonly bargeIn?: boolean;
  /** Never voice below this level; default -40. */
  readonly thresholdDbfs?: number;
  /** Voice must last so long before it counts, so that a cough does not interrupt; default 120. */
  readonly minVoiceMs?: number;
  /** Absent: any sound that is loud enough is a voice. */
  openEar?(events: ListenerEarEvents): ListenerEar;
  onVoice(speaking: boolean): void;
  /** Somebody begins to speak while the avatar does. */
  onBargeIn(): void;
  isAvatarSpeaking(): boolean;
}

/**
 * What is heard of the person whom the avatar talks with. It is not played; it tells when the avatar should listen. Somebody
 * speaks when it is loud enough (energy with hysteresis) and sounds like a voice; by loudness alone where nobody can tell.
 */
export class LiveListener {
  readonly #options: LiveListenerOptions;
  readonly #gate: VoiceGate;
  readonly #run: VoiceRun;
  readonly #ear: ListenerEar | undefined;
  readonly #upsampler: Upsampler;
  readonly #downsampler = new Downsampler48To16();
  #deaf = false;
  #speaking = false;
  #closed = false;

  constructor(options: LiveListenerOptions) {
    this.#options = options;
    const { rate, thresholdDbfs = -40, minVoiceMs = 120 } = options;
    this.#gate = new VoiceGate({ rate, thresholdDbfs, attackMs: minVoiceMs, releaseMs: RELEASE_MS });
    this.#run = new VoiceRun({ attackMs: minVoiceMs, releaseMs: RELEASE_MS });
    this.#upsampler = new Upsampler(rate);
    this.#ear = options.openEar?.({
      onVoice: (likely) => {
        this.#run.push(likely);
        this.#judge();
      },
      onDeaf: () => (this.#deaf = true),
    });
  }

  /** PCM16LE mono. @throws invalid-argument for an odd number of bytes */
  push(bytes: Uint8Array): void {
    if (bytes.length % 2 !== 0)
      throw new AppError('invalid-argument', `${bytes.length} bytes are no whole number of 16-bit samples`);
    const mono = new Int16Array(bytes.length / 2);
    new Uint8Array(mono.buffer).set(bytes);
    this.#gate.push(mono);
    if (!this.#deaf) this.#ear?.push(this.#downsampler.push(this.#upsampler.push(mono)));
    this.#judge();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ear?.close();
    if (this.#speaking) this.#options.onVoice(false);
  }

  #judge(): void {
    const { bargeIn = true, onVoice, onBargeIn, isAvatarSpeaking } = this.#options;
    const isVoice = this.#ear === undefined || this.#deaf || this.#run.isOpen;
    const speaking = this.#gate.isOpen && isVoice;
    if (speaking === this.#speaking || this.#closed) return;
    this.#speaking = speaking;
    onVoice(speaking);
    if (speaking && bargeIn && isAvatarSpeaking()) onBargeIn();
  }
}
