/**
 * Raw pictures as a live Matroska stream (RFC 9559 over EBML, RFC 8794): the only raw-video input of ffmpeg that
 * carries a time stamp with each picture. One cluster and one SimpleBlock a picture; the segment has no end.
 */

/** Nanoseconds in one tick. One microsecond keeps the half-frame steps of every usual frame rate apart. */
const TIMESTAMP_SCALE_NS = 1000;
const TICKS_PER_SECOND = 1_000_000_000 / TIMESTAMP_SCALE_NS;

const ID = {
  ebml: 0x1a45dfa3,
  docType: 0x4282,
  docTypeVersion: 0x4287,
  docTypeReadVersion: 0x4285,
  segment: 0x18538067,
  info: 0x1549a966,
  timestampScale: 0x2ad7b1,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  trackNumber: 0xd7,
  trackUid: 0x73c5,
  trackType: 0x83,
  codecId: 0x86,
  video: 0xe0,
  pixelWidth: 0xb0,
  pixelHeight: 0xba,
  uncompressedFourCc: 0x2eb524,
  cluster: 0x1f43b675,
  timestamp: 0xe7,
  simpleBlock: 0xa3,
} as const;

/** All ones in an 8-byte size: unknown, the element ends with the stream (RFC 8794 section 6.2). */
const UNKNOWN_SIZE = Buffer.from('01ffffffffffffff', 'hex');
/** Track 1, time stamp equal to the cluster's, flag "key" (a raw picture depends on no other). */
const BLOCK_HEAD = Buffer.from([0x81, 0x00, 0x00, 0x80]);

function idBytes(id: number): Buffer {
  return Buffer.from(id.toString(16), 'hex');
}

function sizeBytes(size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE((1n << 56n) | BigInt(size));
  return bytes;
}

function element(id: number, ...body: Buffer[]): Buffer {
  const content = Buffer.concat(body);
  return Buffer.concat([idBytes(id), sizeBytes(content.length), content]);
}

function unsigned(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** What stands once before the first picture. I420 pictures of the given size follow. */
export function matroskaHeader(widthPx: number, heightPx: number): Buffer {
  const text = (value: string): Buffer => Buffer.from(value, 'latin1');
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
