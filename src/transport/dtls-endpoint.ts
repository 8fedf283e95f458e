/**
 * The file that knows the WebRTC library (werift, pinned): its DTLS 1.2 server and its SRTCP. The client of the same,
 * which only the server's test of itself needs, stands in dtls-client.ts. ICE, RTP and SDP are our own, since one socket has to serve all viewers and one picture has to be cheap to send to each.
 */
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import {
  CipherContext,
  DtlsServer,
  HashAlgorithm,
  NamedCurveAlgorithm,
  SignatureAlgorithm,
  SrtcpSession,
} from 'werift';
import { AppError } from '../errors.js';
import { closeNotifyRecord } from './dtls-close.js';
import { CONTENT, readRecords, writeRecord, type DtlsRecord } from './dtls-record.js';
import { HandshakeOrder } from './handshake-order.js';
import { ReplayWindow } from './replay-window.js';

export type SrtpProfile = 'AEAD_AES_128_GCM' | 'AES_CM_128_HMAC_SHA1_80';

/** What the handshake agreed on for the media of one side (RFC 5764 section 4.2). */
export interface SrtpKeys {
  readonly profile: SrtpProfile;
  /** 16 bytes. */
  readonly masterKey: Buffer;
  /** 12 bytes with GCM, 14 with CM. */
  readonly masterSalt: Buffer;
}

/** Our certificate: made once for the process, told to viewers by its fingerprint. */
export interface DtlsIdentity {
  readonly certPem: string;
  readonly keyPem: string;
  /** SHA-256, upper-case hex with colons. */
  readonly fingerprint: string;
}

export interface Fingerprint {
  /** As in SDP: `sha-256`. */
  readonly algorithm: string;
  readonly value: string;
}

export interface DtlsEndpointOptions {
  readonly identity: DtlsIdentity;
  /** The viewer's certificate must have one of these. */
  readonly fingerprints: readonly Fingerprint[];
  send(record: Buffer): void;
  /** What protects our media, and the viewer's. */
  onConnected(own: SrtpKeys, remote: SrtpKeys): void;
  /** Once: the viewer closed, the handshake failed, or the certificate was a wrong one. Not called after `close`. */
  onClosed(reason: string): void;
}

export const PROFILES: Record<number, { name: SrtpProfile; saltBytes: number }> = {
  7: { name: 'AEAD_AES_128_GCM', saltBytes: 12 },
  1: { name: 'AES_CM_128_HMAC_SHA1_80', saltBytes: 14 },
};
export const KEY_BYTES = 16;
export const ECDSA_SHA256 = { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 };
const CERTIFICATE_VERIFY = 15;
const FINISHED = 20;
const FATAL = 2;
const CLOSE_NOTIFY = 0;
/** Explicit nonce and tag around what AES-GCM protects (RFC 5288). */
const GCM_BYTES = 8 + 16;
/** Ends the library's repeating of a flight, which has no end of its own for half a minute. */
export const NO_FLIGHT = 99;
export const HASHES: Record<string, string> = {
  'sha-256': 'sha256',
  'sha-384': 'sha384',
  'sha-512': 'sha512',
};

export async function createIdentity(): Promise<DtlsIdentity> {
  const { certPem, keyPem } = await CipherContext.createSelfSignedCertificateWithKey(
    ECDSA_SHA256,
    NamedCurveAlgorithm.secp256r1_23,
  );
  return { certPem, keyPem, fingerprint: fingerprintOf(new X509Certificate(certPem).raw, 'sha256') };
}

export class DtlsEndpoint {
  readonly #options: DtlsEndpointOptions;
  readonly #server: DtlsServer;
  /** The library puts its handler into `onData`. */
  readonly #incoming: { onData(record: Buffer): void };
  readonly #order = new HandshakeOrder((record) => this.#incoming.onData(record));
  #srtcp: SrtcpSession | undefined;
  readonly #replays = new ReplayWindow();
  #state: 'handshake' | 'connected' | 'closed' = 'handshake';

