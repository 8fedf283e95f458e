import { samplesToMs } from '../../media/timeline.js';
import { element, unsigned } from './ebml.js';
import { ID } from './ids.js';
import { blockBytes, webmCluster, type WebmBlock } from './webm-cluster.js';
import {
  AUDIO_TRACK,
  FRONT_BYTES,
  sealedFront,
  SEGMENT_AT,
  VIDEO_TRACK,
  webmHead,
  type WebmFacts,
} from './webm-head.js';

/** A cluster is written when it is so long, so that less than a second waits in memory. */
const CLUSTER_MS = 900;
/** Sound comes some 40 ms before its picture; without any picture a cluster waits so long for one. */
const LATE_MS = 600;
const SOUND_MS = 20;
const NS_PER_MS = 1_000_000;

/** Where a player may jump to: a cluster that begins with a key picture. */
export interface CuePoint {
  readonly atMs: number;
  /** Of the cluster, in the file. */
  readonly clusterAt: number;
}

/** What makes a written file whole. */
export interface WebmTail {
  /** To be appended. */
  readonly tail: Buffer;
  /** To be written over the file's first bytes afterwards. */
  readonly front: Buffer;
}

/**
 * Makes a WebM file of coded pictures and Opus packets, one whole cluster at a time, in the order in which they are to be
 * appended. Pictures and sound are sorted within a cluster; each key picture begins one. No file is touched here.
 */
export class WebmWriter {
  readonly #onBytes: (bytes: Buffer) => void;
  readonly #front: Buffer;
  readonly #delayMs: number;
  readonly #cues: CuePoint[] = [];
  #waiting: WebmBlock[] = [];
  #waitingBytes = 0;
  #writtenBytes = 0;
  #startMs = 0;
  #lastPictureMs = -1;

  /** `onBytes` is called at once with the head. */
  constructor(facts: WebmFacts, onBytes: (bytes: Buffer) => void) {
    this.#onBytes = onBytes;
    this.#delayMs = samplesToMs(facts.delaySamples);
    const head = webmHead(facts);
    this.#front = head.subarray(0, FRONT_BYTES);
    this.#write(head);
  }

  /** What the file would have if it ended now, within some bytes for each block that waits. */
  get sizeBytes(): number {
    return this.#writtenBytes + this.#waitingBytes + CUES_HEAD_BYTES + this.#cues.length * CUE_BYTES;
  }

  /** A VP8 picture to be shown at `atMs`; the first is a key picture at 0. One that comes too late is shown later. */
  picture(atMs: number, key: boolean, data: Uint8Array): void {
    const shownMs = Math.max(Math.round(atMs), this.#startMs, this.#lastPictureMs + 1);
    if (key || shownMs >= this.#startMs + CLUSTER_MS) this.#closeAt(shownMs);
    this.#lastPictureMs = shownMs;
    this.#push({ track: VIDEO_TRACK, atMs: shownMs, key, data });
  }

  /** 20 ms, `atMs` after the first packet of all. */
  sound(atMs: number, data: Uint8Array): void {
    while (atMs >= this.#startMs + CLUSTER_MS + LATE_MS) this.#closeAt(this.#startMs + CLUSTER_MS);
    this.#push({ track: AUDIO_TRACK, atMs: Math.max(atMs, this.#startMs), key: true, data });
  }

  /** Writes what waits, with the sound cut at `endMs` to the sample, and says what else the file needs. */
  end(endMs: number): WebmTail {
    this.#waiting = this.#waiting.flatMap((block) => {
      if (block.track !== AUDIO_TRACK) return [block];
      const overMs = block.atMs - this.#delayMs + SOUND_MS - endMs;
      if (overMs >= SOUND_MS) return [];
      return [overMs <= 0 ? block : { ...block, discardNs: Math.round(overMs * NS_PER_MS) }];
    });
    this.#closeAt(Infinity);
    return webmTail(this.#front, this.#cues, endMs, this.#writtenBytes);
  }

  #push(block: WebmBlock): void {
    this.#waiting.push(block);
    this.#waitingBytes += blockBytes(block);
  }

  /** Writes the cluster; what is for `endMs` or later stays for the next one. */
  #closeAt(endMs: number): void {
    const ready = this.#waiting
      .filter(({ atMs }) => Math.round(atMs) < endMs)
      .sort((a, b) => a.atMs - b.atMs || a.track - b.track);
    this.#waiting = this.#waiting.filter(({ atMs }) => Math.round(atMs) >= endMs);
    this.#waitingBytes = this.#waiting.reduce((sum, block) => sum + blockBytes(block), 0);
    if (ready.length > 0) {
      if (ready.some(({ track, key }) => track === VIDEO_TRACK && key))
        this.#cues.push({ atMs: this.#startMs, clusterAt: this.#writtenBytes });
      this.#write(webmCluster(this.#startMs, ready));
    }
    if (Number.isFinite(endMs)) this.#startMs = Math.max(this.#startMs, endMs);
  }

  #write(bytes: Buffer): void {
    this.#writtenBytes += bytes.length;
    this.#onBytes(bytes);
  }
}

/** `front` is what the file begins with, `fileBytes` what it has so far, all of it whole clusters. */
export function webmTail(
  front: Buffer,
  cues: readonly CuePoint[],
  durationMs: number,
  fileBytes: number,
): WebmTail {
  const tail = cuesElement(cues);
  const sealed = sealedFront(front, {
    durationMs,
    cuesAt: tail.length > 0 ? fileBytes : undefined,
    fileBytes: fileBytes + tail.length,
  });
  if (sealed === undefined) throw new Error('these are not the first bytes of a recording');
  return { tail, front: sealed };
}

/** RFC 9559 section 5.1.5; nothing where there is nowhere to jump to. */
function cuesElement(cues: readonly CuePoint[]): Buffer {
  return cues.length === 0 ? Buffer.alloc(0) : element(ID.cues, ...cues.map(cueElement));
}

function cueElement({ atMs, clusterAt }: CuePoint): Buffer {
  return element(
    ID.cuePoint,
    element(ID.cueTime, unsigned(atMs)),
    element(
      ID.cueTrackPositions,
      element(ID.cueTrack, unsigned(VIDEO_TRACK)),
      element(ID.cueClusterPosition, unsigned(clusterAt - SEGMENT_AT)),
    ),
  );
}

const CUES_HEAD_BYTES = element(ID.cues).length;
const CUE_BYTES = cueElement({ atMs: 0, clusterAt: SEGMENT_AT }).length;
