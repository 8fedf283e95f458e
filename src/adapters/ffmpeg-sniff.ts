/**
 * What a user's file is, judged by its first bytes and never by its name. ffmpeg would follow playlists, concat
 * scripts and session descriptions to other files and hosts, so text is refused before ffmpeg sees it.
 */

/** How many bytes of the head {@link refusal} and {@link imageDemuxer} want to see. */
export const SNIFF_BYTES = 4096;

/** Container readers that a user's file may be given to; everything that can point elsewhere is left out. */
export const ALLOWED_DEMUXERS: readonly string[] = [
  ...[
    'mov',
    'mp4',
    'm4a',
    '3gp',
    '3g2',
    'mj2',
    'matroska',
    'webm',
    'avi',
    'mpeg',
    'mpegts',
    'mpegvideo',
    'flv',
    'asf',
  ],
  ...[
    'ogg',
    'wav',
    'w64',
    'rf64',
    'mp3',
    'aac',
    'flac',
    'aiff',
    'au',
    'caf',
    'amr',
    'amrnb',
    'amrwb',
    'ac3',
    'eac3',
  ],
  ...[
    'gif',
    'apng',
    'h264',
    'hevc',
    'm4v',
    'ivf',
    'png_pipe',
    'jpeg_pipe',
    'webp_pipe',
    'bmp_pipe',
    'tiff_pipe',
  ],
];

const LINK_HEADS = [
  '#EXTM3U',
  'ffconcat',
  'v=0',
  '[playlist]',
  '[InternetShortcut]',
  '<',
  'RTSP',
  'http://',
  'https://',
];

/** Why a file that begins with `head` is not handed to ffmpeg, or undefined when it may be. */
export function refusal(head: Uint8Array): string | undefined {
  if (head.length === 0) return 'the file is empty';
  const text = Buffer.from(head.buffer, head.byteOffset, head.length)
    .toString('latin1')
    .replace(/^(?:\xef\xbb\xbf)?\s*/, '');
  const link = LINK_HEADS.find(
    (prefix) => text.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase(),
  );
  if (link !== undefined) return 'it is a playlist, a script or markup, not media';
  if (isText(head)) return 'it is text, not media';
  return undefined;
}

/** True if the bytes read as ASCII or UTF-8 text: no control bytes other than white space, no invalid UTF-8. */
function isText(head: Uint8Array): boolean {
  for (const byte of head) {
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x0c && byte !== 0x1b)
      return false;
    if (byte === 0x7f) return false;
  }
  // `stream: true` tolerates a character cut in two by the end of the head.
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/**
 * The demuxer for a still picture, or undefined for anything else. It has to be named to ffmpeg: by itself ffmpeg
 * picks the image-sequence reader, which takes a `%d` in the file's name for a pattern.
 */
export function imageDemuxer(head: Uint8Array): string | undefined {
  const starts = (...bytes: number[]): boolean => bytes.every((byte, index) => head[index] === byte);
  if (starts(0xff, 0xd8, 0xff)) return 'jpeg_pipe';
  // An animated PNG has an `acTL` chunk before its picture data.
  if (starts(0x89, 0x50, 0x4e, 0x47)) return Buffer.from(head).includes('acTL') ? undefined : 'png_pipe';
  if (starts(0x52, 0x49, 0x46, 0x46) && Buffer.from(head.subarray(8, 12)).toString('latin1') === 'WEBP')
    return 'webp_pipe';
  if (starts(0x42, 0x4d)) return 'bmp_pipe';
  if (starts(0x49, 0x49, 0x2a, 0) || starts(0x4d, 0x4d, 0, 0x2a)) return 'tiff_pipe';
  return undefined;
}
