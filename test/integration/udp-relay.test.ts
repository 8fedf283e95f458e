import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { until } from '../helpers/server.js';
import { UdpRelay } from '../helpers/udp-relay.js';

/** The relay with real sockets. What it does to packets is tested on its own, without time. */

async function socket(t: TestContext, onMessage: (text: string, from: number) => void): Promise<Socket> {
  const made = createSocket('udp4');
  t.after(() => made.close());
  made.on('message', (payload, { port }) => onMessage(payload.toString(), port));
  made.bind(0, '127.0.0.1');
  await once(made, 'listening');
  return made;
}

test('two clients reach the server and each hears its own echo', async (t) => {
  const relay = await UdpRelay.start();
  t.after(() => relay.close());
  const seenFrom = new Set<number>();
  const server = await socket(t, (text, from) => {
    seenFrom.add(from);
    server.send(`echo ${text}`, from, '127.0.0.1');
  });
  await relay.setUpstream({ host: '127.0.0.1', port: server.address().port });
  const heard: string[][] = [[], []];
  for (const index of [0, 1]) {
    const client = await socket(t, (text, from) => {
      assert.equal(from, relay.port);
      heard[index]?.push(text);
    });
    for (let i = 0; i < 5; i += 1) client.send(`${index}.${i}`, relay.port, '127.0.0.1');
  }
  await until('all echoes', () => (heard.flat().length === 10 ? true : undefined));
  for (const index of [0, 1])
    assert.deepEqual(
      heard[index],
      Array.from({ length: 5 }, (_, i) => `echo ${index}.${i}`),
    );
  assert.equal(seenFrom.size, 2, 'a port towards the server for each client');
  const { toServer, toClient } = await relay.counters();
  assert.deepEqual(
    [toServer.delivered, toServer.bytes, toClient.delivered, toClient.bytes],
    [10, 30, 10, 80],
  );
});

test('a policy holds from the moment it is set: nothing, then late, then at a rate', async (t) => {
  const relay = await UdpRelay.start({ policy: { toServer: { lossShare: 1 } } });
  t.after(() => relay.close());
  const arrivals: { text: string; atMs: number }[] = [];
  const server = await socket(t, (text) => arrivals.push({ text, atMs: performance.now() }));
  await relay.setUpstream({ host: '127.0.0.1', port: server.address().port });
  const client = await socket(t, () => {});
  const send = (text: string) => client.send(text, relay.port, '127.0.0.1');
  send('lost');
  await until('the loss', async () => ((await relay.counters()).toServer.lost === 1 ? true : undefined));

  await relay.setPolicy({ toServer: { lossShare: 0, delayMs: 60 } });
  const sentMs = performance.now();
  send('late');
  await until('the late one', () => arrivals.find(({ text }) => text === 'late'));
  assert.ok((arrivals[0]?.atMs ?? 0) - sentMs >= 59, `after ${(arrivals[0]?.atMs ?? 0) - sentMs} ms`);

  // 40 packets of 500 bytes on the wire take 20 ms each; more would only show how busy this machine is.
  await relay.setPolicy({ toServer: { delayMs: 0, rateBps: 200_000, queueMs: 1000 } });
  for (let i = 0; i < 40; i += 1) send(String(i).padEnd(472));
  await until('all packets', () => (arrivals.length === 41 ? true : undefined));
  const tookMs = (arrivals[40]?.atMs ?? 0) - (arrivals[1]?.atMs ?? 0);
  assert.ok(tookMs > 0.95 * 39 * 20, `39 packets in ${tookMs} ms`);
  assert.deepEqual(
    arrivals.slice(1).map(({ text }) => Number(text)),
    Array.from({ length: 40 }, (_, i) => i),
  );
  assert.equal((await relay.counters()).toServer.overflowed, 0);
});
