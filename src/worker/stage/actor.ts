import type { AvatarSource, EngineStream, MouthTuning } from '../../engine/engine.js';
import { Letterbox } from '../../compositor/letterbox.js';
import type { I420Frame } from '../../media/frame.js';
import { ENGINE_RATE } from '../../media/timeline.js';

/** Long sound is heard in pieces of 100 ms, so that others get their turn. */
const HEARD_AT_ONCE = 1600;

export interface ActorOptions {
  readonly avatar: AvatarSource;
  readonly stream: EngineStream;
  readonly fps: number;
  /** Of the pictures that it gives. */
  readonly widthPx: number;
  readonly heightPx: number;
  /** The stage's picture that is the stream's first, and the stage's sample that is the first it hears. */
  readonly firstPicture: number;
  readonly firstSample: number;
}

/**
 * One avatar and the engine's stream that draws it, in step with a stage: pictures are asked for one by one, in the
 * stage's numbers and size. Owns both.
 */
export class Actor {
  readonly avatar: AvatarSource;
  readonly #options: ActorOptions;
  readonly #stream: EngineStream;
  readonly #letterbox: Letterbox | undefined;
  readonly #unheard: Float32Array[] = [];
  /** Of the sound that is being heard: its pictures. */
  #hearing: AsyncIterator<I420Frame> | undefined;
  #next: number;
  #closing: Promise<void> | undefined;

  constructor(options: ActorOptions) {
    const { avatar, stream, widthPx, heightPx } = options;
    this.#options = options;
    this.avatar = avatar;
    this.#stream = stream;
    this.#next = options.firstPicture;
    if (avatar.widthPx !== widthPx || avatar.heightPx !== heightPx)
      this.#letterbox = new Letterbox(avatar, { widthPx, heightPx });
  }

  /** The stage's picture that is the stream's first. */
  get firstPicture(): number {
    return this.#options.firstPicture;
  }

  get stream(): EngineStream {
    return this.#stream;
  }

  /** Picture `index` of the footage as the stage shows it, in memory of its own. */
  still(index: number): I420Frame {
    const { widthPx, heightPx } = this.avatar;
    const data = new Uint8Array((widthPx * heightPx * 3) / 2);
    this.avatar.readFrame(index, data);
    if (this.#letterbox === undefined) return { widthPx, heightPx, data };
    const fitted = this.#letterbox.fit(data);
    return { ...fitted, data: fitted.data.slice() };
  }

  /** Sound that follows what it was given before; only read. */
  hear(pcm: Float32Array): void {
    if (pcm.length <= HEARD_AT_ONCE) this.#unheard.push(pcm);
    else
      for (let at = 0; at < pcm.length; at += HEARD_AT_ONCE)
        this.#unheard.push(pcm.subarray(at, at + HEARD_AT_ONCE));
  }

  /** Hears what waits, as far as it can before picture `index` is due; what belongs to the pictures before is passed over. */
  async warmUp(index: number): Promise<void> {
    this.seek(index);
    const { firstPicture, fps } = this.#options;
    const dueMs = ((index - firstPicture) * 1000) / fps + this.#stream.lookaheadMs;
    let leftSamples = Math.floor((dueMs * ENGINE_RATE) / 1000) - 1;
    for (let pcm = this.#unheard[0]; pcm !== undefined; pcm = this.#unheard[0]) {
      leftSamples -= pcm.length;
      if (leftSamples < 0 || this.#closing !== undefined) return;
      this.#unheard.shift();
      for await (const frame of this.#stream.push(pcm)) void frame;
    }
  }

  /** Goes on where `other` stands, which has the same first picture; `soundFrom` gives the stage's sound from a sample on. */
  takeOver(other: Actor, soundFrom: (sample: number) => Float32Array[]): void {
    const heard = this.#stream.hearAs?.(other.#stream) ?? 0;
    this.#next = other.#next;
    this.#unheard.splice(0);
    for (const pcm of soundFrom(this.#options.firstSample + heard)) this.hear(pcm);
  }

  /** The next picture; undefined when the sound that it needs is not there. Valid until the next call. */
  async picture(): Promise<I420Frame | undefined> {
    for (;;) {
      if (this.#hearing === undefined) {
        const pcm = this.#unheard.shift();
        if (pcm === undefined) return undefined;
        this.#hearing = this.#stream.push(pcm)[Symbol.asyncIterator]();
      }
      const result = await this.#hearing.next();
      if (result.done !== true) {
        this.#next += 1;
        return this.#letterbox?.fit(result.value.data) ?? result.value;
      }
      this.#hearing = undefined;
    }
  }

  /** The next picture is the stage's `index`. Back only where the engine can. */
  seek(index: number): void {
    const by = index - this.#next;
    if (by > 0) this.#stream.skip(by);
    else if (by < 0) this.#stream.rewind?.(-by);
    this.#next = index;
  }

  tune(tuning: MouthTuning): void {
    this.#stream.tune?.(tuning);
  }

  /** As EngineStream.cut, in the stage's time. */
  cut(untilMs: number): void {
    this.#stream.cut?.(untilMs - (this.#options.firstSample * 1000) / ENGINE_RATE);
  }

  close(): Promise<void> {
    this.#closing ??= this.#stream.close().finally(() => this.avatar.close());
    return this.#closing;
  }
}
