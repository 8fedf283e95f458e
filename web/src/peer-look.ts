/** What a browser's statistics say about a connection, and the ways it tried in words. */

export interface Way {
  readonly id: string;
  /** host, srflx, prflx or relay, ours and theirs. */
  readonly local: string;
  readonly remote: string;
  readonly protocol: string;
  /** `192.0.2.1:40000`, or empty where the browser hides it. */
  readonly remoteAddress: string;
  readonly state: string;
  readonly nominated: boolean;
}

export interface Seen {
  readonly pairs: readonly Way[];
  /** Types of the candidates that this browser found, with their protocol: `host udp`. */
  readonly localTypes: readonly string[];
  /** What the answer offers: `192.0.2.1:40000 udp`. */
  readonly remotes: readonly string[];
  readonly dtls: string;
  readonly keyFramesDecoded: number;
  readonly size: string;
  readonly fps: number;
  readonly videoPackets: number;
  readonly audioPackets: number;
  readonly audioBytes: number;
  /** Of pictures and sound together. */
  readonly lost: number;
  readonly rttMs?: number;
}

/** An entry of the statistics; which fields are there depends on the browser. */
type Entry = Record<string, unknown>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

export async function lookAt(pc: RTCPeerConnection): Promise<Seen> {
  const entries = new Map<string, Entry>();
  (await pc.getStats()).forEach((entry: RTCStats) => entries.set(entry.id, entry as unknown as Entry));
  const of = (type: string): Entry[] => [...entries.values()].filter((entry) => entry['type'] === type);
  const inbound = (kind: string): Entry => of('inbound-rtp').find((entry) => entry['kind'] === kind) ?? {};
  const [video, audio] = [inbound('video'), inbound('audio')];
  const pairs = of('candidate-pair').map((pair): Way => {
    const local = entries.get(text(pair['localCandidateId'])) ?? {};
    const remote = entries.get(text(pair['remoteCandidateId'])) ?? {};
    return {
      id: text(pair['id']),
      local: text(local['candidateType']),
      remote: text(remote['candidateType']),
      protocol: text(remote['protocol']) || text(local['protocol']),
      remoteAddress: addressOf(remote),
      state: text(pair['state']),
      nominated: pair['nominated'] === true,
    };
  });
  const rttS = of('candidate-pair').find((pair) => pair['nominated'] === true)?.['currentRoundTripTime'];
  return {
    pairs,
    localTypes: unique(
      of('local-candidate').map((one) => `${text(one['candidateType'])} ${text(one['protocol'])}`),
    ),
    remotes: unique(
      [...(pc.remoteDescription?.sdp ?? '').matchAll(/^a=candidate:\S+ 1 (\w+) \d+ (\S+) (\d+)/gm)].map(
        ([, protocol = '', address = '', port = '']) => `${withPort(address, port)} ${protocol}`,
      ),
    ),
    dtls: text(of('transport')[0]?.['dtlsState']) || pc.connectionState,
    keyFramesDecoded: number(video['keyFramesDecoded'] ?? video['framesDecoded']),
    size: `${number(video['frameWidth'])}×${number(video['frameHeight'])}`,
    fps: number(video['framesPerSecond']),
    videoPackets: number(video['packetsReceived']),
    audioPackets: number(audio['packetsReceived']),
    audioBytes: number(audio['bytesReceived']),
    lost: Math.max(0, number(video['packetsLost'])) + Math.max(0, number(audio['packetsLost'])),
    ...(typeof rttS === 'number' ? { rttMs: rttS * 1000 } : {}),
  };
}

export function pairsInWords({ pairs }: Seen): string {
  const used = pairs.find(({ nominated, state }) => nominated && state === 'succeeded');
  const found = used ?? pairs.find(({ state }) => state === 'succeeded');
  if (found === undefined) return '';
  const others = pairs.filter((pair) => pair !== found);
  const { local, remote, protocol, remoteAddress } = found;
  return (
    `Connected to ${remoteAddress || 'a hidden address'} over ${protocol.toUpperCase()} (${local} to ${remote}).` +
    (others.length > 0 ? ` Other ways: ${countsOf(others)}.` : '')
  );
}

/** The reason, as far as the kinds of ways that were tried tell it. */
export function whyNoPair(seen: Seen, hasIceServers: boolean): string {
  const { pairs, localTypes, remotes } = seen;
  if (localTypes.length === 0)
    return (
      'No candidate pair: this browser found no address of its own. ' +
      'A policy, a privacy extension or a VPN may keep WebRTC from using the network.'
    );
  if (remotes.length === 0) return "No candidate pair: the server's answer names no address.";
  const tried = pairs.length === 0 ? 'none could be tried' : `tried ${countsOf(pairs)}`;
  const relayed = localTypes.some((type) => type.startsWith('relay'));
  const relay = relayed
    ? 'A relay (TURN) was tried and does not reach the server either: the server itself is shut off, or the address it offers is wrong.'
    : hasIceServers
      ? 'STUN or TURN servers were named, but no relay address came from them: look at their address, credentials and ports.'
      : 'No relay was tried, since the server names no TURN server.';
  return (
    `No candidate pair works: ${tried}. None of ${remotes.join(', ')} answers, so a firewall blocks the port, ` +
    `or the server offers an address that cannot be reached from here (see --public-host). ${relay}`
  );
}

function countsOf(pairs: readonly Way[]): string {
  const counts = new Map<string, number>();
  for (const { local, remote, protocol, state } of pairs) {
    const kind = `${local} to ${remote} ${protocol} ${state}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} × ${kind}`).join(', ');
}

function addressOf(candidate: Entry): string {
  const address = text(candidate['address']) || text(candidate['ip']);
  return address === '' ? '' : withPort(address, number(candidate['port']));
}

function withPort(address: string, port: string | number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
