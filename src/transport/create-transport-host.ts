import type { Log } from '../lib/log.js';
import { createIdentity, type DtlsIdentity } from './dtls-endpoint.js';
import { HandshakePacer } from './handshake-pacer.js';
import { IceHost } from './ice-host.js';
import type { TransportHost } from './peer-transport.js';

export interface TransportSettings {
  /** First and last UDP port to try; absent: any free one. */
  readonly portRange?: readonly [number, number];
  /** Also ICE-TCP, on the same number. */
  readonly tcp: boolean;
  readonly lite: boolean;
  /** Addresses under which a one-to-one NAT shows this machine. */
  readonly publicHosts: readonly string[];
  /** Default: a new certificate. */
  readonly identity?: DtlsIdentity;
  readonly log: Log;
}

/** Opens the sockets of all viewers and makes the certificate. Closed by `ice.close()`. @throws internal */
export async function createTransportHost(settings: TransportSettings): Promise<TransportHost> {
  const [ice, identity] = await Promise.all([
    IceHost.create(settings),
    settings.identity ?? createIdentity(),
  ]);
  return { ice, identity, pacer: new HandshakePacer(), lite: settings.lite };
}
