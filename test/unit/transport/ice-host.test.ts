import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket as TcpSocket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, it } from 'node:test';
import { systemClock } from '../../../src/lib/clock.js';
import { silentLog } from '../../../src/lib/log.js';
import type { DatagramPath } from '../../../src/transport/datagram-path.js';
import { IceAgent } from '../../../src/transport/ice-agent.js';
import { IceHost, type IceClient, type IceHostOptions } from '../../../src/transport/ice-host.js';
import { readStun, writeStun } from '../../../src/transport/stun.js';
import { until } from '../../helpers/server.js';

const PWD = 'password-of-the-viewer';
const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);
const DTLS = Buffer.from([22, 1, 2, 3]);
const MEDIA = Buffer.from([0x80, 201, 0, 1]);

const closing: (() => unknown)[] = [];

async function host(more: Partial<IceHostOptions> = {}): Promise<IceHost> {
  const made = await IceHost.create({
    tcp: false,
    publicHosts: [],
    addresses: ['127.0.0.1'],
    log: silentLog,
    ...more,
  });
  closing.push(() => made.close());
  return made;
}

interface Viewer extends IceClient {
  readonly got: Buffer[];
  readonly gone: DatagramPath[];
  readonly selected: DatagramPath[];
}

/** The server's side of a viewer. */
function attach(ice: IceHost): Viewer {
  const selected: DatagramPath[] = [];
  const viewer: Viewer = {
    ...{ got: [], gone: [], selected },
    agent: new IceAgent({
      ...{ remote: { ufrag: 'viewer', pwd: PWD }, remoteIsLite: false, lite: false, clock: systemClock },
      pathsTo: (candidate) => ice.pathsTo(candidate),
      onPath: (path, proven) => ice.claim(path, viewer, proven),
      onSelected: (path) => selected.push(path),
      onLost() {},
    }),
    onDatagram: (data) => viewer.got.push(data),
    onPathGone: (path) => {
      viewer.gone.push(path);
      viewer.agent.forget(path);
    },
  };
  ice.add(viewer);
  closing.push(() => viewer.agent.close());
  return viewer;
}

const request = (viewer: IceClient, more: object = {}): Buffer =>
  writeStun({
    ...{ type: 'request', transactionId: randomBytes(12), username: `${viewer.agent.local.ufrag}:viewer` },
    ...{ priority: 100, useCandidate: true, controlling: { value: true, tieBreaker: randomBytes(8) } },
    password: viewer.agent.local.pwd,
    ...more,
  });

/** Answers the server's own checks. */
function reply(data: Buffer): Buffer | undefined {
  const message = readStun(data);
  if (message?.type !== 'request') return undefined;
  const { transactionId } = message;
  return writeStun({
    type: 'success',
    transactionId,
    mappedAddress: { address: '127.0.0.1', port: 1 },
    password: PWD,
  });
}

/** A viewer's UDP socket; `answers` decides whether checks are answered. */
async function udp(
  ice: IceHost,
  address = '127.0.0.1',
): Promise<{ socket: Socket; send(data: Buffer): void; got: Buffer[] }> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const got: Buffer[] = [];
  const send = (data: Buffer): void => socket.send(data, ice.port, address);
  socket.on('message', (data) => {
    got.push(data);
    const answer = reply(data);
    if (answer !== undefined) send(answer);
  });
  socket.bind(0, address);
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return { socket, send, got };
}

const frame = (data: Buffer): Buffer =>
  Buffer.concat([Buffer.from([data.length >> 8, data.length & 0xff]), data]);

async function tcp(ice: IceHost): Promise<{ socket: TcpSocket; got: Buffer[] }> {
  const socket = connect(ice.port, '127.0.0.1');
  await once(socket, 'connect');
  const got: Buffer[] = [];
  let rest = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const one = rest.subarray(2, 2 + rest.readUInt16BE(0));
      rest = rest.subarray(2 + one.length);
      got.push(one);
      const answer = reply(one);
      if (answer !== undefined) socket.write(frame(answer));
    }
  });
  socket.on('error', () => {});
  closing.push(() => socket.destroy());
  return { socket, got };
}

const yes = (condition: boolean): true | undefined => condition || undefined;

