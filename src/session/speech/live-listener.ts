import { AppError } from '../../errors.js';
import { VoiceGate } from '../../media/voice-gate.js';
import type { LiveRate } from '../../media/upsample.js';

export interface LiveListenerOptions {
  readonly rate: LiveRate;
  /** Voice interrupts the avatar; default true. */
  readonly bargeIn?: boolean;
  /** Never voice below this level; default -40. */
  readonly thresholdDbfs?: number;
  /** Voice must last so long before it counts, so that a cough does not interrupt; default 120. */
  readonly minVoiceMs?: number;
  onVoice(speaking: boolean): void;
  /** Somebody begins to speak while the avatar does. */
  onBargeIn(): void;
  isAvatarSpeaking(): boolean;
}

/** What is heard of the person whom the avatar talks with. It is not played; it tells when the avatar should listen. */
export class LiveListener {
  readonly #options: LiveListenerOptions;
  readonly #gate: VoiceGate;

  constructor(options: LiveListenerOptions) {
    this.#options = options;
    const { rate, thresholdDbfs = -40, minVoiceMs = 120 } = options;
    this.#gate = new VoiceGate({ rate, thresholdDbfs, attackMs: minVoiceMs, releaseMs: 500 });
  }

  /** PCM16LE mono. @throws invalid-argument for an odd number of bytes */
  push(bytes: Uint8Array): void {
    if (bytes.length % 2 !== 0)
      throw new AppError('invalid-argument', `${bytes.length} bytes are no whole number of 16-bit samples`);
    const mono = new Int16Array(bytes.length / 2);
    new Uint8Array(mono.buffer).set(bytes);
    const before = this.#gate.isOpen;
    const speaking = this.#gate.push(mono);
    if (speaking !== before) this.#options.onVoice(speaking);
    if (speaking && !before && (this.#options.bargeIn ?? true) && this.#options.isAvatarSpeaking())
      this.#options.onBargeIn();
  }

  close(): void {
    if (this.#gate.isOpen) this.#options.onVoice(false);
  }
}
