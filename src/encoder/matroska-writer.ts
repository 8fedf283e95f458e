import { element, idBytes, sizeBytes, text, UNKNOWN_SIZE, unsigned } from './matroska/ebml.js';
import { ID } from './matroska/ids.js';

/**
 * Raw pictures as a live Matroska stream (RFC 9559 over EBML, RFC 8794): the only raw-video input of ffmpeg that
 * carries a time stamp with each picture. One cluster and one SimpleBlock a picture; the segment has no end.
 */

/** Nanoseconds in one tick. One microsecond keeps the half-frame steps of every usual frame rate apart. */
const TIMESTAMP_SCALE_NS = 1000;
const TICKS_PER_SECOND = 1_000_000_000 / TIMESTAMP_SCALE_NS;

/** Track 1, time stamp equal to the cluster's, flag "key" (a raw picture depends on no other). */
const BLOCK_HEAD = Buffer.from([0x81, 0x00, 0x00, 0x80]);

/** What stands once before the first picture. I420 pictures of the given size follow. */
export function matroskaHeader(widthPx: number, heightPx: number): Buffer {
  return Buffer.concat([
    element(
      ID.ebml,
      element(ID.docType, text('matroska')),
      element(ID.docTypeVersion, unsigned(2)),
      element(ID.docTypeReadVersion, unsigned(2)),
    ),
    idBytes(ID.segment),
    UNKNOWN_SIZE,
    element(ID.info, element(ID.timestampScale, unsigned(TIMESTAMP_SCALE_NS))),
    element(
      ID.tracks,
      element(
        ID.trackEntry,
        element(ID.trackNumber, unsigned(1)),
        element(ID.trackUid, unsigned(1)),
        element(ID.trackType, unsigned(1)),
        element(ID.codecId, text('V_UNCOMPRESSED')),
        element(
          ID.video,
          element(ID.pixelWidth, unsigned(widthPx)),
          element(ID.pixelHeight, unsigned(heightPx)),
          element(ID.uncompressedFourCc, text('I420')),
        ),
      ),
    ),
  ]);
}

/** What stands before each picture's `pictureSizeBytes` bytes. `timeS` counts from the first picture. */
export function matroskaPictureHead(timeS: number, pictureSizeBytes: number): Buffer {
  const time = element(ID.timestamp, unsigned(Math.round(timeS * TICKS_PER_SECOND)));
  const block = Buffer.concat([
    idBytes(ID.simpleBlock),
    sizeBytes(BLOCK_HEAD.length + pictureSizeBytes),
    BLOCK_HEAD,
  ]);
  return Buffer.concat([
    idBytes(ID.cluster),
    sizeBytes(time.length + block.length + pictureSizeBytes),
    time,
    block,
  ]);
}
