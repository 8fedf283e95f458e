import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../../src/lib/clock.js';
import { silentLog } from '../../src/lib/log.js';
import { FanOut } from '../../src/session/viewers/fan-out.js';
import { Peer } from '../../src/session/viewers/peer.js';
import { createTransportHost } from '../../src/transport/create-transport-host.js';
import { createIdentity, type DtlsIdentity } from '../../src/transport/dtls-endpoint.js';
import type { TransportHost } from '../../src/transport/peer-transport.js';
import { BareViewer, nackOf } from '../helpers/bare-viewer.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { CHROMIUM_OFFER, FINGERPRINT, offer, section } from '../helpers/offers.js';
import { startTestServer, until, type TestServer } from '../helpers/server.js';
import { WrtcClient } from '../helpers/wrtc-client.js';

/** Viewers that send nonsense, too much, or nothing: a status each, no leak, and the other viewers do not notice. */

const SDP = 'application/sdp';
const FRAGMENT = 'application/trickle-ice-sdpfrag';
const yes = (condition: boolean): true | undefined => condition || undefined;

describe('hostile viewers of a real server', () => {
  let server: TestServer;
  let session: string;
  let identity: DtlsIdentity;
  let witness: WrtcClient;

  /** A request; one that comes too soon for the rate limit is made again after the pause that it names. */
  async function call(
    method: string,
    route: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    for (;;) {
      const response = await fetch(server.url + route, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      if (response.status !== 429) return response;
      const waitS = Number(response.headers.get('retry-after'));
      assert.ok(waitS >= 1 && waitS <= 60, `Retry-After ${waitS}`);
      await response.arrayBuffer();
      await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
    }
  }
  const post = (body: string): Promise<Response> =>
    call('POST', `/whep/${session}`, body, { 'content-type': SDP });
  const leave = async (response: Response): Promise<void> => {
    const left = await call('DELETE', response.headers.get('location') ?? '');
    assert.equal(left.status, 200);
  };
  /** Status of an offer; a viewer that was let in leaves again. */
  async function statusOf(body: string): Promise<number> {
    const response = await post(body);
    const text = await response.text();
    if (response.status === 201) await leave(response);
    else assert.ok(JSON.parse(text).detail?.length > 5, text);
    return response.status;
  }
  /** Pictures a second that the witness sees while `action` runs. */
  async function undisturbed(action: () => Promise<void>): Promise<void> {
    const [frames, atMs] = [witness.frames, performance.now()];
    await action();
    const seconds = (performance.now() - atMs) / 1000;
    if (seconds < 1) await witness.until('pictures', (client) => client.frames >= frames + 25);
    const rate = (witness.frames - frames) / ((performance.now() - atMs) / 1000);
    assert.ok(rate > 18, `the witness saw ${rate.toFixed(1)} pictures a second`);
  }
  const residentMb = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1]) / 1024;

  before(async () => {
    server = await startTestServer(['--max-sessions', '2', '--log-level', 'warn']);
    identity = await createIdentity();
    const response = await call('POST', '/v1/sessions', JSON.stringify({ avatar: 'demo' }), {
      'content-type': 'application/json',
    });
    assert.equal(response.status, 201);
    session = ((await response.json()) as { id: string }).id;
    witness = new WrtcClient();
    const watching = await post(await witness.offer());
    assert.equal(watching.status, 201);
    await witness.answer(await watching.text());
    await witness.until('pictures', ({ frames }) => frames >= 25, 20_000);
  });
  after(async () => {
    witness?.close();
    await server?.close();
  });

  it('answer an offer that is cut, huge, foreign or noise with 400, 413 or 422', async () => {
    await undisturbed(async () => {
      const lines = CHROMIUM_OFFER.split('\r\n');
      const allowed = [201, 400, 413, 422];
      for (let at = 0; at < lines.length; at += 1) {
        const status = await statusOf(lines.slice(0, at).join('\r\n'));
        assert.ok(allowed.includes(status), `${status} for ${at} lines`);
      }
      const cases: [string, string, number[]][] = [
        ['huge', CHROMIUM_OFFER + 'a=x:y\r\n'.repeat(20_000), [413]],
        ['sendonly', CHROMIUM_OFFER.replaceAll('recvonly', 'sendonly'), [422]],
        ['no fragment', CHROMIUM_OFFER.replaceAll(/^a=ice-ufrag.*\r\n/gm, ''), [400]],
        ['H.264 alone', CHROMIUM_OFFER.replaceAll('VP8', 'AV1'), [201]],
        ['High profile', CHROMIUM_OFFER.replaceAll('VP8', 'AV1').replace('42e01f', '64001f'), [422]],
        ['foreign', CHROMIUM_OFFER.replaceAll(/VP8|H264/g, 'AV1'), [422]],
        ['noise', randomBytes(3000).toString('latin1'), [400]],
        ['noise behind a head', `v=0\r\nm=${randomBytes(300).toString('hex')}`, [400]],
        ['zeros', CHROMIUM_OFFER.replaceAll('a', '\0'), [400]],
        [
          '100 sections',
          offer(Array.from({ length: 100 }, (_, n) => section({ mid: `${n}`, kind: 'application' }))),
          [422],
        ],
        ['a long name', CHROMIUM_OFFER.replaceAll('mid:0', `mid:${'x'.repeat(30_000)}`), [413, 422]],
      ];
      for (const [name, sdp, statuses] of cases) {
        const status = await statusOf(sdp);
        assert.ok(statuses.includes(status), `${name}: ${status}`);
      }
    });
  });

  it('answer PATCH bombs', async () => {
    const made = await post(CHROMIUM_OFFER);
    const location = made.headers.get('location') ?? '';
    const headers = { 'content-type': FRAGMENT, 'if-match': made.headers.get('etag') ?? '' };
    const patch = async (body: string): Promise<number> =>
      (await call('PATCH', location, body, headers)).status;
    const candidate = (n: number): string => `a=candidate:1 1 udp 1 127.0.0.1 ${n} typ host\r\n`;
    await undisturbed(async () => {
      assert.equal(await patch(candidate(1).repeat(10_000)), 413);
      assert.equal(await patch('a=candidate:\r\n'.repeat(400)), 204);
      assert.equal(await patch(`a=candidate:${'x'.repeat(15_000)}\r\n`), 204);
      assert.equal(await patch(`a=ice-ufrag:one\r\na=ice-ufrag:two\r\n`), 400);
      assert.equal(await patch(randomBytes(500).toString('latin1')), 400);
      // Hundreds of different candidates are taken or left, but checked within limits.
      const many = Array.from({ length: 250 }, (_, n) => candidate(20_000 + n)).join('');
      const statuses = await Promise.all(Array.from({ length: 20 }, () => patch(many)));
      assert.deepEqual(new Set(statuses), new Set([204]));
    });
    await leave(made);
  });

  it('answer 200 offers at once, with 201 or 429', async () => {
    await undisturbed(async () => {
      const headers = { 'content-type': SDP };
      const all = await Promise.all(
        Array.from({ length: 200 }, () =>
          fetch(`${server.url}/whep/${session}`, { method: 'POST', headers, body: CHROMIUM_OFFER }),
        ),
      );
      const statuses = new Set(all.map(({ status }) => status));
      assert.ok(
        [...statuses].every((status) => status === 201 || status === 429),
        [...statuses].join(' '),
      );
      for (const response of all) if (response.status === 201) await leave(response);
    });
  });

  it('repeat within limits, whatever a connected viewer asks for and however loud its nonsense is', async () => {
    const viewer = await BareViewer.create(identity);
    const made = await post(viewer.offerSdp);
    await viewer.join(await made.text());
    await until('pictures', () => yes((viewer.packets.get(96) ?? 0) > 20));
    await undisturbed(async () => {
      for (let round = 0; round < 200; round++) {
        const { ssrc, sequenceNumber } = viewer.video;
        for (let n = 0; n < 20; n++) {
          viewer.send(Buffer.concat([Buffer.from([20 + (n % 44)]), randomBytes(40 + n)]));
          viewer.send(Buffer.concat([Buffer.from([0x80 + n, 200 + (n % 8)]), randomBytes(60)]));
          viewer.send(Buffer.concat([Buffer.from([n % 4]), randomBytes(30)]));
          const packet = Buffer.concat([
            Buffer.from([0x81 + (n % 16), 200 + (n % 7), 0, n]),
            randomBytes(4 * n + 4),
          ]);
          if (packet[1] !== 203) viewer.sendRtcp(packet);
          viewer.sendRtcp(nackOf(ssrc, sequenceNumber, 60));
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    const [pictures, repeats] = [viewer.packets.get(96) ?? 0, viewer.packets.get(97) ?? 0];
    console.log(`${pictures} packets of pictures, ${repeats} repeats after 4000 NACKs of 1020 numbers`);
    assert.ok(repeats > 0 && repeats <= 4 * (pictures + 20), `${repeats} repeats of ${pictures} packets`);
    await leave(made);
    viewer.close();
  });

  it('do not keep pictures for a viewer on TCP that stops reading', async () => {
    const viewer = await BareViewer.create(identity, 'tcp');
    const made = await post(viewer.offerSdp);
    await viewer.join(await made.text());
    await until('pictures', () => yes((viewer.packets.get(96) ?? 0) > 5));
    const beforeMb = residentMb();
    viewer.stopReading();
    await undisturbed(async () => {
      for (let round = 0; round < 100; round++) {
        for (let n = 0; n < 20; n++)
          viewer.sendRtcp(nackOf(viewer.video.ssrc, viewer.video.sequenceNumber, 60));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    assert.ok(residentMb() - beforeMb < 60, `${(residentMb() - beforeMb).toFixed(0)} MB more`);
    await leave(made);
    viewer.close();
  });

  it('leave no complaint in the log of the server', () => {
    assert.doesNotMatch(server.log(), /"level":(50|60)|unhandled|TypeError|RangeError/i);
  });
});

describe('viewers that do not finish, and many that do', () => {
  let transport: TransportHost;
  let identity: DtlsIdentity;
  before(async () => {
    transport = await createTransportHost({ tcp: true, lite: false, publicHosts: [], log: silentLog });
    identity = await createIdentity();
  });
  after(() => transport.ice.close());

  const open = (
    offerSdp: string,
    more: { clock?: Clock } = {},
  ): { peer: Peer; closed: string[]; ready: () => boolean; keys: () => number } => {
    const closed: string[] = [];
    let connected = false;
    let keys = 0;
    const peer = new Peer({
      ...{ id: randomBytes(4).toString('hex'), offerSdp, transport, log: silentLog, ...more },
      ladder: [{ name: 'high', bps: 1_000_000 }],
      onKeyframeNeeded: () => (keys += 1),
      onConnected: () => (connected = true),
      onClosed: (reason) => closed.push(reason),
    });
    return { peer, closed, ready: () => connected, keys: () => keys };
  };

  it('gives up one that never begins ICE, and one that never begins DTLS', async () => {
    const clock = new ManualClock();
    const silent = open(CHROMIUM_OFFER, { clock });
    const half = open(CHROMIUM_OFFER.replaceAll(FINGERPRINT, identity.fingerprint), { clock });
    const viewer = await BareViewer.create(identity);
    await viewer.join(half.peer.answerSdp, { dtls: false });
    await until('ICE', () => yes(viewer.iceDone));
    clock.advance(14_900);
    assert.deepEqual([silent.closed, half.closed], [[], []]);
    clock.advance(200);
    assert.deepEqual(
      [silent.closed, half.closed],
      [['the viewer did not connect'], ['the viewer did not connect']],
    );
    viewer.close();
  });

  it('gives up one that vanished within 30 s', async () => {
    const clock = new ManualClock();
    const viewer = await BareViewer.create(identity);
    const { peer, closed, ready } = open(viewer.offerSdp, { clock });
    await viewer.join(peer.answerSdp);
    await until('the connection', () => yes(ready()));
    viewer.close();
    clock.advance(23_000);
    assert.deepEqual(closed, []);
    clock.advance(7_000);
    assert.match(closed[0] ?? '', /no sign of life/);
  });

  it('makes few key pictures for one that asks without end, as all viewers pay for them', async () => {
    const viewer = await BareViewer.create(identity);
    const { peer, ready, keys, closed } = open(viewer.offerSdp);
    await viewer.join(peer.answerSdp);
    await until('the connection', () => yes(ready() && viewer.dtlsDone));
    const pli = Buffer.from('81ce00020000000100000002', 'hex');
    const bye = Buffer.from('81cb000100000001', 'hex');
    for (let n = 0; n < 500; n++) viewer.sendRtcp(pli);
    viewer.sendRtcp(bye);
    await until('the goodbye behind them', () => yes(closed.length === 1));
    assert.ok(keys() >= 2 && keys() <= 8, `${keys()} key pictures`);
    viewer.close();
  });

  it(
    'keeps neither memory nor descriptors nor timers of 500 that came and went',
    { timeout: 120_000 },
    async () => {
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc') as () => void;
      const fanOut = new FanOut({ onKeyframeNeeded() {} });
      let index = 0;
      const beat = setInterval(
        () => fanOut.sendPicture([{ index: index++, key: index % 5 === 0, data: randomBytes(4000) }], 25),
        20,
      );
      const visit = async (n: number): Promise<void> => {
        const viewer = await BareViewer.create(identity);
        const { peer, ready, closed } = open(viewer.offerSdp);
        fanOut.add(peer);
        // Every fourth leaves before it connects.
        if (n % 4 !== 0) {
          await viewer.join(peer.answerSdp);
          await until('a picture', () => yes(ready() && (viewer.packets.get(96) ?? 0) > 0));
        }
        peer.close();
        fanOut.remove(peer.id);
        assert.equal(closed.length, 1);
        viewer.close();
      };
      const visits = async (count: number): Promise<void> => {
        for (let n = 0; n < count; n += 10)
          await Promise.all(Array.from({ length: 10 }, (_, at) => visit(n + at)));
      };
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      const measure = async (): Promise<{ heapMb: number; descriptors: number; timers: number }> => {
        // The library's own pause after a flight, a second long, has to end first.
        await until('an end of timers', () => yes(timers() <= 3));
        collect();
        collect();
        const { heapUsed, arrayBuffers } = process.memoryUsage();
        return {
          heapMb: (heapUsed + arrayBuffers) / 2 ** 20,
          descriptors: readdirSync('/proc/self/fd').length,
          timers: timers(),
        };
      };
      await visits(100);
      const early = await measure();
      await visits(500);
      const late = await measure();
      clearInterval(beat);
      console.log(`after 100: ${JSON.stringify(early)}, after 600: ${JSON.stringify(late)}`);
      assert.ok(late.heapMb - early.heapMb < 6, `${(late.heapMb - early.heapMb).toFixed(1)} MB more`);
      assert.ok(
        late.descriptors <= early.descriptors + 2,
        `${late.descriptors} descriptors, ${early.descriptors} before`,
      );
    },
  );
});
