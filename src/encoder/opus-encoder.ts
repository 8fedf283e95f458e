import { Encoder } from '@evan/opus';
import { AppError } from '../errors.js';
import { MEDIA_RATE, OPUS_FRAME_SAMPLES } from '../media/timeline.js';

const CHANNELS = 2;
/** OPUS_GET_LOOKAHEAD_REQUEST; the package's types misspell its own property for it. */
const GET_LOOKAHEAD = 4027;
const DEFAULT_BITRATE_BPS = 64_000;

export interface OpusEncoderOptions {
  /** 6000 .. 510000, default 64 kbit/s. */
  readonly bitrateBps?: number;
  /**
   * Codes the mean of both channels (default false). The packets stay what `opus/48000/2` promises: a decoder plays them
   * on both sides, and they may follow stereo ones of another encoder.
   */
  readonly mono?: boolean;
}

/**
 * Opus in process: 48 kHz stereo in, 20 ms a packet. What a decoder plays lags its packet by the encoder's lookahead
 * (`lookaheadSamples`, 312 at 48 kHz = 6.5 ms, in every mode); the packet's RTP time stamp accounts for it (see
 * session/viewers/peer.ts).
 */
export class OpusEncoder {
  #encoder: Encoder | undefined;
  #lossPercent = 0;

  constructor(options: OpusEncoderOptions = {}) {
    const bitrateBps = options.bitrateBps ?? DEFAULT_BITRATE_BPS;
    if (!(bitrateBps >= 6000 && bitrateBps <= 510_000)) {
      throw new AppError('invalid-argument', `an Opus bit rate lies in 6000..510000, got ${bitrateBps}`);
    }
    this.#encoder = new Encoder({ channels: CHANNELS, sample_rate: MEDIA_RATE, application: 'audio' });
    this.#encoder.bitrate = bitrateBps;
    this.#encoder.signal = 'voice';
    if (options.mono) this.#encoder.force_channels = 1;
  }

  /** Media samples by which the decoded sound lags. */
  get lookaheadSamples(): number {
    return this.#open().ctl(GET_LOOKAHEAD);
  }

  /**
   * How much of what is sent gets lost, 0..1. Above 0, speech is coded so that each packet carries a coarse copy of the
   * one before (LBRR, RFC 6716 section 2.1.7), from which a receiver repairs a single loss. The copy is paid out of the
   * bit rate: below 8 kHz libopus then codes by SILK, above by CELT. In full band that takes 32 kbit/s (mono) or more; at
   * 24 kbit/s libopus makes copies from 6 % loss on only, and for them cuts at 8 kHz. Back at 0 the copies end; libopus
   * may stay with SILK for a while, which is not heard.
   */
  setExpectedLossShare(share: number): void {
    if (!(share >= 0 && share <= 1))
      throw new AppError('invalid-argument', `a share of lost packets lies in 0..1, got ${share}`);
    const encoder = this.#open();
    const lossPercent = Math.ceil(share * 100);
    if (lossPercent === this.#lossPercent) return;
    this.#lossPercent = lossPercent;
    encoder.inband_fec = lossPercent > 0;
    encoder.packet_loss = lossPercent;
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
