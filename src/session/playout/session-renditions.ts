import { h264RenditionOf } from '../../encoder/h264-encoder.js';
import { renditionsOf, type RenditionRequest } from '../../encoder/renditions.js';
import type { RenditionName } from '../../media/frame.js';
import type { Rung } from '../viewers/viewer-quality.js';

/** How a session's pictures may be coded; what is absent is up to the server. */
export interface PictureSettings {
  /** Of the best rendition, without sound and headers. */
  readonly maxBitrateBps?: number | undefined;
  /** No better rendition than this one for anybody; `auto` leaves it to each viewer's link. */
  readonly quality?: 'auto' | Exclude<RenditionName, 'h264'> | undefined;
}

export interface RenditionSource {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  /** Rate of the best rendition where no ceiling is set. */
  readonly bitrateBps: number;
  /** Whether it can be coded in H.264, too. */
  readonly h264: boolean;
}

export const FULL_SOUND_BPS = 64_000;
export const SLIM_SOUND_BPS = 24_000;
/** IPv4, UDP, RTP with extensions, and the tag; a picture's packet has a VP8 descriptor, too. */
const SOUND_HEAD_BITS = 8 * (28 + 20 + 16);
const PICTURE_HEAD_BITS = 8 * (28 + 24 + 4 + 16);
const SOUND_PACKETS_PER_S = 50;
const PACKET_BITS = 8 * 1000;
/** A rendition that nobody needs any more is kept so long, as viewers come back. */
const KEPT_MS = 3000;

/**
 * The renditions of one session: what each costs a viewer's link, and which are encoded. The best one is kept warm while
 * nobody watches, so that a viewer who comes has no encoder to wait for.
 */
export class SessionRenditions {
  readonly #apply: (wanted: readonly RenditionRequest[]) => void;
  #source: RenditionSource;
  #settings: PictureSettings = {};
  #requests: readonly RenditionRequest[];
  readonly #neededAtMs = new Map<RenditionName, number>();
  #applied = '';

  constructor(source: RenditionSource, apply: (wanted: readonly RenditionRequest[]) => void) {
    this.#source = source;
    this.#apply = apply;
    this.#requests = renditionsOf(source, source.bitrateBps);
    this.#applied = JSON.stringify(this.#requests.slice(0, 1));
  }

  get settings(): PictureSettings {
    return this.#settings;
  }

  /** The best that anybody may have. */
  get top(): RenditionName {
    const { quality = 'auto' } = this.#settings;
    const names = this.#requests.map(({ name }) => name);
    if (quality === 'auto') return names[0] ?? 'high';
    // A small avatar has fewer renditions: the next coarser one then stands for the one asked for.
    const order: RenditionName[] = ['high', 'mid', 'low'];
    return order.slice(order.indexOf(quality)).find((name) => names.includes(name)) ?? names.at(-1) ?? 'high';
  }

  /** Best first; all told, as a link has to carry them. `h264`, if there is one, comes last: see `rungsOf`. */
  get ladder(): Rung[] {
    const { fps } = this.#source;
    return this.#all.map(({ name, bitrateBps }, at) => {
      const packets = Math.max(fps, bitrateBps / PACKET_BITS);
      const soundBps =
        (at === 0 || name === 'h264' ? FULL_SOUND_BPS : SLIM_SOUND_BPS) +
        SOUND_PACKETS_PER_S * SOUND_HEAD_BITS;
      return { name, bps: Math.round(bitrateBps + packets * PICTURE_HEAD_BITS + soundBps) };
    });
  }

  /** With the one for viewers without VP8, who get the best that anybody may have. */
  get #all(): readonly RenditionRequest[] {
    const { top } = this;
    const best = this.#requests.find(({ name }) => name === top);
    if (!this.#source.h264 || best === undefined) return this.#requests;
    return [...this.#requests, h264RenditionOf(best, this.#source.fps)];
  }

  configure(settings: PictureSettings): void {
    this.#settings = { ...this.#settings, ...settings };
    const { maxBitrateBps = Infinity } = this.#settings;
    this.#requests = renditionsOf(this.#source, Math.min(this.#source.bitrateBps, maxBitrateBps));
  }

  /** Called now and then with what viewers get or wait for. */
  serve(demand: ReadonlySet<RenditionName>, nowMs: number): void {
    for (const name of demand) this.#neededAtMs.set(name, nowMs);
    if (demand.size === 0) this.#neededAtMs.set(this.top, nowMs);
    const wanted = this.#all.filter(
      ({ name }) => nowMs - (this.#neededAtMs.get(name) ?? -Infinity) <= KEPT_MS,
    );
    const key = JSON.stringify(wanted);
    if (key === this.#applied || wanted.length === 0) return;
    this.#applied = key;
    this.#apply(wanted);
  }
}
