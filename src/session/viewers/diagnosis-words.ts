import type { ProbeResult } from './probe-viewer.js';

export interface DiagnosisCheck {
  /** `session`, or a way in and a step on it, for example `udp4.dtls`. */
  readonly name: string;
  readonly ok: boolean;
  /** Since the viewer's offer; for the session, what opening it took. */
  readonly ms?: number;
  readonly detail: string;
}

export interface DiagnosisFacts {
  readonly checks: readonly DiagnosisCheck[];
  readonly candidates: readonly {
    readonly address: string;
    readonly port: number;
    readonly protocol: 'udp' | 'tcp';
    readonly type: 'host' | 'public' | 'loopback';
    readonly ok: boolean;
  }[];
  readonly publicHosts: readonly string[];
  readonly icePort: number;
  readonly portIsFixed: boolean;
  readonly lite: boolean;
  readonly hasIceServers: boolean;
}

const WAY: Record<string, string> = {
  udp4: 'UDP over IPv4',
  udp6: 'UDP over IPv6',
  tcp4: 'TCP over IPv4',
  tcp6: 'TCP over IPv6',
};
const NOT_REACHED = 'Not tried, because an earlier step failed.';

/** The steps of one viewer, each with what the operator should look at if it failed. */
export function checksOf(way: string, result: ProbeResult): DiagnosisCheck[] {
  const { candidates, codecs, pairMs, dtlsMs, dtlsFault, keyPictureMs, soundMs } = result;
  const over = WAY[way] ?? way;
  const check = (step: string, ms: number | undefined, good: string, bad: string): DiagnosisCheck =>
    ms === undefined
      ? { name: `${way}.${step}`, ok: false, detail: bad }
      : { name: `${way}.${step}`, ok: true, ms, detail: good };
  const reached = candidates.filter(({ ms }) => ms !== undefined);
  const faults = [...new Set(candidates.flatMap(({ fault }) => fault ?? []))];
  const agreed = codecs?.picture === true && codecs.sound;
  const protocol = way.startsWith('tcp') ? 'TCP' : 'UDP';
  const port = candidates[0]?.port ?? 0;
  return [
    check(
      'codec',
      agreed ? result.answeredMs : undefined,
      'VP8 and Opus were agreed on.',
      'The answer refuses VP8 or Opus: the session has no stream in a codec that viewers know.',
    ),
    check(
      'pair',
      pairMs,
      `${reached.length} of ${candidates.length} candidates for ${over} answered.`,
      `No candidate pair for ${over}: none of ${candidates.map(({ address }) => address).join(', ')} answered on ` +
        `${protocol} port ${port}${faults.length > 0 ? ` (${faults.join(', ')})` : ''}. ` +
        'Look for a firewall on this machine that blocks the port, or for addresses that it no longer has.',
    ),
    check(
      'dtls',
      dtlsMs,
      'The DTLS handshake is done.',
      pairMs === undefined
        ? NOT_REACHED
        : `DTLS failed over ${over}: ${dtlsFault ?? 'the handshake did not end in time'}. ` +
            'Small checks get through and larger packets do not? Look at the MTU; otherwise the machine may be overloaded.',
    ),
    check(
      'key-picture',
      keyPictureMs,
      'A whole key picture arrived.',
      dtlsMs === undefined
        ? NOT_REACHED
        : `No whole key picture arrived over ${over} (${result.packets} media packets did). ` +
            'The worker that draws or ffmpeg that encodes may be stuck or overloaded, or packets are lost: see the log.',
    ),
    check(
      'sound',
      soundMs,
      'Sound arrived.',
      dtlsMs === undefined
        ? NOT_REACHED
        : `No sound arrived over ${over}: the session's clock may stand still. See the log.`,
    ),
  ];
}

/** What to look at, worst first; the last sentence says what a test from inside cannot see. */
export function adviceOn(facts: DiagnosisFacts): string[] {
  const { checks, candidates, publicHosts, icePort, portIsFixed, hasIceServers } = facts;
  const failed = checks.filter(({ ok, detail }) => !ok && detail !== NOT_REACHED);
  const unreached = candidates.filter(({ type, ok }) => type === 'public' && !ok);
  const outward = candidates.filter(({ type }) => type !== 'loopback');
  const ports = `UDP${candidates.some(({ protocol }) => protocol === 'tcp') ? ' and TCP' : ''} port ${icePort}`;
  return [
    ...failed.map(({ detail }) => detail),
    ...(failed.length === 0
      ? ['Inside the server everything works: connection, encryption, picture and sound.']
      : []),
    ...(outward.length === 0
      ? ['The server offers loopback addresses only, so nobody on another machine can connect.']
      : []),
    ...(outward.length > 0 && publicHosts.length === 0 && outward.every(({ address }) => isPrivate(address))
      ? [
          'All addresses offered are private ones: viewers outside this network need --public-host with the ' +
            `address under which they see this server, and ${ports} forwarded to it.`,
        ]
      : []),
    ...(unreached.length > 0 && checks[0]?.ok === true
      ? [
          `The public address ${[...new Set(unreached.map(({ address }) => address))].join(', ')} does not answer ` +
            'from inside. Many routers do not lead back inside, so this alone is no fault; if viewers outside fail, ' +
            `look whether the address is right and ${ports} forwarded.`,
        ]
      : []),
    ...(portIsFixed
      ? []
      : [
          `Port ${icePort} is a chance one and changes at each start: set --ice-port-range to open it in a firewall.`,
        ]),
    ...(hasIceServers || candidates.some(({ protocol }) => protocol === 'tcp')
      ? []
      : ['There is neither ICE-TCP nor a TURN server: viewers whose network blocks UDP cannot connect.']),
    'What lies between the server and its viewers cannot be seen from inside: open /diagnose in the browser of one.',
  ];
}

function isPrivate(address: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd])/i.test(
    address,
  );
}
