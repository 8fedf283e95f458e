import { AppError } from '../errors.js';

/** The body of a trickle PATCH (`application/trickle-ice-sdpfrag`, RFC 8840 section 9). */
export interface SdpFragment {
  /** Absent if the sender left the credentials out, as some players do. */
  readonly ufrag: string | undefined;
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
  const ufrags = new Set(
    attributes.filter((line) => line.startsWith('ice-ufrag:')).map((line) => line.slice('ice-ufrag:'.length)),
  );
  if (ufrags.size > 1) throw new AppError('sdp-invalid', 'the fragment names several ICE user fragments');
  return {
    ufrag: [...ufrags][0],
    candidates: attributes.filter((line) => CANDIDATE.test(line)).slice(0, MAX_CANDIDATES),
    endOfCandidates: attributes.includes('end-of-candidates'),
  };
}

/**
 * The answer with, for each host candidate that is not a loopback one, a twin for each public address that a
 * one-to-one NAT maps to this machine. The twins have a higher priority, as the private addresses reach no outsider.
 */
export function addPublicHosts(sdp: string, publicHosts: readonly string[]): string {
  if (publicHosts.length === 0) return sdp;
  const seen = new Set<string>();
  return sdp
    .split('\r\n')
    .flatMap((line) => {
      const found = /^a=candidate:(\S+) (\d+) (\S+) (\d+) (\S+) (\d+) typ host(.*)$/.exec(line);
      if (found === null) {
        if (line.startsWith('m=')) seen.clear();
        return [line];
      }
      const [, foundation, component, transport, priority, address = '', port, rest] = found;
      if (address.startsWith('127.') || address === '::1') return [line];
      const twins = publicHosts
        .filter((host) => host.includes(':') === address.includes(':'))
        .map((host, at) => {
          const raised = Math.min(2 ** 31 - 1, Number(priority) + 256 * (at + 1));
          return `a=candidate:${foundation}${at}n ${component} ${transport} ${raised} ${host} ${port} typ host${rest ?? ''}`;
        })
        .filter((twin) => !seen.has(twin) && seen.add(twin));
      return [...twins, line];
    })
    .join('\r\n');
}
