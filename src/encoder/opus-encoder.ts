import { Encoder } from '@evan/opus';
import { AppError } from '../errors.js';
import { MEDIA_RATE, OPUS_FRAME_SAMPLES } from '../media/timeline.js';

const CHANNELS = 2;
/** OPUS_GET_LOOKAHEAD_REQUEST; the package's types misspell its own property for it. */
const GET_LOOKAHEAD = 4027;
const DEFAULT_BITRATE_BPS = 64_000;

/**
 * Opus in process: 48 kHz stereo, 20 ms a packet. What a decoder plays lags its packet by the encoder's lookahead
 * (`lookaheadSamples`, 312 at 48 kHz = 6.5 ms); the packet's RTP time stamp accounts for it (see session/peer.ts).
 */
export class OpusEncoder {
  #encoder: Encoder | undefined;

  constructor(options: { bitrateBps?: number } = {}) {
    const bitrateBps = options.bitrateBps ?? DEFAULT_BITRATE_BPS;
    if (!(bitrateBps >= 6000 && bitrateBps <= 510_000)) {
      throw new AppError('invalid-argument', `an Opus bit rate lies in 6000..510000, got ${bitrateBps}`);
    }
    this.#encoder = new Encoder({ channels: CHANNELS, sample_rate: MEDIA_RATE, application: 'audio' });
    this.#encoder.bitrate = bitrateBps;
    this.#encoder.signal = 'voice';
  }

  /** Media samples by which the decoded sound lags. */
  get lookaheadSamples(): number {
    return this.#open().ctl(GET_LOOKAHEAD);
  }

  /** 960 stereo samples (1920 interleaved values, read only) to one packet in a buffer of the caller's own. */
  encode(stereo48k960: Int16Array): Uint8Array {
    if (stereo48k960.length !== OPUS_FRAME_SAMPLES * CHANNELS) {
      throw new AppError(
        'invalid-argument',
        `an Opus packet takes ${OPUS_FRAME_SAMPLES * CHANNELS} values, got ${stereo48k960.length}`,
      );
    }
    return new Uint8Array(this.#open().encode(stereo48k960));
  }

  /** Lets the native state go with the next garbage collection. */
  close(): void {
    this.#encoder = undefined;
  }

  #open(): Encoder {
    if (this.#encoder === undefined) throw new AppError('session-closed', 'the Opus encoder is closed');
    return this.#encoder;
  }
}
