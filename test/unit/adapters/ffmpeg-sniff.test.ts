import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALLOWED_DEMUXERS, imageDemuxer, refusal } from '../../../src/adapters/ffmpeg-sniff.js';

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  );

describe('refusal', () => {
  const refused: [string, Uint8Array][] = [
    ['nothing', bytes()],
    ['an HLS playlist', bytes('#EXTM3U\n#EXTINF:1,\nhttp://host/secret\n')],
    ['a playlist after a byte order mark', bytes([0xef, 0xbb, 0xbf], '#EXTM3U\n')],
    ['a playlist that goes on with binary bytes', bytes('#EXTM3U\n', [0, 1, 2, 3])],
    ['a playlist after blank lines', bytes('\r\n  #extm3u\n', [0])],
    ['a concat script', bytes('ffconcat version 1.0\nfile /etc/passwd\n')],
    ['a concat script without its head', bytes("file '/etc/passwd'\n")],
    ['a session description', bytes('v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n')],
    ['markup', bytes('<?xml version="1.0"?><MPD>', [0])],
    ['plain words', bytes('this is no film at all')],
    ['words in UTF-8', new TextEncoder().encode('čeština, 中文')],
  ];
  for (const [what, head] of refused)
    it(`refuses ${what}`, () => assert.equal(typeof refusal(head), 'string'));

  const accepted: [string, Uint8Array][] = [
    ['MP4', bytes([0, 0, 0, 0x20], 'ftypisom')],
    ['WAV', bytes('RIFF', [0x24, 0, 0, 0], 'WAVEfmt ')],
    ['Matroska', bytes([0x1a, 0x45, 0xdf, 0xa3])],
    ['JPEG', bytes([0xff, 0xd8, 0xff, 0xe0])],
    ['Ogg', bytes('OggS', [0, 2, 0])],
    ['MP3 without tags', bytes([0xff, 0xfb, 0x90, 0x64])],
  ];
  for (const [what, head] of accepted) it(`accepts ${what}`, () => assert.equal(refusal(head), undefined));
});

describe('imageDemuxer', () => {
  it('names the reader of each kind of picture', () => {
    assert.equal(imageDemuxer(bytes([0xff, 0xd8, 0xff, 0xe1])), 'jpeg_pipe');
    assert.equal(imageDemuxer(bytes([0x89], 'PNG\r\n')), 'png_pipe');
    assert.equal(imageDemuxer(bytes('RIFF', [1, 0, 0, 0], 'WEBPVP8 ')), 'webp_pipe');
  });
  it('leaves films and sound alone', () => {
    assert.equal(imageDemuxer(bytes('RIFF', [1, 0, 0, 0], 'AVI LIST')), undefined);
    assert.equal(imageDemuxer(bytes([0x89], 'PNG\r\n....acTL')), undefined);
    assert.equal(imageDemuxer(bytes([0, 0, 0, 0x20], 'ftypisom')), undefined);
  });
});

it('allows no demuxer that opens other files', () => {
  for (const name of [
    'hls',
    'concat',
    'concatf',
    'dash',
    'sdp',
    'image2',
    'tee',
    'lavfi',
    'rtsp',
    'ffmetadata',
    'subviewer',
  ]) {
    assert.ok(!ALLOWED_DEMUXERS.includes(name), name);
  }
});
