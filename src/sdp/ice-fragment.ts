import { AppError } from '../errors.js';

/** The body of a trickle PATCH (`application/trickle-ice-sdpfrag`, RFC 8840 section 9). */
export interface SdpFragment {
  /** Absent if the sender left the credentials out, as some players do. */
  readonly ufrag: string | undefined;
  readonly pwd: string | undefined;
  /** Values of `a=candidate` lines: `candidate:...`. */
  readonly candidates: readonly string[];
  readonly endOfCandidates: boolean;
}

const MAX_FRAGMENT_BYTES = 20_000;
const MAX_CANDIDATES = 64;
/** foundation, component, transport, priority, address, port, `typ`, type (RFC 8839 section 5.1). */
const CANDIDATE = /^candidate:[A-Za-z0-9+/]{1,32} \d{1,3} \S+ \d{1,10} \S+ \d{1,5} typ \S+/;

/** Throws `sdp-invalid`. Candidates that are malformed are dropped: they could not be used either. */
export function readSdpFragment(fragment: string): SdpFragment {
  if (fragment.length > MAX_FRAGMENT_BYTES)
    throw new AppError('sdp-invalid', `the fragment is longer than ${MAX_FRAGMENT_BYTES} bytes`);
  const lines = fragment.split(/\r\n|\n|\r/).filter((line) => line !== '');
  const broken = lines.find((line) => !/^[a-z]=/.test(line));
  if (lines.length === 0 || broken !== undefined) {
    throw new AppError(
      'sdp-invalid',
      `the fragment ${broken === undefined ? 'is empty' : `has a line that is no SDP: ${JSON.stringify(broken.slice(0, 60))}`}`,
    );
  }
  const attributes = lines.filter((line) => line.startsWith('a=')).map((line) => line.slice(2));
  const only = (name: string, what: string): string | undefined => {
    const found = new Set(
      attributes.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1)),
    );
    if (found.size > 1) throw new AppError('sdp-invalid', `the fragment names several ICE ${what}`);
    return [...found][0];
  };
  return {
    ufrag: only('ice-ufrag', 'user fragments'),
    pwd: only('ice-pwd', 'passwords'),
    candidates: attributes.filter((line) => CANDIDATE.test(line)).slice(0, MAX_CANDIDATES),
    endOfCandidates: attributes.includes('end-of-candidates'),
  };
}

/** The answer to an ICE restart: our new credentials and all candidates, under the bundle's m-line. */
export function writeSdpFragment(options: {
  readonly kind: string;
  readonly mid: string | undefined;
  readonly ufrag: string;
  readonly pwd: string;
  readonly lite: boolean;
  readonly candidates: readonly string[];
}): string {
  const { kind, mid, ufrag, pwd, lite, candidates } = options;
  const lines = [
    ...(lite ? ['a=ice-lite'] : []),
    ...(mid === undefined ? [] : [`a=group:BUNDLE ${mid}`]),
    'a=ice-options:trickle ice2',
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `m=${kind} 9 UDP/TLS/RTP/SAVPF 0`,
    ...(mid === undefined ? [] : [`a=mid:${mid}`]),
    ...candidates.map((line) => `a=${line}`),
    'a=end-of-candidates',
  ];
  return `${lines.join('\r\n')}\r\n`;
}