describe('ICE host', () => {
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  for (const address of ['127.0.0.1', ...(hasIpv6 ? ['::1'] : [])]) {
    it(`tells viewers apart by their fragment, then by where they come from (${address})`, async () => {
      const ice = await host({ addresses: [address] });
      const [a, b] = [attach(ice), attach(ice)];
      const [atA, atB] = [await udp(ice, address), await udp(ice, address)];
      atA.send(DTLS); // from an unknown source: dropped
      atA.send(request(a));
      atB.send(request(b));
      await until('both paths', () => yes(a.selected.length === 1 && b.selected.length === 1));
      assert.equal(a.selected[0]?.remotePort, atA.socket.address().port);
      for (const data of [DTLS, MEDIA]) atA.send(data);
      atB.send(MEDIA);
      await until('datagrams', () => yes(a.got.length === 2 && b.got.length === 1));
      assert.deepEqual(a.got, [DTLS, MEDIA]);
      const answer = readStun(atA.got.find((data) => readStun(data)?.type === 'success') ?? DTLS);
      assert.equal(answer?.mappedAddress?.port, atA.socket.address().port);
      b.selected[0]?.send(Buffer.from('to b'));
      await until('a datagram at b', () => yes(atB.got.some((data) => data.toString() === 'to b')));
    });
  }

  it('drops what belongs to nobody', async () => {
    const ice = await host();
    const viewer = attach(ice);
    const stranger = await udp(ice);
    const unknown = { agent: { local: { ufrag: 'nobody', pwd: 'x' } } } as unknown as IceClient;
    for (const data of [
      DTLS,
      MEDIA,
      Buffer.alloc(0),
      request(unknown),
      writeStun({ type: 'success', transactionId: randomBytes(12) }),
    ])
      stranger.send(data);
    stranger.send(request(viewer, { password: 'wrong' }));
    await until('the refusal of the last one', () => yes(stranger.got.length === 1));
    assert.equal(readStun(stranger.got[0] ?? DTLS)?.errorCode, 401);
    stranger.send(MEDIA);
    stranger.send(request(viewer, { password: 'wrong' }));
    await until('another refusal', () => yes(stranger.got.length === 2));
    assert.deepEqual([viewer.got, viewer.selected], [[], []]);
  });

  it('keeps a path that a viewer has proven when another one claims it with a forged sender', async () => {
    const ice = await host();
    const [victim, thief] = [attach(ice), attach(ice)];
    const socket = await udp(ice);
    socket.send(request(victim));
    await until('the path', () => yes(victim.selected.length === 1));
    socket.socket.removeAllListeners('message'); // the victim answers no check of the thief
    socket.send(request(thief));
    socket.send(MEDIA);
    await until('the datagram', () => yes(victim.got.length === 1));
    assert.deepEqual([thief.got, thief.selected], [[], []]);
  });

  it('holds nothing for sources that come and go, and keeps its viewers meanwhile', async () => {
    const ice = await host();
    const viewer = attach(ice);
    const at = await udp(ice);
    at.send(request(viewer));
    await until('the path', () => yes(viewer.selected.length === 1));
    const stray = { send() {}, localAddress: '127.0.0.1', localPriority: 1, protocol: 'udp' } as const;
    for (let n = 0; n < 40_000; n++) {
      const remote = { remoteAddress: '192.0.2.1', remotePort: n };
      ice.onDatagram(n % 2 === 0 ? DTLS : request(viewer, { password: 'wrong' }), {
        ...stray,
        ...remote,
        key: `udp ${n}`,
      });
    }
    at.send(MEDIA);
    await until('the datagram', () => yes(viewer.got.length === 1));
  });

  it('forgets a viewer that was removed', async () => {
    const ice = await host();
    const viewer = attach(ice);
    const at = await udp(ice);
    at.send(request(viewer));
    await until('the path', () => yes(viewer.selected.length === 1));
    ice.remove(viewer);
    const other = attach(ice);
    at.send(MEDIA);
    at.send(request(viewer));
    at.send(request(other));
    await until('the next viewer', () => yes(other.selected.length === 1));
    assert.deepEqual(viewer.got, []);
  });

  it('takes the first free port of a range, and says so when there is none', async () => {
    const taken = createSocket('udp4');
    taken.bind(0, '127.0.0.1');
    await once(taken, 'listening');
    closing.push(() => taken.close());
    const { port } = taken.address();
    const ice = await host({ portRange: [port, port + 20] });
    assert.ok(ice.port > port && ice.port <= port + 20, `${ice.port} of ${port} to ${port + 20}`);
    assert.ok(ice.candidates.every((candidate) => candidate.port === ice.port));
    await assert.rejects(host({ portRange: [port, port] }), (error: { code?: string; message?: string }) => {
      assert.equal(error.code, 'internal');
      assert.match(
        error.message ?? '',
        new RegExp(`no UDP port in ${port}-${port} is free on all of 127\\.0\\.0\\.1`),
      );
      return true;
    });
  });

  it('offers a public address once, before the private ones that it stands for', async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    const addresses = [...(own === undefined ? [] : [own]), '127.0.0.1', '127.0.0.2'];
    const publicHosts = ['203.0.113.9', '203.0.113.9', '2001:db8::9'];
    const { candidates } = await host({ addresses, publicHosts, tcp: true });
    const named = candidates.map(({ protocol, address, port }) => `${protocol} ${address} ${port}`);
    assert.equal(new Set(named).size, named.length, named.join(', '));
    const shown = candidates.filter(({ address }) => address === '203.0.113.9');
    assert.equal(shown.length, own === undefined ? 0 : 2);
    if (own !== undefined) assert.equal(candidates[0]?.address, '203.0.113.9');
    assert.ok(
      !candidates.some(({ address }) => address === '2001:db8::9'),
      'no IPv6 socket stands behind it',
    );
    const priorities = candidates.map(({ priority }) => priority);
    assert.deepEqual(
      priorities,
      [...priorities].sort((a, b) => b - a),
    );
  });

  describe('over TCP', () => {
    it('takes frames that come in pieces and several at once', async () => {
      const ice = await host({ tcp: true });
      const viewer = attach(ice);
      const { socket, got } = await tcp(ice);
      for (const byte of frame(request(viewer))) {
        socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until('the path', () => yes(viewer.selected.length === 1));
      assert.equal(viewer.selected[0]?.protocol, 'tcp');
      socket.write(
        Buffer.concat([frame(DTLS), frame(Buffer.alloc(0)), frame(MEDIA), frame(MEDIA).subarray(0, 3)]),
      );
      socket.write(frame(MEDIA).subarray(3));
      await until('three datagrams', () => yes(viewer.got.length === 3));
      assert.deepEqual(viewer.got, [DTLS, MEDIA, MEDIA]);
      viewer.selected[0].send(Buffer.from('back'));
      await until('one back', () => yes(got.some((data) => data.toString() === 'back')));
      socket.destroy();
      await until('the end of the path', () => yes(viewer.gone.length === 1));
      assert.equal(viewer.agent.selected, undefined);
    });

    it('ends a connection that announces a frame beyond all sense', async () => {
      const ice = await host({ tcp: true });
      const { socket } = await tcp(ice);
      socket.write(Buffer.from([0xff, 0xff, 1]));
      await once(socket, 'close');
    });

    it('ends the connection of a viewer that was removed', async () => {
      const ice = await host({ tcp: true });
      const viewer = attach(ice);
      const { socket } = await tcp(ice);
      socket.write(frame(request(viewer)));
      await until('the path', () => yes(viewer.selected.length === 1));
      ice.remove(viewer);
      await once(socket, 'close');
    });

    it('loses datagrams rather than keep them for a viewer that does not read', async () => {
      const ice = await host({ tcp: true });
      const viewer = attach(ice);
      const { socket } = await tcp(ice);
      socket.write(frame(request(viewer)));
      await until('the path', () => yes(viewer.selected.length === 1));
      socket.pause();
      const before = process.memoryUsage().arrayBuffers;
      const datagram = Buffer.alloc(1200, 1);
      for (let n = 0; n < 50_000; n++) viewer.selected[0]?.send(datagram);
      const keptMb = (process.memoryUsage().arrayBuffers - before) / 2 ** 20;
      assert.ok(keptMb < 10, `${keptMb.toFixed(0)} MB of 57 are kept`);
    });
  });
});
