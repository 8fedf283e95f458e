import { WebmWriter, type WebmTail } from '../../encoder/matroska/webm-writer.js';
import { vp8Size } from '../../encoder/vp8-size.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import { frameToSamples, OPUS_FRAME_SAMPLES, samplesToMs } from '../../media/timeline.js';
import { OPUS_LOOKAHEAD_SAMPLES } from '../../rtp/opus.js';
import type { SoundPacket } from '../viewers/fan-out.js';

/** Key pictures are where a player may jump to; nobody else may ask for one for hours. */
const KEY_EVERY_MS = 5000;
/** One that was asked for and did not come is asked for again. */
const ASK_AGAIN_MS = 1000;
/** Two seconds of packets, of which the few before the first picture are used. */
const MAX_EARLY_PACKETS = 100;
/** Sound leaves 40 ms before its picture: so much of it that is over at the end belongs to pictures that never came. */
const SOUND_AHEAD_MS = 100;
/** How far sound may go beyond the greatest length before it ends a recording without pictures. */
const SOUND_ALONE_MS = 1000;
/** What a block, its share of a cluster and a possible cue may add. */
const BLOCK_EXTRA_BYTES = 128;

export type LimitReason = 'max-length' | 'max-bytes';

export interface RecorderOptions {
  readonly fps: number;
  /** Unix ms. */
  readonly createdAtMs: number;
  readonly maxMs: number;
  readonly maxBytes: number;
  /** At most once a second. */
  onKeyframeNeeded(rendition: RenditionName): void;
  /** The first picture is there; media time 0 of the file is `mediaSamples` of the session. */
  onBegan(start: { mediaSamples: number; widthPx: number; heightPx: number }): void;
  /** To be appended to the file; the receiver's to keep. */
  onBytes(bytes: Buffer): void;
  /** Nothing is taken any more: call `end`. */
  onLimit(reason: LimitReason): void;
}

