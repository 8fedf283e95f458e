/** Offers as players write them, shortened to the lines that decide something; fields follow RFC 8829. */

export const FINGERPRINT = Array.from({ length: 32 }, (_, n) => (n + 16).toString(16).toUpperCase()).join(
  ':',
);

export interface OfferShape {
  readonly mid: string;
  readonly kind: 'audio' | 'video' | 'application';
  readonly port?: number;
  readonly direction?: string;
  readonly ufrag?: string;
  /** Instead of the usual codec lines. */
  readonly codecs?: readonly string[];
  readonly types?: string;
  readonly more?: readonly string[];
}

const OPUS = ['rtpmap:111 opus/48000/2', 'rtcp-fb:111 transport-cc', 'fmtp:111 minptime=10;useinbandfec=1'];
const VP8 = [
  ...[
    'rtpmap:96 VP8/90000',
    'rtcp-fb:96 goog-remb',
    'rtcp-fb:96 ccm fir',
    'rtcp-fb:96 nack',
    'rtcp-fb:96 nack pli',
  ],
  ...['rtpmap:97 rtx/90000', 'fmtp:97 apt=96'],
  ...['rtpmap:102 H264/90000', 'rtcp-fb:102 ccm fir', 'rtcp-fb:102 nack', 'rtcp-fb:102 nack pli'],
  'fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  ...['rtpmap:103 rtx/90000', 'fmtp:103 apt=102'],
];
const ABS_SEND_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';

export function section(shape: OfferShape): string[] {
  const { mid, kind, port = 9, direction = 'recvonly', ufrag = 'Vwer', more = [] } = shape;
  const transport = [
    ...[`ice-ufrag:${ufrag}`, `ice-pwd:${ufrag}-0123456789012345678901`, 'ice-options:trickle'],
    ...[`fingerprint:sha-256 ${FINGERPRINT}`, 'setup:actpass', `mid:${mid}`],
  ].map((line) => `a=${line}`);
  if (kind === 'application')
    return [
      `m=application ${port} UDP/DTLS/SCTP webrtc-datachannel`,
      'c=IN IP4 0.0.0.0',
      ...transport,
      'a=sctp-port:5000',
    ];
  const types = shape.types ?? (kind === 'audio' ? '111' : '96 97 102 103');
  return [
    `m=${kind} ${port} UDP/TLS/RTP/SAVPF ${types}`,
    ...['c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0.0.0.0', ...transport, `a=extmap:2 ${ABS_SEND_TIME}`],
    ...[`a=${direction}`, 'a=rtcp-mux', 'a=rtcp-rsize'],
    ...(shape.codecs ?? (kind === 'audio' ? OPUS : VP8)).map((line) => `a=${line}`),
    ...more,
  ];
}

export function offer(
  sections: readonly string[][],
  options: { readonly session?: readonly string[]; readonly bundle?: string | undefined } = {},
): string {
  const mids = sections.map((lines) => lines.find((line) => line.startsWith('a=mid:'))?.slice(6) ?? '');
  const bundle = 'bundle' in options ? options.bundle : mids.join(' ');
  const lines = [
    ...['v=0', 'o=- 4611731400430051336 2 IN IP4 127.0.0.1', 's=-', 't=0 0'],
    ...(bundle === undefined ? [] : [`a=group:BUNDLE ${bundle}`]),
    ...(options.session ?? ['a=extmap-allow-mixed', 'a=msid-semantic: WMS']),
    ...sections.flat(),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

export const AUDIO: OfferShape = { mid: '0', kind: 'audio' };
export const VIDEO: OfferShape = { mid: '1', kind: 'video' };
/** What Chromium offers for sound and picture. */
export const CHROMIUM_OFFER = offer([section(AUDIO), section(VIDEO)]);
