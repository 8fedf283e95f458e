import type { Clock } from '../../lib/clock.js';
import type { OutgoingStream } from '../../rtp/outgoing-stream.js';

/** Repeats may take so much of what is sent in a second, which answers a fifth of all packets lost. */
const REPEAT_SHARE = 0.3;
const MIN_REPEAT_BYTES = 20_000;
/** On a link that is known to be narrow they would keep its queue full. */
const NARROW_REPEAT_SHARE = 0.08;
const MIN_NARROW_REPEAT_BYTES = 4_000;
/** A line that loses more than this share. */
const LOSSY_SHARE = 0.01;
const SECOND_COPY_MS = 20;
const MAX_SECOND_COPIES = 32;
/** The budget of a second is paid off so often in it. */
const STEPS_PER_S = 50;

/** What is known of the viewer's link at the moment. */
export interface LinkState {
  readonly narrow: boolean;
  /** On the wire, all told. */
  readonly sentBps: number;
  readonly lossShare: number;
  readonly rttMs: number | undefined;
}

/**
 * Answers a viewer's NACKs (RFC 4585 section 6.2.1), within a share of what is sent anyway: repeats must not fill a link
 * that loses packets because it is full.
 */
export class Repairs {
  readonly #clock: Clock;
  readonly #link: () => LinkState;
  /** Sent and not paid off yet. */
  #bytes = 0;
  /** The newest picture's last packet was not sent twice yet. */
  #tailPending = false;

  constructor(clock: Clock, link: () => LinkState) {
    this.#clock = clock;
    this.#link = link;
  }

  /** All packets of a picture were sent. */
  pictureLeft(): void {
    this.#tailPending = true;
  }

  /**
   * Every 20 ms. On a lossy line the last packet of each picture goes twice: the viewer would only notice at the next
   * picture that it is missing.
   */
  step(stream: Pick<OutgoingStream, 'probe'> | undefined): void {
    if (this.#bytes === 0 && !this.#tailPending) return;
    const link = this.#link();
    this.#bytes = Math.max(0, this.#bytes - (shareOf(link.narrow) * link.sentBps) / 8 / STEPS_PER_S);
    if (this.#tailPending && isLossy(link)) stream?.probe(0, this.#clock.now());
    this.#tailPending = false;
  }

  /**
   * Returns how many of the packets were repeated (others are kept no more, or were just repeated), and how many the
   * budget forbade: for those only a key picture helps.
   */
  repeat(
    stream: Pick<OutgoingStream, 'repeat' | 'repeated'>,
    sequenceNumbers: readonly number[],
  ): { repeated: number; refused: number } {
    const link = this.#link();
    const { narrow, sentBps, rttMs = 0 } = link;
    const leastBytes = narrow ? MIN_NARROW_REPEAT_BYTES : MIN_REPEAT_BYTES;
    const budgetBytes = Math.max(leastBytes, (shareOf(narrow) * sentBps) / 8);
    const { repeated } = stream;
    const nowMs = this.#clock.now();
    let refused = 0;
    for (const sequenceNumber of sequenceNumbers) {
      if (this.#bytes > budgetBytes) refused += 1;
      else this.#bytes += stream.repeat(sequenceNumber, nowMs, rttMs);
    }
    if (isLossy(link)) {
      // A viewer whose request or repeat was lost asks again only after its idea of a round trip, which is 100 ms at least.
      const sent = sequenceNumbers.slice(0, MAX_SECOND_COPIES);
      this.#clock.after(SECOND_COPY_MS, () => {
        for (const sequenceNumber of sent) this.#bytes += stream.repeat(sequenceNumber, this.#clock.now(), 0);
      });
    }
    return { repeated: stream.repeated - repeated, refused };
  }
}

/** Not for being full: then more packets would only make it worse. */
function isLossy({ lossShare, narrow }: LinkState): boolean {
  return lossShare > LOSSY_SHARE && !narrow;
}

function shareOf(narrow: boolean): number {
  return narrow ? NARROW_REPEAT_SHARE : REPEAT_SHARE;
}
