import { readHead, type ElementHead } from './ebml.js';
import { ID } from './ids.js';
import { AUDIO_TRACK, FRONT_BYTES, VIDEO_TRACK } from './webm-head.js';
import { webmTail, type CuePoint, type WebmTail } from './webm-writer.js';

/** More than any head of ours. */
const HEAD_BYTES = 4096;
/** What is read of a cluster to know it: its head, its time and the head of its first block. */
const CLUSTER_HEAD_BYTES = 64;
const NS_PER_MS = 1_000_000;
const SOUND_MS = 20;

/** What makes a file whole that nobody ended. */
export interface WebmRepair extends WebmTail {
  /** What of the file is good; the rest goes before `tail` is appended. */
  readonly keptBytes: number;
  readonly durationMs: number;
}

/** `length` bytes at `at`, fewer at the end of the file. */
export type ReadAt = (at: number, length: number) => Promise<Buffer>;

/**
 * Looks at a WebM file of ours (webm-writer.ts) whose writer died: every whole cluster is kept. Undefined if there is
 * none. Reads some bytes of each cluster and the whole of the last two.
 */
export async function repairOf(read: ReadAt, fileBytes: number): Promise<WebmRepair | undefined> {
  const head = await read(0, HEAD_BYTES);
  const track = trackFacts(head);
  if (track === undefined) return undefined;
  const cues: CuePoint[] = [];
  const clusters: { at: number; bytes: number }[] = [];
  let at = track.headBytes;
  for (;;) {
    const bytes = await read(at, CLUSTER_HEAD_BYTES);
    const found = readHead(bytes, 0);
    if (found?.id !== ID.cluster || found.sizeBytes === undefined) break;
    const wholeBytes = found.bodyAt + found.sizeBytes;
    if (at + wholeBytes > fileBytes) break;
    const first = firstBlock(bytes, found.bodyAt);
    if (first?.track === VIDEO_TRACK && first.key) cues.push({ atMs: first.clusterMs, clusterAt: at });
    clusters.push({ at, bytes: wholeBytes });
    at += wholeBytes;
  }
  if (clusters.length === 0) return undefined;
  let durationMs = 0;
  for (const { at: from, bytes } of clusters.slice(-2))
    durationMs = Math.max(durationMs, lastMs(await read(from, bytes), track));
  return { ...webmTail(head.subarray(0, FRONT_BYTES), cues, durationMs, at), keptBytes: at, durationMs };
}

interface TrackFacts {
  readonly headBytes: number;
  readonly pictureMs: number;
  readonly soundDelayMs: number;
}

function trackFacts(head: Buffer): TrackFacts | undefined {
  const [ebml] = [...elements(head, 0, head.length)];
  if (ebml?.id !== ID.ebml || ebml.sizeBytes === undefined) return undefined;
  const segment = readHead(head, ebml.bodyAt + ebml.sizeBytes);
  if (segment?.id !== ID.segment) return undefined;
  const tracks = [...elements(head, segment.bodyAt, head.length)].find(({ id }) => id === ID.tracks);
  if (tracks?.sizeBytes === undefined || tracks.bodyAt + tracks.sizeBytes > head.length) return undefined;
  let pictureMs = 0;
  let soundDelayMs = 0;
  for (const entry of within(head, tracks)) {
    const fields = new Map([...within(head, entry)].map((field) => [field.id, numberOf(head, field)]));
    if (fields.get(ID.trackNumber) === VIDEO_TRACK)
      pictureMs = (fields.get(ID.defaultDuration) ?? 0) / NS_PER_MS;
    else soundDelayMs = (fields.get(ID.codecDelay) ?? 0) / NS_PER_MS;
  }
  return { headBytes: tracks.bodyAt + tracks.sizeBytes, pictureMs, soundDelayMs };
}

function firstBlock(
  bytes: Buffer,
  at: number,
): { clusterMs: number; track: number; key: boolean } | undefined {
  const time = readHead(bytes, at);
  if (time?.id !== ID.timestamp || time.sizeBytes === undefined) return undefined;
  const block = readHead(bytes, time.bodyAt + time.sizeBytes);
  if (block?.id !== ID.simpleBlock) return undefined;
  const { track, key } = blockHead(bytes, block.bodyAt);
  return { clusterMs: numberOf(bytes, time), track, key };
}

/** When the last that it shows or plays is over. */
function lastMs(cluster: Buffer, { pictureMs, soundDelayMs }: TrackFacts): number {
  const [whole] = [...elements(cluster, 0, cluster.length)];
  let clusterMs = 0;
  let endMs = 0;
  for (const one of whole === undefined ? [] : within(cluster, whole)) {
    if (one.id === ID.timestamp) clusterMs = numberOf(cluster, one);
    if (one.id !== ID.simpleBlock) continue;
    const { track, relativeMs } = blockHead(cluster, one.bodyAt);
    const atMs = clusterMs + relativeMs;
    endMs = Math.max(endMs, track === AUDIO_TRACK ? atMs - soundDelayMs + SOUND_MS : atMs + pictureMs);
  }
  return endMs;
}

function blockHead(bytes: Buffer, at: number): { track: number; relativeMs: number; key: boolean } {
  return {
    track: bytes.readUInt8(at) & 0x7f,
    relativeMs: bytes.readInt16BE(at + 1),
    key: (bytes.readUInt8(at + 3) & 0x80) !== 0,
  };
}

function within(bytes: Buffer, { bodyAt, sizeBytes = 0 }: ElementHead): Iterable<ElementHead> {
  return elements(bytes, bodyAt, bodyAt + sizeBytes);
}

/** One behind the other, as far as their heads can be read. */
function* elements(bytes: Buffer, from: number, to: number): Generator<ElementHead> {
  for (let at = from; at < to;) {
    const head = readHead(bytes, at);
    if (head === undefined) return;
    yield head;
    if (head.sizeBytes === undefined) return;
    at = head.bodyAt + head.sizeBytes;
  }
}

function numberOf(bytes: Buffer, { bodyAt, sizeBytes = 0 }: ElementHead): number {
  return sizeBytes === 8 && bodyAt + 8 <= bytes.length ? Number(bytes.readBigUInt64BE(bodyAt)) : NaN;
}
