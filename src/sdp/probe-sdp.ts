/** The offer of the server's own test viewer, and what it takes from the answer to it. */

export interface ProbeOffer {
  readonly ufrag: string;
  readonly pwd: string;
  /** SHA-256. */
  readonly fingerprint: string;
}

export interface ProbeAnswer {
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprints: readonly { readonly algorithm: string; readonly value: string }[];
  readonly candidates: readonly {
    readonly address: string;
    readonly port: number;
    readonly protocol: 'udp' | 'tcp';
  }[];
  /** Payload types that the answer takes; absent: it refused that kind. */
  readonly opus: number | undefined;
  readonly vp8: number | undefined;
}

const OPUS_TYPE = 111;
const VP8_TYPE = 96;

export function writeProbeOffer({ ufrag, pwd, fingerprint }: ProbeOffer): string {
  const transport = (mid: number): string[] => [
    'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    'a=setup:active',
    `a=mid:${mid}`,
    'a=recvonly',
    'a=rtcp-mux',
  ];
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    `m=audio 9 UDP/TLS/RTP/SAVPF ${OPUS_TYPE}`,
    ...transport(0),
    `a=rtpmap:${OPUS_TYPE} opus/48000/2`,
    `m=video 9 UDP/TLS/RTP/SAVPF ${VP8_TYPE}`,
    ...transport(1),
    `a=rtpmap:${VP8_TYPE} VP8/90000`,
  ];
  return `${lines.join('\r\n')}\r\n`;
}

export function readProbeAnswer(sdp: string): ProbeAnswer {
  const lines = sdp.split(/\r?\n/);
  const all = (name: string): string[] =>
    lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));
  const taken = (kind: string, type: number): number | undefined => {
    const found = lines.map((line) => new RegExp(`^m=${kind} (\\d+) \\S+ (.+)$`).exec(line)).find(Boolean);
    return found?.[1] !== '0' && found?.[2]?.split(' ').includes(String(type)) === true ? type : undefined;
  };
  return {
    ufrag: all('ice-ufrag')[0] ?? '',
    pwd: all('ice-pwd')[0] ?? '',
    fingerprints: [...new Set(all('fingerprint'))].map((text) => {
      const [algorithm = '', value = ''] = text.split(' ');
      return { algorithm, value };
    }),
    candidates: all('candidate').flatMap((text) => {
      const [, component, protocol, , address = '', port] = text.split(' ');
      if (component !== '1' || (protocol !== 'udp' && protocol !== 'tcp')) return [];
      return [{ address, port: Number(port), protocol }];
    }),
    opus: taken('audio', OPUS_TYPE),
    vp8: taken('video', VP8_TYPE),
  };
}
