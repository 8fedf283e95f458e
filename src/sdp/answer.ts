import { randomInt } from 'node:crypto';
import type { Offer, OfferedCodec, OfferedSection } from './offer.js';

export const ABS_SEND_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
export const PLAYOUT_DELAY = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay';
const EXTENSIONS = [ABS_SEND_TIME, PLAYOUT_DELAY];
/** What a viewer may ask for or tell, as far as it offers it. */
const FEEDBACK = ['nack', 'nack pli', 'ccm fir', 'goog-remb'];
const RTPMAP = { opus: 'opus/48000/2', VP8: 'VP8/90000', H264: 'H264/90000' } as const;
/** A voice in packets of 10 or 20 ms is heard soonest. */
const OPUS_IN_FMTP = 'minptime=10;useinbandfec=1';
const OPUS_FMTP = 'minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1';
/** RFC 6184 section 8.2.2: the profile is the viewer's own, the mode is the one with FU-A and STAP-A. */
const H264_FMTP = 'level-asymmetry-allowed=1;packetization-mode=1';

/** Our side of the transport. */
export interface AnswerTransport {
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256. */
  readonly fingerprint: string;
  readonly lite: boolean;
  /** Values of `a=candidate` lines, all there are. */
  readonly candidates: readonly string[];
}

/** Our side of one media section. */
export interface AnswerStream {
  readonly ssrc: number;
  /** Of the repeats, if there are any. */
  readonly rtxSsrc: number;
}

/**
 * The answer (RFC 8829 section 5.3, draft-ietf-wish-whep, RFC 9725): send only, or receive only, all sections on the
 * transport of the first, one media stream, every candidate in it. The viewer opens the DTLS handshake.
 */
export function writeAnswer(
  offer: Offer,
  transport: AnswerTransport,
  streams: ReadonlyMap<OfferedSection, AnswerStream> | 'recvonly',
  cname = '',
): string {
  const mids = offer.sections.filter(({ codec }) => codec !== undefined).map(({ mid }) => mid);
  const bundled = mids.every((mid) => mid !== undefined);
  const tagged = offer.sections.find(({ codec }) => codec !== undefined);
  const lines = [
    'v=0',
    `o=- ${randomInt(2 ** 47)} 2 IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    ...(transport.lite ? ['a=ice-lite'] : []),
    ...(bundled ? [`a=group:BUNDLE ${mids.join(' ')}`] : []),
    'a=extmap-allow-mixed',
    ...(streams === 'recvonly' ? [] : [`a=msid-semantic: WMS ${cname}`]),
    ...offer.sections.flatMap((section) =>
      sectionLines(
        section,
        transport,
        streams === 'recvonly' ? streams : streams.get(section),
        cname,
        section === tagged,
      ),
    ),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function sectionLines(
  section: OfferedSection,
  transport: AnswerTransport,
  stream: AnswerStream | 'recvonly' | undefined,
  cname: string,
  tagged: boolean,
): string[] {
  const { codec, kind, protocol, formats, mid } = section;
  if (codec === undefined || stream === undefined) {
    return [
      `m=${kind} 0 ${protocol} ${formats}`,
      'c=IN IP4 0.0.0.0',
      ...(mid === undefined ? [] : [`a=mid:${mid}`]),
      'a=inactive',
    ];
  }
  const rtx = codec.rtxPayloadType;
  const types = rtx === undefined ? `${codec.payloadType}` : `${codec.payloadType} ${rtx}`;
  return [
    `m=${kind} 9 ${protocol} ${types}`,
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    ...(tagged ? [...transport.candidates.map((line) => `a=${line}`), 'a=end-of-candidates'] : []),
    `a=ice-ufrag:${transport.ufrag}`,
    `a=ice-pwd:${transport.pwd}`,
    'a=ice-options:trickle ice2',
    `a=fingerprint:sha-256 ${transport.fingerprint}`,
    'a=setup:passive',
    ...(mid === undefined ? [] : [`a=mid:${mid}`]),
    ...EXTENSIONS.flatMap((uri) => {
      const id = codec.extensions.get(uri);
      return id === undefined ? [] : [`a=extmap:${id} ${uri}`];
    }),
    ...(stream === 'recvonly' ? ['a=recvonly'] : ['a=sendonly', `a=msid:${cname} ${kind}`]),
    'a=rtcp-mux',
    'a=rtcp-mux-only',
    ...codecLines(codec, rtx, stream === 'recvonly' ? OPUS_IN_FMTP : OPUS_FMTP),
    ...(stream === 'recvonly' ? [] : ssrcLines(stream, rtx !== undefined, cname, kind)),
  ];
}

function codecLines(codec: OfferedCodec, rtx: number | undefined, opusFmtp: string): string[] {
  const type = codec.payloadType;
  return [
    `a=rtpmap:${type} ${RTPMAP[codec.name]}`,
    ...FEEDBACK.filter((one) => codec.name !== 'opus' && codec.feedback.includes(one)).map(
      (one) => `a=rtcp-fb:${type} ${one}`,
    ),
    ...(codec.name === 'opus' ? [`a=fmtp:${type} ${opusFmtp}`] : []),
    ...(codec.profileLevelId === undefined
      ? []
      : [`a=fmtp:${type} ${H264_FMTP};profile-level-id=${codec.profileLevelId}`]),
    ...(rtx === undefined ? [] : [`a=rtpmap:${rtx} rtx/90000`, `a=fmtp:${rtx} apt=${type}`]),
  ];
}

function ssrcLines({ ssrc, rtxSsrc }: AnswerStream, rtx: boolean, cname: string, kind: string): string[] {
  const of = (one: number): string[] => [
    `a=ssrc:${one} cname:${cname}`,
    `a=ssrc:${one} msid:${cname} ${kind}`,
  ];
  return rtx ? [`a=ssrc-group:FID ${ssrc} ${rtxSsrc}`, ...of(ssrc), ...of(rtxSsrc)] : of(ssrc);
}
