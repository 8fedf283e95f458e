import { createSocket, type Socket } from 'node:dgram';
import { parentPort, workerData } from 'node:worker_threads';
import { RelayLink, seededRandom } from './relay-link.js';
import type { RelayAnswer, RelayRequest } from './udp-relay.js';

/** The thread behind {@link UdpRelay}: two links, one public socket, and a socket towards the server for each client. */

interface Packet {
  readonly payload: Buffer;
  readonly send: (payload: Buffer) => void;
}

const LOOPBACK = '127.0.0.1';
const port = parentPort;
if (port === null) throw new Error('udp-relay-thread runs in a worker thread');
const { seed } = workerData as { seed: number };
const links = {
  toServer: new RelayLink<Packet>(seededRandom(2 * seed)),
  toClient: new RelayLink<Packet>(seededRandom(2 * seed + 1)),
};
const upstreams = new Map<string, Socket>();
let server: { host: string; port: number } | undefined;
let timer: NodeJS.Timeout | undefined;

function forward(): void {
  clearTimeout(timer);
  const nowMs = performance.now();
  let nextMs = Infinity;
  for (const link of Object.values(links)) {
    for (const { payload, send } of link.take(nowMs)) send(payload);
    nextMs = Math.min(nextMs, link.nextMs() ?? Infinity);
  }
  if (nextMs < Infinity) timer = setTimeout(forward, Math.max(1, Math.ceil(nextMs - nowMs)));
}

function accept(link: RelayLink<Packet>, packet: Packet): void {
  link.push(packet, packet.payload.length, performance.now());
  forward();
}

function upstreamFor(clientHost: string, clientPort: number): Socket {
  const key = `${clientHost}:${clientPort}`;
  const known = upstreams.get(key);
  if (known !== undefined) return known;
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  socket.on('error', () => {}); // A server that is gone looks like a dead line.
  const send = (payload: Buffer): void => publicSocket.send(payload, clientPort, clientHost);
  socket.on('message', (payload) => accept(links.toClient, { payload, send }));
  upstreams.set(key, socket);
  return socket;
}

const publicSocket = createSocket('udp4');
publicSocket.on('error', () => {});
publicSocket.on('message', (payload, client) => {
  const target = server;
  if (target === undefined) return;
  const upstream = upstreamFor(client.address, client.port);
  accept(links.toServer, { payload, send: (bytes) => upstream.send(bytes, target.port, target.host) });
});

const answer = (message: RelayAnswer): void => port.postMessage(message);

port.on('message', (request: RelayRequest) => {
  if (request.type === 'upstream') server = request;
  if (request.type === 'policy') {
    for (const direction of ['toServer', 'toClient'] as const)
      links[direction].setPolicy(request[direction], performance.now());
    forward();
  }
  answer({
    port: publicSocket.address().port,
    counters: { toServer: links.toServer.counters(), toClient: links.toClient.counters() },
  });
});

publicSocket.bind(0, LOOPBACK, () => answer({ port: publicSocket.address().port }));
