/**
 * The smallest encode that proves a binary fit for this server: three raw pictures in Matroska, the middle one
 * flagged as key by a time stamp half a frame late (40 n + 20 ms), come back as IVF. A usable ffmpeg returns key,
 * key, delta. Pure bytes; the process is run by ffmpeg.ts.
 */

const SIDE_PX = 64;
const FLAGGED = 1;
const COUNT = 3;

/** EBML element: id as written in the specification, then an 8-byte size, then the body (RFC 8794 section 7). */
function element(id: number, ...body: Uint8Array[]): Uint8Array {
  const idBytes = Buffer.from(id.toString(16), 'hex');
  const content = Buffer.concat(body);
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(0x0100_0000_0000_0000n | BigInt(content.length));
  return Buffer.concat([idBytes, size, content]);
}

function unsigned(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The input of the self-test: Matroska (RFC 9559), one cluster a picture, V_UNCOMPRESSED I420. */
export function selfTestInput(): Uint8Array {
  const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');
  const track = element(
    0xae, // TrackEntry
    element(0xd7, unsigned(1)),
    element(0x73c5, unsigned(1)),
    element(0x83, unsigned(1)), // video
    element(0x86, text('V_UNCOMPRESSED')),
    element(
      0xe0,
      element(0xb0, unsigned(SIDE_PX)),
      element(0xba, unsigned(SIDE_PX)),
      element(0x2eb524, text('I420')),
    ),
  );
  const clusters = Array.from({ length: COUNT }, (_, index) => {
    const picture = Buffer.alloc((SIDE_PX * SIDE_PX * 3) / 2, 128);
    for (let at = 0; at < SIDE_PX * SIDE_PX; at++) picture[at] = 16 + ((at * 7 + index * 3) % 200);
    const timeMs = 40 * index + (index === FLAGGED ? 20 : 0);
    const block = Buffer.concat([Buffer.from([0x81, 0, 0, 0x80]), picture]);
    return element(0x1f43b675, element(0xe7, unsigned(timeMs)), element(0xa3, block));
  });
  return Buffer.concat([
    element(
      0x1a45dfa3,
      element(0x4282, text('matroska')),
      element(0x4287, unsigned(2)),
      element(0x4285, unsigned(2)),
    ),
    element(
      0x18538067,
      element(0x1549a966, element(0x2ad7b1, unsigned(1_000_000))),
      element(0x1654ae6b, track),
      ...clusters,
    ),
  ]);
}

/** The encoder's arguments, as the live encoder uses them, with one spelling of "keep every time stamp". */
export function selfTestArgs(vsyncArgs: readonly string[]): string[] {
  const codec = [
    ...['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '-8', '-lag-in-frames', '0'],
    ...['-auto-alt-ref', '0', '-keyint_min', '0'],
  ];
  return testArgs(codec, vsyncArgs, ['-f', 'ivf']);
}

/** The same in H.264, which a server can do without; comes back as FLV. */
export function h264TestArgs(vsyncArgs: readonly string[]): string[] {
  const codec = [
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-profile:v', 'baseline'],
    ...['-bf', '0', '-keyint_min', '1', '-sc_threshold', '0', '-forced-idr', '1'],
    ...['-x264-params', 'fps=25000/1000'],
  ];
  return testArgs(codec, vsyncArgs, ['-f', 'flv']);
}

function testArgs(
  codec: readonly string[],
  vsyncArgs: readonly string[],
  muxer: readonly string[],
): string[] {
  return [
    ...['-probesize', '32', '-analyzeduration', '0', '-f', 'matroska', '-i', 'pipe:0', '-an'],
    ...[...codec, '-b:v', '200k', '-threads', '1', '-g', '9999', ...vsyncArgs, '-enc_time_base', '1:50'],
    ...['-force_key_frames', 'expr:mod(round(t*50),2)', '-flush_packets', '1', ...muxer, 'pipe:1'],
  ];
}

/** What is wrong with the encoder's answer, or undefined when it is right. */
export function selfTestFault(ivf: Uint8Array): string | undefined {
  const bytes = Buffer.from(ivf.buffer, ivf.byteOffset, ivf.length);
  if (bytes.length < 32 || bytes.toString('latin1', 0, 4) !== 'DKIF') return 'it wrote no IVF';
  let keys = '';
  for (let at = bytes.readUInt16LE(6); at + 12 < bytes.length; at += 12 + bytes.readUInt32LE(at)) {
    // RFC 6386 section 9.1: the lowest bit of a VP8 frame is 0 on a key frame.
    keys += (bytes.readUInt8(at + 12) & 1) === 0 ? 'K' : 'd';
  }
  return faultOf(keys);
}

/** The same for H.264 in FLV. */
export function h264TestFault(flv: Uint8Array): string | undefined {
  const bytes = Buffer.from(flv.buffer, flv.byteOffset, flv.length);
  if (bytes.length < 13 || bytes.toString('latin1', 0, 3) !== 'FLV') return 'it wrote no FLV';
  let keys = '';
  // Tags of 11 bytes of head, their data, and four bytes of size; those of type 9 with packet type 1 are pictures.
  for (let at = 13; at + 13 < bytes.length; at += 15 + bytes.readUIntBE(at + 1, 3)) {
    if (bytes.readUInt8(at) === 9 && bytes.readUInt8(at + 12) === 1)
      keys += bytes.readUInt8(at + 11) >> 4 === 1 ? 'K' : 'd';
  }
  return faultOf(keys);
}

function faultOf(keys: string): string | undefined {
  const wanted = 'KKd';
  return keys === wanted ? undefined : `it coded pictures ${keys || 'none'} instead of ${wanted}`;
}
