import { OpusEncoder } from '../../encoder/opus-encoder.js';
import type { AudienceDemand } from '../viewers/audience.js';
import type { SoundPacket } from '../viewers/fan-out.js';
import { SLIM_SOUND_BPS } from './session-renditions.js';

/** Repair data for more loss than this would cost more sound than it saves. */
const MAX_EXPECTED_LOSS = 0.2;

/** A session's sound as it is sent: one packet for 20 ms, and a slim one besides while somebody needs it. */
export class SessionSound {
  readonly #opus: OpusEncoder;
  #slim: OpusEncoder | undefined;
  #slimWanted = false;

  /** Takes ownership of the encoder. */
  constructor(opus: OpusEncoder) {
    this.#opus = opus;
  }

  /** `pcm`: 20 ms, 48 kHz, stereo; read within the call. */
  encode(pcm: Int16Array): SoundPacket {
    const full = this.#opus.encode(pcm);
    if (!this.#slimWanted) return { full };
    this.#slim ??= new OpusEncoder({ bitrateBps: SLIM_SOUND_BPS, mono: true });
    return { full, slim: this.#slim.encode(pcm) };
  }

  serve({ slimSound }: Pick<AudienceDemand, 'slimSound'>): void {
    this.#slimWanted = slimSound;
  }

  /** Share of packets that the worst link loses, 0..1. */
  expectLoss(lossShare: number): void {
    this.#opus.setExpectedLossShare(Math.min(MAX_EXPECTED_LOSS, lossShare));
  }

  close(): void {
    this.#opus.close();
    this.#slim?.close();
  }
}