/**
 * Turns what leaves a session into a WebM file: coded pictures and packets of sound as they are, with their media times.
 * It begins with a key picture, asks for one every five seconds, and follows the best rendition that anybody may have.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  #early: { data: Uint8Array; mediaSamples: number }[] = [];
  #started:
    { readonly writer: WebmWriter; readonly mediaSamples: number; readonly soundSamples: number } | undefined;
  #rendition: RenditionName = 'high';
  #wanted: RenditionName = 'high';
  #lastIndex = -1;
  #lastKeyMs = 0;
  #askedMs: number | undefined;
  #soundEndMs = 0;
  #over = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** So far, in whole pictures. */
  get durationMs(): number {
    return this.#started === undefined ? 0 : this.#atMs(this.#lastIndex + 1);
  }

  /** As far as it is known now. */
  get sizeBytes(): number {
    return this.#started?.writer.sizeBytes ?? 0;
  }

  /** The rendition that it writes, and the one that it waits for a key picture of. */
  demand(top: RenditionName): readonly RenditionName[] {
    this.#wanted = top;
    if (this.#started === undefined) return [top];
    // One that others get already does not begin anew by itself.
    if (top !== this.#rendition) this.#askForKey(this.#mediaMs(this.#lastIndex));
    return [this.#rendition, top];
  }

  sound({ full }: SoundPacket, mediaSamples: number): void {
    if (this.#over) return;
    if (this.#started !== undefined) {
      // Pictures are what is counted, unless none comes any more.
      if (!this.#fits(this.#soundEndMs - SOUND_ALONE_MS, full.length)) return;
      this.#writeSound(full, mediaSamples);
      return;
    }
    this.#early.push({ data: full, mediaSamples });
    if (this.#early.length > MAX_EARLY_PACKETS) this.#early.shift();
    // The one that was asked for at first may have been lost with its worker.
    this.#askForKey(samplesToMs(mediaSamples));
  }

  picture(renditions: readonly EncodedPicture[]): void {
    const picture = this.#pick(renditions);
    if (this.#over || picture === undefined || picture.index <= this.#lastIndex) return;
    if (this.#started === undefined) this.#begin(picture);
    if (!this.#fits(this.#atMs(picture.index + 1), picture.data.length)) return;
    const atMs = this.#atMs(picture.index);
    if (picture.key) this.#lastKeyMs = atMs;
    else if (atMs - this.#lastKeyMs >= KEY_EVERY_MS) this.#askForKey(this.#mediaMs(picture.index));
    this.#lastIndex = picture.index;
    this.#started!.writer.picture(atMs, picture.key, picture.data);
  }

  /** Writes what waits; undefined if there was no picture, and so nothing. */
  end(): (WebmTail & { durationMs: number }) | undefined {
    this.#over = true;
    this.#early = [];
    if (this.#started === undefined) return undefined;
    const picturesMs = this.durationMs;
    const lastsMs = this.#soundEndMs - picturesMs > SOUND_AHEAD_MS ? this.#soundEndMs : picturesMs;
    const durationMs = Math.min(lastsMs, this.#options.maxMs);
    return { ...this.#started.writer.end(durationMs), durationMs };
  }

  /** Else it is over, which is told once. */
  #fits(endMs: number, bytes: number): boolean {
    const { maxMs, maxBytes, onLimit } = this.#options;
    const tooLong = endMs > maxMs;
    if (!tooLong && this.sizeBytes + bytes + BLOCK_EXTRA_BYTES <= maxBytes) return true;
    this.#over = true;
    onLimit(tooLong ? 'max-length' : 'max-bytes');
    return false;
  }

  #pick(renditions: readonly EncodedPicture[]): EncodedPicture | undefined {
    const of = (name: RenditionName) => renditions.find(({ rendition = 'high' }) => rendition === name);
    const wanted = of(this.#wanted);
    if (wanted?.key && (this.#started !== undefined || this.#hasSoundOf(wanted))) {
      this.#rendition = this.#wanted;
      return wanted;
    }
    return this.#started === undefined ? undefined : of(this.#rendition);
  }

  /** One that was on its way already has its sound behind it: then the next key picture is the first. */
  #hasSoundOf({ index }: EncodedPicture): boolean {
    const first = this.#early[0]?.mediaSamples;
    if (first === undefined) return false;
    return first === 0 || first - OPUS_LOOKAHEAD_SAMPLES <= frameToSamples(index, this.#options.fps);
  }

  #begin({ index, data }: EncodedPicture): void {
    const { fps, createdAtMs, onBegan, onBytes } = this.#options;
    const mediaSamples = frameToSamples(index, fps);
    const early = this.#early.splice(0);
    // Decoded, a packet begins with what was heard a lookahead earlier. The first is the one that is heard at the first
    // picture: players skip a part of one packet at the start, but Chromium not several.
    const from = early.findLastIndex(
      (packet) => packet.mediaSamples - OPUS_LOOKAHEAD_SAMPLES <= mediaSamples,
    );
    const used = early.slice(Math.max(0, from));
    const soundSamples = Math.min(used[0]?.mediaSamples ?? Infinity, mediaSamples + OPUS_LOOKAHEAD_SAMPLES);
    const delaySamples = mediaSamples + OPUS_LOOKAHEAD_SAMPLES - soundSamples;
    const size = vp8Size(data) ?? { widthPx: 0, heightPx: 0 };
    const writer = new WebmWriter({ ...size, fps, delaySamples, createdAtMs }, onBytes);
    this.#lastIndex = index - 1;
    this.#started = { writer, mediaSamples, soundSamples };
    for (const packet of used) this.#writeSound(packet.data, packet.mediaSamples);
    onBegan({ mediaSamples, ...size });
  }

  #writeSound(data: Uint8Array, mediaSamples: number): void {
    const { writer, soundSamples, mediaSamples: startSamples } = this.#started!;
    writer.sound(samplesToMs(mediaSamples - soundSamples), data);
    const endSamples = mediaSamples + OPUS_FRAME_SAMPLES - OPUS_LOOKAHEAD_SAMPLES - startSamples;
    this.#soundEndMs = samplesToMs(endSamples);
  }

  /** Not at the first call, when one was asked for already. */
  #askForKey(nowMs: number): void {
    const askedMs = (this.#askedMs ??= nowMs);
    if (nowMs - askedMs < ASK_AGAIN_MS) return;
    this.#askedMs = nowMs;
    this.#options.onKeyframeNeeded(this.#wanted);
  }

  #mediaMs(index: number): number {
    return samplesToMs(frameToSamples(index, this.#options.fps));
  }

  /** Since the first picture. */
  #atMs(index: number): number {
    return this.#mediaMs(index) - samplesToMs(this.#started?.mediaSamples ?? 0);
  }
}
