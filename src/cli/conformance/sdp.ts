import { randomBytes } from 'node:crypto';

/** SDP written and read by hand, so that the suite needs no WebRTC library whose habits it would test along. */

/** The ICE credentials of one side (RFC 8839 section 5.4). */
export interface Credentials {
  readonly ufrag: string;
  readonly pwd: string;
}

export function newCredentials(): Credentials {
  return { ufrag: randomBytes(6).toString('hex'), pwd: randomBytes(16).toString('hex') };
}

export interface OfferOptions {
  readonly direction?: 'recvonly' | 'sendonly';
  /** What is offered for the picture; the usual ones if absent. */
  readonly videoCodecs?: readonly string[];
}

const VIDEO_CODECS = ['VP8/90000', 'H264/90000', 'VP9/90000'];
const H264_PARAMETERS = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f';
const FIRST_VIDEO_TYPE = 96;
const OPUS_TYPE = 111;

/** What a browser offers: sound and picture under one transport, no candidate yet. Nobody answers its certificate. */
export function makeOffer(credentials: Credentials, options: OfferOptions = {}): string {
  const codecs = options.videoCodecs ?? VIDEO_CODECS;
  const types = codecs.map((_, at) => FIRST_VIDEO_TYPE + at);
  const transport = [
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    `a=ice-ufrag:${credentials.ufrag}`,
    `a=ice-pwd:${credentials.pwd}`,
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${fingerprint()}`,
    'a=setup:actpass',
    `a=${options.direction ?? 'recvonly'}`,
    'a=rtcp-mux',
    'a=rtcp-mux-only',
  ];
  return joined([
    'v=0',
    `o=- ${randomBytes(6).readUIntBE(0, 6)} 2 IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    `m=audio 9 UDP/TLS/RTP/SAVPF ${OPUS_TYPE}`,
    ...transport,
    'a=mid:0',
    `a=rtpmap:${OPUS_TYPE} opus/48000/2`,
    `a=fmtp:${OPUS_TYPE} minptime=10;useinbandfec=1`,
    `m=video 9 UDP/TLS/RTP/SAVPF ${types.join(' ')}`,
    ...transport,
    'a=mid:1',
    ...codecs.flatMap((codec, at) => [
      `a=rtpmap:${types[at]} ${codec}`,
      ...['nack', 'nack pli', 'ccm fir'].map((feedback) => `a=rtcp-fb:${types[at]} ${feedback}`),
      ...(codec.startsWith('H264') ? [`a=fmtp:${types[at]} ${H264_PARAMETERS}`] : []),
    ]),
  ]);
}

export const GOOD_CANDIDATE = 'candidate:1 1 udp 2130706431 127.0.0.1 40404 typ host';
/** Of a transport that nobody has: to be dropped without a word. */
export const UNUSABLE_CANDIDATE = 'candidate:2 1 dccp 1000 192.0.2.1 9 typ host';

/** The body of a PATCH (RFC 8840 section 9): the bundle-tagged section alone. */
export function makeFragment({ ufrag, pwd }: Credentials, candidates: readonly string[]): string {
  return joined([
    'a=group:BUNDLE 0 1',
    'a=ice-options:trickle ice2',
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `m=audio 9 UDP/TLS/RTP/SAVPF ${OPUS_TYPE}`,
    'a=mid:0',
    ...candidates.map((candidate) => `a=${candidate}`),
  ]);
}

/** The credentials in an answer or a fragment; undefined if one is missing. */
export function credentialsOf(sdp: string): Credentials | undefined {
  const ufrag = /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1];
  const pwd = /^a=ice-pwd:(\S+)/m.exec(sdp)?.[1];
  return ufrag === undefined || pwd === undefined ? undefined : { ufrag, pwd };
}

/** The lines of each media section; rejected ones (port 0) are left out, bundled ones are not. */
export function sectionsOf(sdp: string): string[][] {
  return sdp
    .split(/^(?=m=)/m)
    .slice(1)
    .map((section) => section.split(/\r?\n/).filter((line) => line !== ''))
    .filter(([first = '', ...rest]) => !/^m=\S+ 0 /.test(first) || rest.includes('a=bundle-only'));
}

function fingerprint(): string {
  return [...randomBytes(32)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
}

function joined(lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n`;
}
