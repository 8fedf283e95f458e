import { AppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import type { LiveRate } from '../../media/upsample.js';
import { PcmInlet } from './pcm-inlet.js';

/** An utterance whose next sound does not come for so long has lost its sender. */
export const SENDER_LIMIT_MS = 30_000;

interface Open {
  readonly inlet: PcmInlet;
  nextSeq: number;
  stopTimer: () => void;
}

/** What was done with a piece of sound. */
export interface InletReport {
  /** Sound that came so far, and how much of it waits. */
  readonly receivedMs: number;
  readonly bufferedMs: number;
  /** Whether more may come now; else the sender should wait for what waits to be spoken. */
  readonly hasRoom: boolean;
}

/** The utterances of a server whose sound is still to come, in pieces, each in a request of its own. */
export class UtteranceInlets {
  readonly #clock: Clock;
  readonly #open = new Map<string, Open>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(utteranceId: string, rate: LiveRate): PcmInlet {
    const inlet = new PcmInlet(rate);
    const open: Open = { inlet, nextSeq: 0, stopTimer: () => {} };
    this.#open.set(utteranceId, open);
    this.#watch(utteranceId, open);
    return inlet;
  }

  /**
   * Takes the next piece; one that was taken already is passed over. `seq` counts them from 0 if the sender repeats pieces
   * whose answer got lost.
   * @throws utterance-closed, invalid-argument for a piece out of its turn, no-capacity
   */
  push(utteranceId: string, bytes: Uint8Array, options: { seq?: number; last?: boolean } = {}): InletReport {
    const open = this.#open.get(utteranceId);
    if (open === undefined)
      throw new AppError('utterance-closed', `utterance ${utteranceId} takes no more sound`);
    const { inlet } = open;
    const seq = options.seq ?? open.nextSeq;
    if (seq > open.nextSeq)
      throw new AppError(
        'invalid-argument',
        `the next piece is number ${open.nextSeq}, not ${seq}: one is missing`,
      );
    if (seq === open.nextSeq) {
      inlet.push(bytes);
      open.nextSeq += 1;
      if (options.last === true) inlet.end();
    }
    if (inlet.ended) this.#forget(utteranceId, open);
    else this.#watch(utteranceId, open);
    const receivedMs = Math.round(inlet.receivedSamples / 48);
    return { receivedMs, bufferedMs: Math.round(inlet.bufferedMs), hasRoom: inlet.hasRoom };
  }

  /** The utterance is over, whatever is still sent. */
  close(utteranceId: string): void {
    const open = this.#open.get(utteranceId);
    if (open === undefined) return;
    open.inlet.end();
    this.#forget(utteranceId, open);
  }

  #watch(utteranceId: string, open: Open): void {
    open.stopTimer();
    open.stopTimer = this.#clock.after(SENDER_LIMIT_MS, () => {
      this.#forget(utteranceId, open);
      open.inlet.fail(new AppError('timeout', `no more sound came for ${SENDER_LIMIT_MS / 1000} s`));
    });
  }

  #forget(utteranceId: string, open: Open): void {
    open.stopTimer();
    this.#open.delete(utteranceId);
  }
}
