import { element, idBytes, shortSizeBytes, signed, unsigned } from './ebml.js';
import { ID } from './ids.js';

/** One coded picture or 20 ms of sound. */
export interface WebmBlock {
  readonly track: number;
  /** As the track counts, the sound's delay included. */
  readonly atMs: number;
  readonly key: boolean;
  readonly data: Uint8Array;
  /** How much of its end is not played. */
  readonly discardNs?: number;
}

const KEY = 0x80;
/** Largest difference to its cluster that a block can tell. */
const MAX_RELATIVE = 32_767;

/** One cluster, whole (RFC 9559 section 5.1.3). `startMs` is a whole number, no later than any block. */
export function webmCluster(startMs: number, blocks: readonly WebmBlock[]): Buffer {
  return element(
    ID.cluster,
    element(ID.timestamp, unsigned(startMs)),
    ...blocks.flatMap((block) => blockElement(startMs, block)),
  );
}

/** Bytes that a block takes in its cluster, or a few less. */
export function blockBytes({ data }: WebmBlock): number {
  return 8 + data.length;
}

/** In two parts, so that the data are not copied one more time. RFC 9559 section 10. */
function blockElement(startMs: number, { track, atMs, key, data, discardNs }: WebmBlock): Uint8Array[] {
  const head = Buffer.alloc(4);
  head.writeUInt8(0x80 | track, 0);
  head.writeInt16BE(Math.min(MAX_RELATIVE, Math.round(atMs) - startMs), 1);
  if (discardNs === undefined) {
    head.writeUInt8(key ? KEY : 0, 3);
    return [idBytes(ID.simpleBlock), shortSizeBytes(head.length + data.length), head, data];
  }
  return [
    element(ID.blockGroup, element(ID.block, head, data), element(ID.discardPadding, signed(discardNs))),
  ];
}
