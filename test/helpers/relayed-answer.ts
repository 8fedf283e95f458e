/** Where the server waits for media, and its answer with the relay's address as the only candidate. */
export interface RelayedAnswer {
  readonly sdp: string;
  readonly upstream: { readonly host: string; readonly port: number };
}

const UDP_HOST = /^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/i;

/**
 * Rewrites an SDP answer so that a browser can reach the server only through a relay on loopback. The server's own
 * address is its UDP host candidate on loopback, else its first one. Throws if there is none.
 */
export function relayAnswer(answerSdp: string, relayPort: number): RelayedAnswer {
  const lines = answerSdp.split(/\r?\n/).filter((line) => line !== '');
  const hosts = lines.flatMap((line) => {
    const [, host, port] = UDP_HOST.exec(line) ?? [];
    return host === undefined ? [] : [{ host, port: Number(port) }];
  });
  const upstream = hosts.find(({ host }) => host === '127.0.0.1') ?? hosts[0];
  if (upstream === undefined) throw new Error(`the answer has no UDP host candidate:\n${answerSdp}`);
  const relayed: string[] = [];
  let inserted = false;
  for (const line of lines) {
    if (line.startsWith('m=')) inserted = false;
    if (!line.startsWith('a=candidate:')) relayed.push(line);
    else if (!inserted) {
      relayed.push(`a=candidate:1 1 udp 2130706431 127.0.0.1 ${relayPort} typ host`);
      inserted = true;
    }
  }
  return { sdp: `${relayed.join('\r\n')}\r\n`, upstream };
}

/** An offer without addresses: the server then knows only whom it hears from. */
export const withoutCandidates = (sdp: string): string =>
  sdp
    .split(/\r?\n/)
    .filter((line) => line !== '' && !line.startsWith('a=candidate:') && line !== 'a=end-of-candidates')
    .join('\r\n') + '\r\n';
