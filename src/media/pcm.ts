/** Cuts a byte stream of little-endian signed 16-bit samples into whole sample groups. Each call owns its result. */
export class PcmAssembler {
  readonly #groupBytes: number;
  #rest: Uint8Array = new Uint8Array(0);

  /** `channels` interleaved samples are kept together. */
  constructor(channels: number) {
    this.#groupBytes = channels * 2;
  }

  /** Every complete group so far, as a new array; empty when there is none. */
  push(bytes: Uint8Array): Int16Array {
    const total = this.#rest.length + bytes.length;
    const whole = total - (total % this.#groupBytes);
    const samples = new Int16Array(whole / 2);
    const target = new Uint8Array(samples.buffer);
    const fromRest = Math.min(this.#rest.length, whole);
    target.set(this.#rest.subarray(0, fromRest));
    target.set(bytes.subarray(0, whole - fromRest), fromRest);
    this.#rest =
      whole === 0
        ? Buffer.concat([this.#rest, bytes])
        : Uint8Array.from(bytes.subarray(bytes.length - (total - whole)));
    return samples;
  }
}
