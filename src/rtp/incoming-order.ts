import { rtpHeaderBytes } from './srtp-opener.js';

export interface IncomingPayload {
  readonly data: Buffer;
  /** Ticks of its clock between the end of what came before and its beginning: 0 unless something was lost. */
  readonly lostTicks: number;
}

interface Waiting {
  readonly data: Buffer;
  readonly timestamp: number;
}

/** A packet that is missing is waited for until so many later ones came. */
const REACH = 4;
/** A longer hole is no loss but a new beginning. */
const MAX_HOLE_TICKS = 9600;

/** One sender's packets of one payload type in the order of their numbers. */
export class IncomingOrder {
  readonly #payloadType: number;
  readonly #waiting = new Map<number, Waiting>();
  #next: number | undefined;
  #endTicks: number | undefined;

  constructor(payloadType: number) {
    this.#payloadType = payloadType;
  }

  /** Takes an RTP packet, gives what can be played now. `ticksOf` says how long a payload lasts. */
  take(packet: Buffer, ticksOf: (data: Buffer) => number): IncomingPayload[] {
    const headerBytes = rtpHeaderBytes(packet);
    if (headerBytes === undefined || ((packet[1] ?? 0) & 0x7f) !== this.#payloadType) return [];
    const padding = ((packet[0] ?? 0) & 0x20) === 0 ? 0 : (packet.at(-1) ?? 0);
    const data = packet.subarray(headerBytes, packet.length - padding);
    if (data.length === 0) return [];
    const number = packet.readUInt16BE(2);
    this.#next ??= number;
    const ahead = signed16(number - this.#next);
    if (ahead < 0) return []; // given up already
    if (ahead > 64) this.#restart(number);
    this.#waiting.set(number, { data, timestamp: packet.readUInt32BE(4) });
    return this.#drain(ticksOf);
  }

  #drain(ticksOf: (data: Buffer) => number): IncomingPayload[] {
    const ready: IncomingPayload[] = [];
    while (this.#waiting.size > 0 && this.#next !== undefined) {
      const found = this.#waiting.get(this.#next);
      if (found === undefined) {
        if (this.#waiting.size < REACH) break;
        this.#next = (this.#next + 1) & 0xffff;
        continue;
      }
      this.#waiting.delete(this.#next);
      this.#next = (this.#next + 1) & 0xffff;
      const lost = this.#endTicks === undefined ? 0 : (found.timestamp - this.#endTicks) | 0;
      this.#endTicks = (found.timestamp + ticksOf(found.data)) >>> 0;
      ready.push({ data: found.data, lostTicks: lost > 0 && lost <= MAX_HOLE_TICKS ? lost : 0 });
    }
    return ready;
  }

  #restart(number: number): void {
    this.#waiting.clear();
    this.#next = number;
    this.#endTicks = undefined;
  }
}

function signed16(value: number): number {
  return ((value & 0xffff) ^ 0x8000) - 0x8000;
}
