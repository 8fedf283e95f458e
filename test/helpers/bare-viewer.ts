/**
 * A viewer of which every datagram can be had: ICE with our own STUN, DTLS and SRTP by another implementation. Behaves
 * well until a test tells it otherwise.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket as TcpSocket } from 'node:net';
import { DtlsClient, HashAlgorithm, SignatureAlgorithm, SrtcpSession, SrtpSession } from 'werift';
import type { DtlsIdentity } from '../../src/transport/dtls-endpoint.js';
import { readStun, writeStun } from '../../src/transport/stun.js';
import { CHROMIUM_OFFER, FINGERPRINT } from './offers.js';

const OWN = { ufrag: 'Vwer', pwd: 'Vwer-0123456789012345678901' };
const CHECK_EVERY_MS = 50;

export class BareViewer {
  readonly offerSdp: string;
  /** RTP packets by payload type. */
  readonly packets = new Map<number, number>();
  /** SSRC of the picture's stream and the newest number on it. */
  video = { ssrc: 0, sequenceNumber: 0 };
  /** Each RTP packet, decrypted. */
  onPacket: (packet: Buffer) => void = () => {};
  iceDone = false;
  dtlsDone = false;
  readonly #identity: DtlsIdentity;
  readonly #socket: Socket | undefined;
  #tcp: TcpSocket | undefined;
  #server = { ufrag: '', pwd: '', port: 0 };
  #timer: NodeJS.Timeout | undefined;
  #srtp: SrtpSession | undefined;
  #srtcp: SrtcpSession | undefined;
  #dtls: DtlsClient | undefined;
  #transport = { onData: (_: Buffer): void => {} };

  private constructor(identity: DtlsIdentity, socket: Socket | undefined) {
    this.#identity = identity;
    this.#socket = socket;
    this.offerSdp = CHROMIUM_OFFER.replaceAll(FINGERPRINT, identity.fingerprint);
    socket?.on('message', (data) => this.#receive(data));
  }

  static async create(identity: DtlsIdentity, protocol: 'udp' | 'tcp' = 'udp'): Promise<BareViewer> {
    if (protocol === 'tcp') return new BareViewer(identity, undefined);
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new BareViewer(identity, socket);
  }

  /** Goes through ICE, and DTLS unless told otherwise; `until` of the caller waits for `iceDone` or `dtlsDone`. */
  async join(answerSdp: string, options: { dtls?: boolean } = {}): Promise<void> {
    const of = (pattern: RegExp): string => pattern.exec(answerSdp)?.[1] ?? '';
    const protocol = this.#socket === undefined ? 'tcp' : 'udp';
    this.#server = {
      ufrag: of(/^a=ice-ufrag:(\S+)/m),
      pwd: of(/^a=ice-pwd:(\S+)/m),
      port: Number(of(new RegExp(`^a=candidate:\\S+ 1 ${protocol} \\d+ 127\\.0\\.0\\.1 (\\d+)`, 'm'))),
    };
    if (protocol === 'tcp') await this.#connectTcp();
    this.#check();
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
    if (options.dtls !== false) this.#startDtls();
  }

  send(data: Buffer): void {
    if (this.#socket !== undefined) this.#socket.send(data, this.#server.port, '127.0.0.1', () => {});
    else if (this.#tcp?.writable === true) {
      const size = Buffer.alloc(2);
      size.writeUInt16BE(data.length);
      this.#tcp.write(Buffer.concat([size, data]));
    }
  }

  /** Protects it first; it may hold anything from its ninth byte on. */
  sendRtcp(packet: Buffer): void {
    if (this.#srtcp !== undefined) this.send(Buffer.from(this.#srtcp.encrypt(packet)));
  }

  stopReading(): void {
    this.#tcp?.pause();
  }

  /** Without a word. */
  close(): void {
    clearInterval(this.#timer);
    if (this.#dtls !== undefined) this.#dtls.dtls.flight = 99;
    this.#socket?.close();
    this.#tcp?.destroy();
  }

  async #connectTcp(): Promise<void> {
    const tcp = connect(this.#server.port, '127.0.0.1');
    this.#tcp = tcp;
    tcp.on('error', () => {});
    let rest: Buffer = Buffer.alloc(0);
    tcp.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        this.#receive(rest.subarray(2, end));
        rest = rest.subarray(end);
      }
    });
    await once(tcp, 'connect');
  }

  #check(): void {
    if (this.iceDone && this.#timer !== undefined && Math.random() < 0.9) return;
    this.send(
      writeStun({
        ...{
          type: 'request',
          transactionId: randomBytes(12),
          username: `${this.#server.ufrag}:${OWN.ufrag}`,
        },
        ...{ priority: 100, useCandidate: true, controlling: { value: true, tieBreaker: randomBytes(8) } },
        password: this.#server.pwd,
      }),
    );
  }

  #startDtls(): void {
    const transport = {
      ...{ type: 'udp', closed: false, address: { address: '127.0.0.1', port: 0, family: 'IPv4' } },
      onData: (_: Buffer): void => {},
      send: (record: Buffer) => {
        this.send(Buffer.from(record));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    this.#transport = transport;
    const client = new DtlsClient({
      ...{ transport, cert: this.#identity.certPem, key: this.#identity.keyPem, srtpProfiles: [7] },
      ...{ extendedMasterSecret: true, certificateRequest: true },
      signatureHash: { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 },
    });
    this.#dtls = client;
    client.onError.subscribe(() => {});
    client.onConnect.once(() => {
      const { localKey, localSalt, remoteKey, remoteSalt } = client.extractSessionKeys(16, 12);
      const local = { localMasterKey: localKey, localMasterSalt: localSalt };
      const config = {
        keys: { ...local, remoteMasterKey: remoteKey, remoteMasterSalt: remoteSalt },
        profile: 7,
      };
      this.#srtp = new SrtpSession(config);
      this.#srtcp = new SrtcpSession(config);
      this.dtlsDone = true;
    });
  }

  #receive(data: Buffer): void {
    const first = data[0] ?? 255;
    if (first < 4) this.#receiveStun(data);
    else if (first < 64) this.#transport.onData(data);
    else if (this.#srtp !== undefined && ((data[1] ?? 0) < 192 || (data[1] ?? 0) > 223)) {
      const packet = Buffer.from(this.#srtp.decrypt(data));
      const type = packet.readUInt8(1) & 0x7f;
      this.packets.set(type, (this.packets.get(type) ?? 0) + 1);
      this.onPacket(packet);
      if (type === 96) this.video = { ssrc: packet.readUInt32BE(8), sequenceNumber: packet.readUInt16BE(2) };
    }
  }

  #receiveStun(data: Buffer): void {
    const message = readStun(data);
    if (message?.type === 'success' && !this.iceDone) {
      this.iceDone = true;
      this.#dtls?.connect().catch(() => {});
    }
    if (message?.type !== 'request') return;
    const { transactionId } = message;
    const mappedAddress = { address: '127.0.0.1', port: this.#server.port };
    this.send(writeStun({ type: 'success', transactionId, mappedAddress, password: OWN.pwd }));
  }
}

/** A NACK that asks for the `count` * 17 numbers up to `newest`. */
export function nackOf(ssrc: number, newest: number, count: number): Buffer {
  const packet = Buffer.alloc(12 + 4 * count);
  packet.writeUInt32BE(0x81cd0000 + packet.length / 4 - 1, 0);
  packet.writeUInt32BE(1, 4);
  packet.writeUInt32BE(ssrc, 8);
  for (let n = 0; n < count; n++)
    packet.writeUInt32BE((((newest - 16 - 17 * n) & 0xffff) * 2 ** 16 + 0xffff) >>> 0, 12 + 4 * n);
  return packet;
}
