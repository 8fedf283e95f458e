/** So much of the latest sound is kept, samples at 16 kHz: 4 s. */
const KEPT_SAMPLES = 64_000;

/** The latest sound of a stream, for an engine that begins in the middle of it. */
export class SoundMemory {
  readonly #pieces: { readonly start: number; readonly pcm: Float32Array }[] = [];
  #end = 0;
  #hushedUntil = 0;

  /** Samples since the stream began. */
  get end(): number {
    return this.#end;
  }

  /** Copies `pcm`. */
  push(pcm: Float32Array): void {
    const piece = { start: this.#end, pcm: pcm.slice() };
    this.#end += pcm.length;
    piece.pcm.fill(0, 0, Math.max(0, this.#hushedUntil - piece.start));
    this.#pieces.push(piece);
    for (let first = this.#pieces[0]; first !== undefined; first = this.#pieces[0]) {
      if (first.start + first.pcm.length > this.#end - KEPT_SAMPLES) return;
      this.#pieces.shift();
    }
  }

  /** Sound from sample `from` to `until`, which may be still to come, is not heard by anybody: it is silent here. */
  hush(from: number, until: number): void {
    this.#hushedUntil = Math.max(this.#hushedUntil, until);
    for (const { start, pcm } of this.#pieces)
      pcm.fill(0, clamp(from - start, pcm.length), clamp(until - start, pcm.length));
  }

  /** What is kept from sample `from` on; silence stands for what is not. The arrays are only to be read. */
  since(from: number): Float32Array[] {
    const first = this.#pieces[0]?.start ?? this.#end;
    const missing = first > from ? [new Float32Array(first - from)] : [];
    const kept = this.#pieces
      .filter(({ start, pcm }) => start + pcm.length > from)
      .map(({ start, pcm }) => pcm.subarray(Math.max(0, from - start)));
    return [...missing, ...kept];
  }
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(0, value));
}