  constructor(options: DtlsEndpointOptions) {
    this.#options = options;
    const transport = {
      type: 'udp',
      address: { address: '127.0.0.1', port: 0, family: 'IPv4' },
      closed: false,
      onData: (_record: Buffer): void => {},
      send: (record: Buffer) => {
        if (this.#state !== 'closed') options.send(record);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    this.#incoming = transport;
    this.#server = new DtlsServer({
      transport,
      cert: options.identity.certPem,
      key: options.identity.keyPem,
      signatureHash: ECDSA_SHA256,
      srtpProfiles: [7, 1],
      extendedMasterSecret: true,
      certificateRequest: true,
    });
    this.#server.onConnect.once(() => this.#connected());
    this.#server.onError.subscribe((error) => this.#lose(`the DTLS handshake failed: ${String(error)}`));
  }

  get state(): 'handshake' | 'connected' | 'closed' {
    return this.#state;
  }

  /**
   * A datagram whose first byte is 20 to 63. Anybody can write plain records under the viewer's address, so they are
   * only good for a handshake that is under way: no alert among them ends it, and none is read once keys are there.
   */
  receive(data: Buffer): void {
    for (const record of readRecords(data)) {
      try {
        if (this.#state === 'handshake') this.#order.take(record);
        else if (this.#state === 'connected' && record.epoch === 1) this.#receiveProtected(record);
      } catch {
        // It cannot be parsed or is not authentic; DTLS drops it (RFC 6347 section 4.1.2.7).
      }
    }
  }

  /** The library takes alerts without looking whether they are encrypted, and new handshakes; so it sees neither. */
  #receiveProtected(record: DtlsRecord): void {
    if (record.type !== CONTENT.alert && record.type !== CONTENT.handshake) return;
    const plain = this.#decrypt(record);
    if (record.type === CONTENT.alert) {
      if (plain[0] === FATAL || plain[1] === CLOSE_NOTIFY) this.#lose("the viewer's encryption was closed");
    } else if (plain[0] === FINISHED) {
      // The viewer did not get our last flight; the library sends it again.
      this.#incoming.onData(writeRecord(record));
    }
  }

  #decrypt({ type, version, epoch, sequenceNumber, body }: DtlsRecord): Buffer {
    if (body.length <= GCM_BYTES) throw new AppError('internal', 'no room for a protected record');
    const header = { type, version, epoch, sequenceNumber };
    return this.#server.cipher.cipher.decrypt(this.#server.sessionType, body, header);
  }

  /** Throws if it is no SRTCP of this association, or came before. */
  unprotectRtcp(packet: Buffer): Buffer {
    if (this.#srtcp === undefined) throw new AppError('internal', 'no keys yet');
    const plain = this.#srtcp.decrypt(packet);
    // The index lies at the end, with CM before the tag of ten bytes.
    const tagBytes = this.#server.srtp.srtpProfile === 1 ? 10 : 0;
    const index = packet.readUInt32BE(packet.length - tagBytes - 4) & 0x7fff_ffff;
    if (!this.#replays.take(packet.readUInt32BE(4), index)) throw new AppError('internal', 'came before');
    return plain;
  }

  protectRtcp(packet: Buffer): Buffer {
    if (this.#srtcp === undefined) throw new AppError('internal', 'no keys yet');
    return this.#srtcp.encrypt(packet);
  }

  /** Tells the viewer, twice as a datagram may get lost. */
  close(): void {
    if (this.#state === 'connected') {
      for (let copy = 0; copy < 2; copy++) {
        const record = closeNotifyRecord(this.#server);
        if (record !== undefined) this.#options.send(record);
      }
    }
    this.#end();
  }

  #connected(): void {
    if (this.#state !== 'handshake') return;
    const fault = this.#faultOfViewer();
    const profile = PROFILES[this.#server.srtp.srtpProfile ?? 0];
    if (fault !== undefined || profile === undefined) {
      this.#lose(fault ?? 'the viewer agreed on no SRTP profile');
      return;
    }
    this.#state = 'connected';
    const { localKey, localSalt, remoteKey, remoteSalt } = this.#server.extractSessionKeys(
      KEY_BYTES,
      profile.saltBytes,
    );
    this.#srtcp = new SrtcpSession({
      keys: {
        localMasterKey: localKey,
        localMasterSalt: localSalt,
        remoteMasterKey: remoteKey,
        remoteMasterSalt: remoteSalt,
      },
      profile: this.#server.srtp.srtpProfile ?? 0,
    });
    const { name } = profile;
    this.#options.onConnected(
      { profile: name, masterKey: localKey, masterSalt: localSalt },
      { profile: name, masterKey: remoteKey, masterSalt: remoteSalt },
    );
  }

  /** The library asks for a certificate but checks neither whose it is nor that the viewer holds its key. */
  #faultOfViewer(): string | undefined {
    const certificate = this.#server.remoteCertificate;
    if (certificate === undefined) return 'the viewer sent no certificate';
    const matches = this.#options.fingerprints.some(({ algorithm, value }) => {
      const hash = HASHES[algorithm.toLowerCase()];
      return hash !== undefined && fingerprintOf(certificate, hash) === value.toUpperCase();
    });
    if (!matches) return "the viewer's certificate is not the one of its offer";
    if (!this.#holdsKeyOf(certificate)) return 'the viewer does not hold the key of its certificate';
    return undefined;
  }

  /** RFC 5246 section 7.4.8: a signature over all handshake messages before it. */
  #holdsKeyOf(certificate: Buffer): boolean {
    const messages = this.#server.dtls.sortedHandshakeCache;
    const at = messages.findIndex((message) => message.msg_type === CERTIFICATE_VERIFY);
    const proof = messages[at]?.fragment;
    if (proof === undefined || proof.length < 5) return false;
    const signed = Buffer.concat(messages.slice(0, at).map((message) => message.serialize()));
    const hash = { 4: 'sha256', 5: 'sha384', 6: 'sha512' }[proof[0] ?? 0];
    const signature = proof.subarray(4, 4 + proof.readUInt16BE(2));
    try {
      const key = createPublicKey(
        new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' }),
      );
      return hash !== undefined && verify(hash, signed, key, signature);
    } catch {
      return false;
    }
  }

  #lose(reason: string): void {
    if (this.#state === 'closed') return;
    this.#end();
    this.#options.onClosed(reason);
  }

  #end(): void {
    this.#state = 'closed';
    this.#server.dtls.flight = NO_FLIGHT;
  }
}

export function fingerprintOf(certificate: Buffer, hash: string): string {
  const hex = createHash(hash).update(certificate).digest('hex').toUpperCase();
  return (hex.match(/../g) ?? []).join(':');
}
