import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** ICE candidates in SDP (RFC 8839 section 5.1, RFC 6544 section 4.5). */

export interface LocalCandidate {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  readonly priority: number;
  readonly type: 'host' | 'srflx';
}

export interface RemoteCandidate {
  readonly address: string;
  readonly port: number;
}

/** RFC 8445 section 5.1.2.1 for component 1. `localPreference` 0..65535 tells candidates of one type apart. */
export function candidatePriority(type: 'host' | 'prflx' | 'srflx', localPreference: number): number {
  const typePreference = { host: 126, prflx: 110, srflx: 100 }[type];
  return 2 ** 24 * typePreference + 256 * localPreference + 255;
}

/** The value of one `a=candidate:` line, without `a=`. */
export function candidateLine(candidate: LocalCandidate): string {
  const { address, port, protocol, priority, type } = candidate;
  const foundation = `${protocol}${type}${address}`
    .split('')
    .reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7);
  const tail = protocol === 'tcp' ? ' tcptype passive' : type === 'srflx' ? ' raddr 0.0.0.0 rport 0' : '';
  return `candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ ${type}${tail}`;
}

/**
 * A viewer's candidate that we can send to: UDP with a literal address. Undefined for the rest: names (mDNS) and TCP
 * are found by the viewer's own checks.
 */
export function readCandidate(line: string): RemoteCandidate | undefined {
  const [, component, protocol, , address = '', port] = line.trim().split(/\s+/);
  const portNumber = Number(port);
  if (component !== '1' || protocol?.toLowerCase() !== 'udp' || isIP(address) === 0) return undefined;
  if (!Number.isInteger(portNumber) || portNumber < 1 || portNumber > 65_535) return undefined;
  if (address === '0.0.0.0' || address === '::') return undefined;
  return { address, port: portNumber };
}

/** Addresses of this machine that a viewer may reach, the loopback ones last. Link-local ones need a zone and are left out. */
export function localAddresses(): string[] {
  const all = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address }) => !/^fe[89ab]/i.test(address) && !address.startsWith('169.254.'));
  const order = (one: { internal: boolean; family: string }): number =>
    (one.internal ? 2 : 0) + (one.family === 'IPv6' ? 1 : 0);
  return [...new Set(all.sort((a, b) => order(a) - order(b)).map(({ address }) => address))];
}
