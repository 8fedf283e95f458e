import { DtlsClient, SrtpSession } from 'werift';
import {
  ECDSA_SHA256,
  fingerprintOf,
  HASHES,
  KEY_BYTES,
  NO_FLIGHT,
  PROFILES,
  type DtlsIdentity,
  type Fingerprint,
} from './dtls-endpoint.js';

export interface DtlsClientOptions {
  readonly identity: DtlsIdentity;
  /** The server's certificate must have one of these. */
  readonly fingerprints: readonly Fingerprint[];
  send(record: Buffer): void;
  onConnected(): void;
  /** Once: the handshake failed, or the certificate was a wrong one. Not called after `close`. */
  onFailed(reason: string): void;
}

/** A viewer's end of DTLS-SRTP, for the server's test of itself: no more than is needed to receive. */
export class DtlsViewer {
  readonly #options: DtlsClientOptions;
  readonly #client: DtlsClient;
  /** The library puts its handler into `onData`. */
  readonly #incoming: { onData(record: Buffer): void };
  #srtp: SrtpSession | undefined;
  #closed = false;

  constructor(options: DtlsClientOptions) {
    this.#options = options;
    const transport = {
      type: 'udp',
      address: { address: '127.0.0.1', port: 0, family: 'IPv4' },
      closed: false,
      onData: (_record: Buffer): void => {},
      send: (record: Buffer) => {
        if (!this.#closed) options.send(record);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    this.#incoming = transport;
    this.#client = new DtlsClient({
      transport,
      cert: options.identity.certPem,
      key: options.identity.keyPem,
      signatureHash: ECDSA_SHA256,
      srtpProfiles: [7, 1],
      extendedMasterSecret: true,
    });
    this.#client.onConnect.once(() => this.#connected());
    this.#client.onError.subscribe((error) => this.#fail(`the DTLS handshake failed: ${String(error)}`));
  }

  /** Sends the first message; lost ones are repeated by the library. */
  start(): void {
    this.#client.connect().catch((error: unknown) => this.#fail(String(error)));
  }

  receive(record: Buffer): void {
    if (!this.#closed) this.#incoming.onData(record);
  }

  /** The RTP packet with its payload in the clear. Throws if it is no SRTP of this association. */
  unprotect(packet: Buffer): Buffer {
    if (this.#srtp === undefined) throw new Error('no keys yet');
    return this.#srtp.decrypt(packet);
  }

  close(): void {
    this.#closed = true;
    this.#client.dtls.flight = NO_FLIGHT;
  }

  #connected(): void {
    if (this.#closed) return;
    const certificate = this.#client.remoteCertificate;
    const profileId = this.#client.srtp.srtpProfile;
    const profile = PROFILES[profileId ?? 0];
    const known =
      certificate !== undefined &&
      this.#options.fingerprints.some(({ algorithm, value }) => {
        const hash = HASHES[algorithm.toLowerCase()];
        return hash !== undefined && fingerprintOf(certificate, hash) === value.toUpperCase();
      });
    if (!known) {
      this.#fail("the server's certificate is not the one of its answer");
      return;
    }
    if (profileId === undefined || profile === undefined) {
      this.#fail('no SRTP profile was agreed on');
      return;
    }
    const keys = this.#client.extractSessionKeys(KEY_BYTES, profile.saltBytes);
    this.#srtp = new SrtpSession({
      keys: {
        localMasterKey: keys.localKey,
        localMasterSalt: keys.localSalt,
        remoteMasterKey: keys.remoteKey,
        remoteMasterSalt: keys.remoteSalt,
      },
      profile: profileId,
    });
    this.#options.onConnected();
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#options.onFailed(reason);
  }
}
