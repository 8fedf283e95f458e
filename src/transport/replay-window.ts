/**
 * Which SRTCP packets came already (RFC 3711 sections 3.3.2 and 3.4): recorded wishes for key pictures or repeats must
 * not work again.
 */
const WINDOW = 64n;
const ALL = (1n << WINDOW) - 1n;
/** Senders whose numbers are remembered; a viewer has one or two. */
const MAX_SENDERS = 16;

export class ReplayWindow {
  /** By SSRC: the highest index, and a bit for each of the 64 up to it, the lowest bit being the highest index. */
  readonly #senders = new Map<number, { highest: number; came: bigint }>();

  /** True the first time. For authentic packets only. `index`: 31 bits. */
  take(ssrc: number, index: number): boolean {
    const sender = this.#senders.get(ssrc);
    if (sender === undefined) {
      if (this.#senders.size >= MAX_SENDERS) return false;
      this.#senders.set(ssrc, { highest: index, came: 1n });
      return true;
    }
    const ahead = BigInt(index - sender.highest);
    if (ahead > 0n) {
      sender.came = ahead >= WINDOW ? 1n : ((sender.came << ahead) | 1n) & ALL;
      sender.highest = index;
      return true;
    }
    const bit = 1n << -ahead;
    if (-ahead >= WINDOW || (sender.came & bit) !== 0n) return false;
    sender.came |= bit;
    return true;
  }
}
