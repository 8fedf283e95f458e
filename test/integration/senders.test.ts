import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readConfig } from '../../src/config.js';
import { startServer, type RunningServer } from '../../src/main.js';
import { until } from '../helpers/server.js';
import { WrtcClient } from '../helpers/wrtc-client.js';

/** A real server whose viewers are served by two sender threads. */

const FRAGMENT = 'application/trickle-ice-sdpfrag';

interface Viewer {
  readonly client: WrtcClient;
  readonly id: string;
  readonly url: string;
  readonly answer: string;
  /** UDP port of the server that it was told. */
  readonly port: number;
  etag: string;
}

const linesOf = (sdp: string, pattern: RegExp): string[] =>
  sdp.split(/\r\n/).filter((line) => pattern.test(line));

/** What a PATCH says of ICE: the credentials and candidates of the first section, as all are bundled. */
function fragmentOf(sdp: string, candidates: readonly string[]): string {
  const first = (pattern: RegExp): string => linesOf(sdp, pattern)[0] ?? assert.fail(`no ${pattern.source}`);
  return [
    first(/^a=ice-ufrag:/),
    first(/^a=ice-pwd:/),
    first(/^m=/),
    first(/^a=mid:/),
    ...candidates,
    '',
  ].join('\r\n');
}

describe('two sender threads', () => {
  let dataDir: string;
  let server: RunningServer;
  let sessionUrl: string;
  let whep: string;
  const viewers: Viewer[] = [];
  /** Those whose thread was killed. */
  let lost: Viewer[] = [];

  before(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'musecast-test-'));
    const flags = ['--host', '127.0.0.1', '--port', '0', '--data-dir', dataDir, '--log-level', 'fatal'];
    server = await startServer(readConfig([...flags, '--workers', '1', '--senders', '2'], {}));
    const { id } = (await (await post('/v1/sessions', { avatar: 'demo', engine: 'cpu' })).json()) as {
      id: string;
    };
    sessionUrl = `/v1/sessions/${id}`;
    whep = `/whep/${id}`;
  });
  after(async () => {
    for (const { client } of viewers) client.close();
    await server?.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  const at = (route: string): URL => new URL(route, server.url);
  const post = (route: string, body: object): Promise<Response> =>
    fetch(at(route), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const patch = (url: string, etag: string, body: string): Promise<Response> =>
    fetch(at(url), { method: 'PATCH', headers: { 'content-type': FRAGMENT, 'if-match': etag }, body });
  const detail = async (): Promise<{
    viewers: number;
    viewerStats: { id: string; state: string; picturesSent: number; soundsSent: number }[];
    media: { allViewers: { firstFrameMs?: { count: number } } };
  }> => (await (await fetch(at(sessionUrl))).json()) as Awaited<ReturnType<typeof detail>>;

  async function join(trickle?: (candidate: string) => void): Promise<Viewer> {
    const client = new WrtcClient();
    const offer = await client.offer(trickle);
    const response = await fetch(at(whep), {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: offer,
    });
    const answer = await response.text();
    assert.equal(response.status, 201, answer);
    await client.answer(answer);
    const url = response.headers.get('location') ?? '';
    const etag = response.headers.get('etag') ?? '';
    const port = Number(/^a=candidate:\S+ 1 udp \d+ \S+ (\d+) /im.exec(answer)?.[1]);
    const viewer = { client, id: url.split('/').at(-1) ?? '', url, answer, port, etag };
    viewers.push(viewer);
    return viewer;
  }

  const more = (client: WrtcClient, count: number): Promise<void> => {
    const frames = client.frames + count;
    return client.until(`${count} more pictures`, (one) => one.frames >= frames);
  };

  it('share the viewers, who all see and hear', async () => {
    for (let n = 0; n < 4; n++) await join();
    const ports = viewers.map(({ port }) => port);
    assert.equal(new Set(ports).size, 2, `ports ${ports.join(', ')}`);
    assert.deepEqual([ports[0], ports[1]], [ports[2], ports[3]]);
    assert.equal((await post(`${sessionUrl}/utterances`, { demo: true })).status, 201);
    await Promise.all(
      viewers.map(({ client }) =>
        client.until(
          'pictures and speech',
          ({ frames, audioSamples, audioPeak }) => frames > 25 && audioSamples > 48_000 && audioPeak > 2000,
        ),
      ),
    );
  });

  it('tell what each viewer gets, in the order in which they came', async () => {
    const { viewers: count, viewerStats, media } = await detail();
    assert.equal(count, 4);
    assert.deepEqual(
      viewerStats.map(({ id, state }) => [id, state]),
      viewers.map(({ id }) => [id, 'connected']),
    );
    for (const { picturesSent, soundsSent } of viewerStats) assert.ok(picturesSent > 25 && soundsSent >= 50);
    assert.equal(media.allViewers.firstFrameMs?.count, 4);
    const metrics = await (await fetch(at('/metrics'))).text();
    for (const { id } of viewers)
      assert.match(metrics, new RegExp(`musecast_viewer_pictures_sent_total\\{[^}]*viewer="${id}"\\} \\d+`));
  });

  it('take trickled candidates, and none of a stranger', async () => {
    const candidates: string[] = [];
    const viewer = await join((candidate) => candidates.push(`a=${candidate}`));
    await until('a candidate', () => (candidates.length > 0 ? true : undefined));
    const sdp = viewer.client.pc.localDescription.sdp;
    const trickled = await patch(viewer.url, viewer.etag, fragmentOf(sdp, candidates));
    assert.equal(trickled.status, 204, await trickled.text());
    const strange = fragmentOf(sdp, candidates).replace(/ice-ufrag:.*/, 'ice-ufrag:stranger');
    assert.equal((await patch(viewer.url, viewer.etag, strange)).status, 422);
    await more(viewer.client, 10);
  });

  it('restart ICE while pictures flow', async () => {
    const [viewer] = viewers;
    assert.ok(viewer);
    const offer = await viewer.client.offer();
    const fragment = fragmentOf(offer, linesOf(offer, /^a=candidate:/));
    const response = await patch(viewer.url, '*', fragment);
    const answer = await response.text();
    assert.equal(response.status, 200, answer);
    const etag = response.headers.get('etag') ?? '';
    assert.notEqual(etag, viewer.etag);
    const [ufrag = '', pwd = ''] = linesOf(answer, /^a=ice-(ufrag|pwd):/);
    await viewer.client.answer(
      viewer.answer.replace(/^a=ice-ufrag:.*$/gm, ufrag).replace(/^a=ice-pwd:.*$/gm, pwd),
    );
    viewer.etag = etag;
    await more(viewer.client, 50);
    assert.equal((await patch(viewer.url, etag, fragment)).status, 204, 'the new tag holds');
  });

  it("are found by the server's test of itself, each way in once", async () => {
    const { checks, candidates } = (await (await fetch(at('/v1/diagnose'))).json()) as {
      checks: { name: string; ok: boolean; detail: string }[];
      candidates: { address: string; protocol: string; ok: boolean }[];
    };
    const ways = candidates.map(({ protocol, address }) => `${protocol} ${address}`);
    assert.equal(new Set(ways).size, ways.length, ways.join(', '));
    assert.deepEqual(
      candidates.filter(({ address, ok }) => address === '127.0.0.1' && !ok),
      [],
      JSON.stringify(checks),
    );
    assert.ok(ways.includes('udp 127.0.0.1') && ways.includes('tcp 127.0.0.1'));
  });

  it('let go of a viewer who leaves', async () => {
    const viewer = viewers.pop();
    assert.ok(viewer);
    assert.equal((await fetch(at(viewer.url), { method: 'DELETE' })).status, 200);
    assert.equal((await detail()).viewers, 4);
    assert.equal((await fetch(at(viewer.url), { method: 'DELETE' })).status, 404);
    await until('the goodbye', () => (viewer.client.dtlsState === 'closed' ? true : undefined));
    viewer.client.close();
  });

  it('fail alone: the viewers of the other one notice nothing', async () => {
    await server.senders[0]?.kill();
    lost = viewers.filter(({ port }) => port === viewers[0]?.port);
    const left = viewers.filter((viewer) => !lost.includes(viewer));
    assert.deepEqual([lost.length, left.length], [2, 2]);
    const { viewers: count, viewerStats } = await detail();
    assert.equal(count, 2);
    assert.deepEqual(
      viewerStats.map(({ id }) => id),
      left.map(({ id }) => id),
    );
    for (const { url } of lost) assert.equal((await fetch(at(url), { method: 'DELETE' })).status, 404);
    await Promise.all(left.map(({ client }) => more(client, 25)));
    for (let n = 0; n < 2; n++) await more((await join()).client, 10);
    assert.equal((await detail()).viewers, 4);
  });

  it('end with the server', async () => {
    await server.close();
    await until('every goodbye', () =>
      viewers.filter((viewer) => !lost.includes(viewer)).every(({ client }) => client.dtlsState === 'closed')
        ? true
        : undefined,
    );
  });
});
