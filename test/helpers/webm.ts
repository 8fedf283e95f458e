import { readHead, type ElementHead } from '../../src/encoder/matroska/ebml.js';
import { ID } from '../../src/encoder/matroska/ids.js';

export interface WebmBlockRead {
  readonly track: number;
  readonly atMs: number;
  readonly key: boolean;
  readonly data: Buffer;
  readonly discardNs: number;
}

/** A WebM file of ours read back, every element of it: what is not understood is an error. */
export interface WebmRead {
  /** Undefined: unknown. */
  readonly segmentBytes: number | undefined;
  readonly segmentAt: number;
  readonly durationMs: number | undefined;
  readonly seeks: { readonly id: number; readonly at: number }[];
  readonly tracks: Map<number, Buffer>[];
  readonly clusters: { readonly at: number; readonly startMs: number; readonly blocks: WebmBlockRead[] }[];
  readonly blocks: WebmBlockRead[];
  readonly cues: { readonly atMs: number; readonly at: number }[];
}

export function readWebm(bytes: Buffer): WebmRead {
  const [ebml, segment] = children(bytes, 0, bytes.length);
  if (ebml?.id !== ID.ebml || segment?.id !== ID.segment) throw new Error('this is no Matroska file');
  const segmentAt = segment.bodyAt;
  const read = {
    durationMs: undefined as number | undefined,
    seeks: [],
    tracks: [],
    clusters: [],
    cues: [],
  } as {
    durationMs: number | undefined;
    seeks: WebmRead['seeks'];
    tracks: WebmRead['tracks'];
    clusters: WebmRead['clusters'];
    cues: WebmRead['cues'];
  };
  const whole = segment.sizeBytes === undefined ? bytes.length : segmentAt + segment.sizeBytes;
  if (whole !== bytes.length) throw new Error(`the segment ends at ${whole}, the file at ${bytes.length}`);
  for (const one of children(bytes, segmentAt, whole)) {
    const parts = () => within(bytes, one);
    if (one.id === ID.seekHead)
      for (const seek of parts().filter(({ id }) => id === ID.seek)) {
        const fields = fieldsOf(bytes, seek);
        read.seeks.push({
          id: fields.get(ID.seekId)!.readUInt32BE(),
          at: segmentAt + uint(fields.get(ID.seekPosition)!),
        });
      }
    else if (one.id === ID.info) read.durationMs = fieldsOf(bytes, one).get(ID.duration)?.readDoubleBE();
    else if (one.id === ID.tracks)
      for (const track of parts()) {
        const fields = fieldsOf(bytes, track);
        for (const inner of [ID.video, ID.audio]) {
          const found = parts().length > 0 && within(bytes, track).find(({ id }) => id === inner);
          if (found) for (const [id, value] of fieldsOf(bytes, found)) fields.set(id, value);
        }
        read.tracks.push(fields);
      }
    else if (one.id === ID.cluster) read.clusters.push(readCluster(bytes, one));
    else if (one.id === ID.cues)
      for (const point of parts()) {
        const fields = fieldsOf(bytes, point);
        const at = within(bytes, point).find(({ id }) => id === ID.cueTrackPositions)!;
        const position = uint(fieldsOf(bytes, at).get(ID.cueClusterPosition)!);
        read.cues.push({ atMs: uint(fields.get(ID.cueTime)!), at: segmentAt + position });
      }
    else if (one.id !== ID.void) throw new Error(`unknown element ${one.id.toString(16)}`);
  }
  return {
    ...read,
    segmentAt,
    segmentBytes: segment.sizeBytes,
    blocks: read.clusters.flatMap(({ blocks }) => blocks),
  };
}

function readCluster(bytes: Buffer, cluster: ElementHead): WebmRead['clusters'][number] {
  const [time, ...rest] = within(bytes, cluster);
  if (time?.id !== ID.timestamp) throw new Error('a cluster begins with its time');
  const startMs = uint(body(bytes, time));
  const blocks = rest.map((one) => {
    const isGroup = one.id === ID.blockGroup;
    if (!isGroup && one.id !== ID.simpleBlock)
      throw new Error(`unknown in a cluster: ${one.id.toString(16)}`);
    const fields = isGroup ? fieldsOf(bytes, one) : new Map([[ID.block as number, body(bytes, one)]]);
    const block = fields.get(ID.block)!;
    return {
      track: block.readUInt8(0) & 0x7f,
      atMs: startMs + block.readInt16BE(1),
      key: (block.readUInt8(3) & 0x80) !== 0,
      data: block.subarray(4),
      discardNs: Number(fields.get(ID.discardPadding)?.readBigInt64BE() ?? 0),
    };
  });
  return { at: cluster.bodyAt - 12, startMs, blocks };
}

function fieldsOf(bytes: Buffer, parent: ElementHead): Map<number, Buffer> {
  return new Map(within(bytes, parent).map((one) => [one.id, body(bytes, one)]));
}

function within(bytes: Buffer, { bodyAt, sizeBytes }: ElementHead): ElementHead[] {
  return children(bytes, bodyAt, bodyAt + sizeBytes!);
}

function children(bytes: Buffer, from: number, to: number): ElementHead[] {
  const all: ElementHead[] = [];
  for (let at = from; at < to;) {
    const head = readHead(bytes, at);
    if (head === undefined) throw new Error(`no element at ${at}`);
    all.push(head);
    at = head.sizeBytes === undefined ? to : head.bodyAt + head.sizeBytes;
    if (at > to)
      throw new Error(`an element of ${head.id.toString(16)} ends at ${at}, what it is in at ${to}`);
  }
  return all;
}

function body(bytes: Buffer, { bodyAt, sizeBytes }: ElementHead): Buffer {
  return bytes.subarray(bodyAt, bodyAt + sizeBytes!);
}

export function uint(bytes: Buffer): number {
  return Number(bytes.readBigUInt64BE());
}
