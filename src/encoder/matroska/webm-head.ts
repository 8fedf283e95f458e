import { MEDIA_RATE } from '../../media/timeline.js';
import {
  element,
  filler,
  float,
  idBytes,
  readHead,
  signed,
  SIZE_BYTES,
  sizeBytes,
  text,
  UNKNOWN_SIZE,
  unsigned,
} from './ebml.js';
import { ID } from './ids.js';

/**
 * What stands before the first picture of a WebM file (RFC 9559; WebM's own guidelines): VP8 as track 1, Opus as track 2,
 * in milliseconds. While the file grows, its size and duration are unknown and there is room for a SeekHead; when it has
 * ended, `sealedFront` puts all three in, so that a player can seek at once.
 */

export const VIDEO_TRACK = 1;
export const AUDIO_TRACK = 2;
/** What WebM asks for: one tick is a millisecond. */
export const TIMESTAMP_SCALE_NS = 1_000_000;
const NS_PER_S = 1_000_000_000;

/** RFC 7845 section 4.6: a decoder that begins in the middle needs so much to settle. */
const SEEK_PRE_ROLL_NS = 80_000_000;
/** Matroska's dates count from 2001. */
const DATE_ORIGIN_MS = Date.UTC(2001, 0, 1);
const CHANNELS = 2;
const APP = 'Musecast';

export interface WebmFacts {
  /** Of the first picture; VP8 may change its size at a later key picture. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  /** 48 kHz samples of decoded sound that lie before time 0 and are not played. */
  readonly delaySamples: number;
  /** Unix ms. */
  readonly createdAtMs: number;
}

export interface WebmEnd {
  readonly durationMs: number;
  /** Where the Cues lie in the file; undefined if there are none. */
  readonly cuesAt: number | undefined;
  readonly fileBytes: number;
}

const EBML_HEAD = element(
  ID.ebml,
  element(ID.ebmlVersion, unsigned(1)),
  element(ID.ebmlReadVersion, unsigned(1)),
  element(ID.ebmlMaxIdLength, unsigned(4)),
  element(ID.ebmlMaxSizeLength, unsigned(8)),
  element(ID.docType, text('webm')),
  element(ID.docTypeVersion, unsigned(4)), // CodecDelay, SeekPreRoll and DiscardPadding are of version 4
  element(ID.docTypeReadVersion, unsigned(2)),
);
const SEGMENT_SIZE_AT = EBML_HEAD.length + idBytes(ID.segment).length;
/** All positions in the file count from here. */
export const SEGMENT_AT = SEGMENT_SIZE_AT + SIZE_BYTES;
const SEEK_HEAD_BYTES = seekHead(SEGMENT_AT, SEGMENT_AT, SEGMENT_AT).length;
const INFO_AT = SEGMENT_AT + SEEK_HEAD_BYTES;
const SCALE = element(ID.timestampScale, unsigned(TIMESTAMP_SCALE_NS));
const DURATION_AT = INFO_AT + idBytes(ID.info).length + SIZE_BYTES + SCALE.length;
const DURATION_BYTES = element(ID.duration, float(0)).length;
/** As much of the file as ending it changes. */
export const FRONT_BYTES = DURATION_AT + DURATION_BYTES;

/** Clusters follow. */
export function webmHead(facts: WebmFacts): Buffer {
  const { createdAtMs } = facts;
  return Buffer.concat([
    ...[EBML_HEAD, idBytes(ID.segment), UNKNOWN_SIZE, filler(SEEK_HEAD_BYTES)],
    element(
      ID.info,
      ...[SCALE, filler(DURATION_BYTES)],
      element(ID.dateUtc, signed(Math.round((createdAtMs - DATE_ORIGIN_MS) * 1_000_000))),
      ...[element(ID.muxingApp, text(APP)), element(ID.writingApp, text(APP))],
    ),
    element(ID.tracks, videoTrack(facts), audioTrack(facts)),
  ]);
}

/**
 * The first `FRONT_BYTES` of a file of ours, ended. Undefined where `front` is not the front of one.
 */
export function sealedFront(front: Buffer, end: WebmEnd): Buffer | undefined {
  const info = readHead(front, INFO_AT);
  const isOurs =
    front.length >= FRONT_BYTES &&
    front.subarray(0, EBML_HEAD.length).equals(EBML_HEAD) &&
    info?.id === ID.info;
  if (!isOurs || info.sizeBytes === undefined) return undefined;
  const sealed = Buffer.from(front.subarray(0, FRONT_BYTES));
  const tracksAt = info.bodyAt + info.sizeBytes;
  sizeBytes(end.fileBytes - SEGMENT_AT).copy(sealed, SEGMENT_SIZE_AT);
  const seeks = seekHead(INFO_AT, tracksAt, end.cuesAt);
  seeks.copy(sealed, SEGMENT_AT);
  element(ID.duration, float(end.durationMs)).copy(sealed, DURATION_AT);
  return sealed;
}

/** Always of the same length: where there are no Cues, room is left in their place. */
function seekHead(infoAt: number, tracksAt: number, cuesAt: number | undefined): Buffer {
  const seek = (id: number, at: number) =>
    element(ID.seek, element(ID.seekId, idBytes(id)), element(ID.seekPosition, unsigned(at - SEGMENT_AT)));
  const cues = seek(ID.cues, cuesAt ?? SEGMENT_AT);
  return element(
    ID.seekHead,
    ...[seek(ID.info, infoAt), seek(ID.tracks, tracksAt)],
    cuesAt === undefined ? filler(cues.length) : cues,
  );
}

function videoTrack({ widthPx, heightPx, fps }: WebmFacts): Buffer {
  return element(
    ID.trackEntry,
    ...trackBasics(VIDEO_TRACK, 1, 'V_VP8', Math.round(NS_PER_S / fps)),
    element(ID.video, element(ID.pixelWidth, unsigned(widthPx)), element(ID.pixelHeight, unsigned(heightPx))),
  );
}

function audioTrack({ delaySamples }: WebmFacts): Buffer {
  return element(
    ID.trackEntry,
    ...trackBasics(AUDIO_TRACK, 2, 'A_OPUS', NS_PER_S / 50),
    element(ID.codecPrivate, opusHead(delaySamples)),
    element(ID.codecDelay, unsigned(Math.round((delaySamples * NS_PER_S) / MEDIA_RATE))),
    element(ID.seekPreRoll, unsigned(SEEK_PRE_ROLL_NS)),
    element(
      ID.audio,
      element(ID.samplingFrequency, float(MEDIA_RATE)),
      element(ID.channels, unsigned(CHANNELS)),
    ),
  );
}

function trackBasics(number: number, type: number, codec: string, durationNs: number): Buffer[] {
  return [
    ...[element(ID.trackNumber, unsigned(number)), element(ID.trackUid, unsigned(number))],
    ...[element(ID.trackType, unsigned(type)), element(ID.flagLacing, unsigned(0))],
    ...[element(ID.language, text('und')), element(ID.codecId, text(codec))],
    element(ID.defaultDuration, unsigned(durationNs)),
  ];
}

/** RFC 7845 section 5.1: version 1, channels, pre-skip, the rate of what was coded, no gain, mapping family 0. */
function opusHead(preSkipSamples: number): Buffer {
  const head = Buffer.alloc(19);
  head.write('OpusHead', 'latin1');
  head.writeUInt8(1, 8);
  head.writeUInt8(CHANNELS, 9);
  head.writeUInt16LE(preSkipSamples, 10);
  head.writeUInt32LE(MEDIA_RATE, 12);
  return head;
}
