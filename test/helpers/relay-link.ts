/** How one direction of a relay treats packets. */
export interface LinkPolicy {
  /** Share of packets that get lost, 0..1. */
  readonly lossShare: number;
  /** Mean length of a burst of losses, in packets, at least 1; undefined: each packet is lost or not by itself. */
  readonly lossBurstPackets: number | undefined;
  readonly delayMs: number;
  /** Up to so much more delay, evenly spread. Packets never overtake each other. */
  readonly jitterMs: number;
  /** Counted with the IP and UDP headers; undefined: no limit. */
  readonly rateBps: number | undefined;
  /** How much waits before a link that is too slow; what comes on top is dropped. */
  readonly queueMs: number;
}

export interface LinkCounters {
  /** What came in: the sum of all others and of what is still under way. */
  readonly packets: number;
  readonly bytes: number;
  readonly delivered: number;
  readonly deliveredBytes: number;
  readonly lost: number;
  /** Dropped because the queue was full. */
  readonly overflowed: number;
}

export const CLEAR_LINK: LinkPolicy = {
  lossShare: 0,
  lossBurstPackets: undefined,
  delayMs: 0,
  jitterMs: 0,
  rateBps: undefined,
  queueMs: 300,
};

/** IPv4 and UDP headers. */
export const OVERHEAD_BYTES = 28;

interface Waiting<T> {
  readonly item: T;
  readonly sizeBytes: number;
  /** In the queue: when it came. Under way: when it arrives. */
  readonly atMs: number;
}

/**
 * One direction of a path as a router and a wire would treat it: losses first, then a queue with tail drop before a
 * link of limited rate, then the way. It owns no timer and no socket: the owner says what time it is.
 */
export class RelayLink<T> {
  #policy: LinkPolicy = CLEAR_LINK;
  readonly #random: () => number;
  readonly #queue: Waiting<T>[] = [];
  readonly #underWay: Waiting<T>[] = [];
  #queuedBytes = 0;
  /** Until then the link is busy with a packet that has left the queue. */
  #freeAtMs = -Infinity;
  #lastArrivalMs = -Infinity;
  #inBurst = false;
  readonly #counters = { packets: 0, bytes: 0, delivered: 0, deliveredBytes: 0, lost: 0, overflowed: 0 };

  constructor(random: () => number) {
    this.#random = random;
  }

  /** What is in the queue already leaves at the new rate. */
  setPolicy(policy: LinkPolicy, nowMs: number): void {
    this.#send(nowMs);
    this.#policy = policy;
    if (policy.lossBurstPackets === undefined) this.#inBurst = false;
  }

  counters(): LinkCounters {
    return { ...this.#counters };
  }

  push(item: T, payloadBytes: number, nowMs: number): void {
    this.#counters.packets += 1;
    this.#counters.bytes += payloadBytes;
    if (this.#loses()) {
      this.#counters.lost += 1;
      return;
    }
    this.#send(nowMs);
    const sizeBytes = payloadBytes + OVERHEAD_BYTES;
    if (this.#bitsMs(this.#queuedBytes + sizeBytes) > this.#policy.queueMs && this.#queuedBytes > 0) {
      this.#counters.overflowed += 1;
      return;
    }
    this.#queue.push({ item, sizeBytes, atMs: nowMs });
    this.#queuedBytes += sizeBytes;
  }

  /** What has arrived by now, in order. */
  take(nowMs: number): T[] {
    this.#send(nowMs);
    const arrived: T[] = [];
    for (;;) {
      const first = this.#underWay[0];
      if (first === undefined || first.atMs > nowMs) return arrived;
      this.#underWay.shift();
      this.#counters.delivered += 1;
      this.#counters.deliveredBytes += first.sizeBytes - OVERHEAD_BYTES;
      arrived.push(first.item);
    }
  }

  /** When to call `take` again; undefined while nothing is on its way. */
  nextMs(): number | undefined {
    const [underWay, queued] = [this.#underWay[0], this.#queue[0]];
    if (underWay !== undefined) return underWay.atMs;
    return queued === undefined ? undefined : this.#sentAtMs(queued);
  }

  #bitsMs(bytes: number): number {
    return this.#policy.rateBps === undefined ? 0 : (bytes * 8000) / this.#policy.rateBps;
  }

  #sentAtMs(packet: Waiting<T>): number {
    return Math.max(packet.atMs, this.#freeAtMs) + this.#bitsMs(packet.sizeBytes);
  }

  /** Moves what has passed the slow link by now from the queue to the way. */
  #send(nowMs: number): void {
    for (;;) {
      const head = this.#queue[0];
      if (head === undefined) return;
      const sentAtMs = this.#sentAtMs(head);
      if (sentAtMs > nowMs) return;
      this.#queue.shift();
      this.#queuedBytes -= head.sizeBytes;
      this.#freeAtMs = sentAtMs;
      const { delayMs, jitterMs } = this.#policy;
      this.#lastArrivalMs = Math.max(this.#lastArrivalMs, sentAtMs + delayMs + jitterMs * this.#random());
      this.#underWay.push({ ...head, atMs: this.#lastArrivalMs });
    }
  }

  /** Gilbert's model of bursts: a good state without loss and a bad one in which every packet is lost. */
  #loses(): boolean {
    const { lossShare, lossBurstPackets } = this.#policy;
    if (lossBurstPackets === undefined) return this.#random() < lossShare;
    const leave = 1 / lossBurstPackets;
    const enter = (leave * lossShare) / (1 - lossShare);
    this.#inBurst = this.#random() < (this.#inBurst ? 1 - leave : enter);
    return this.#inBurst;
  }
}

/** Marsaglia's 32-bit xorshift: the same numbers in 0..1 for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
