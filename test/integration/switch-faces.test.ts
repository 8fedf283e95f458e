import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FaceServer } from '../helpers/face-server.js';
import { makeMedia } from '../helpers/media.js';
import { meanColours } from '../helpers/mjpeg.js';
import { stubSet } from '../helpers/musetalk-stubs.js';
import { greenUnet } from '../helpers/paint-unet.js';
import { startTestServer, until, type TestServer } from '../helpers/server.js';

/** Another avatar in a session of generated faces: real server and worker, stand-in networks that paint green. */

interface Patched {
  readonly status: number;
  readonly body: { readonly avatar?: string; readonly code?: string; readonly detail?: string };
}

describe('another avatar in a session with generated faces', () => {
  let models: string;
  let server: TestServer;
  let faces: FaceServer;

  before(async () => {
    models = await stubSet(await mkdtemp(path.join(tmpdir(), 'musecast-stubs-')), {
      'unet.onnx': greenUnet(),
    });
    server = await startTestServer([
      ...['--engine', 'musetalk', '--musetalk-dir', models, '--onnx-threads', '1', '--engine-mode', 'live'],
      ...['--session-linger', '600', '--fps', '10'],
    ]);
    faces = new FaceServer(server);
    await makeMedia([
      '-i',
      'web/public/demo/portrait.jpg',
      '-vf',
      'hflip',
      path.join(server.dataDir, 'b.png'),
    ]);
  });
  after(async () => {
    await server?.close();
    await rm(models, { recursive: true, force: true });
  });

  async function patch(id: string, settings: object): Promise<Patched> {
    const response = await fetch(`${server.url}/v1/sessions/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(settings),
    });
    return { status: response.status, body: (await response.json()) as Patched['body'] };
  }
  const prepared = (id: string): Promise<unknown> =>
    until(`faces of ${id}`, async () => {
      const info = await faces.avatar(id);
      assert.notEqual(info['state'], 'failed', JSON.stringify(info));
      return (info['faces'] as Record<string, unknown> | undefined)?.['musetalk'] !== undefined || undefined;
    });

  it('has its own generated mouth while it speaks, and what cannot be is refused with the reason', async () => {
    await prepared('demo');
    const id = (await faces.open({ avatar: 'demo' })).id;
    assert.equal((await faces.session(id)).engine, 'musetalk');
    await faces.post('/v1/avatars', { id: 'b', path: 'b.png' });
    assert.equal((await patch(id, { avatar: 'b' })).body.code, 'avatar-not-ready');
    await prepared('b');

    const [left, right] = [
      { x1: 0, y1: 20, x2: 60, y2: 300 },
      { x1: 452, y1: 20, x2: 512, y2: 300 },
    ];
    const far = (one: readonly number[], other: readonly number[]): number =>
      Math.max(...one.map((value, i) => Math.abs(value - other[i]!)));
    const viewer = await faces.watch(id);
    const said = await faces.post(`/v1/sessions/${id}/utterances`, { demo: true });
    assert.equal(said.status, 201);
    await faces.untilMouth(viewer, await faces.mouth('demo'), true);
    const [[flag], [sky]] = await until('a picture', async () => {
      const newest = viewer.take().slice(-1);
      return newest.length === 0
        ? undefined
        : ([await meanColours(newest, left), await meanColours(newest, right)] as const);
    });
    assert.ok(flag !== undefined && sky !== undefined);
    const { status, body } = await patch(id, { avatar: 'b' });
    assert.deepEqual([status, body.avatar], [200, 'b'], JSON.stringify(body));
    // It is the portrait the other way round.
    await until('the other avatar', async () => {
      const newest = viewer.take().slice(-1);
      const [colour] = await meanColours(newest, right);
      return (colour !== undefined && far(colour, flag) < 15 && far(flag, sky) > 40) || undefined;
    });
    await faces.untilMouth(viewer, await faces.mouth('b'), true);

    // A clip of it, whose left edge is red, has generated mouths, too.
    const clip = path.join(server.dataDir, 'clip.mp4');
    await makeMedia([
      ...['-loop', '1', '-i', path.join(server.dataDir, 'b.png'), '-t', '1.2', '-r', '25'],
      ...['-vf', 'drawbox=x=0:y=0:w=60:h=600:color=red:t=fill', '-pix_fmt', 'yuv420p'],
      ...['-c:v', 'mpeg4', '-q:v', '2', clip],
    ]);
    await faces.post('/v1/avatars/b/actions', { name: 'wave', path: clip });
    await until('the action', async () => {
      const response = await fetch(`${server.url}/v1/avatars/b/actions/wave`);
      const info = (await response.json()) as { state: string };
      assert.notEqual(info.state, 'failed', JSON.stringify(info));
      return info.state === 'ready' || undefined;
    });
    await faces.post(`/v1/sessions/${id}/utterances`, { demo: true, mode: 'replace' });
    const acted = await faces.post(`/v1/sessions/${id}/actions`, { name: 'wave', times: 20 });
    assert.equal(acted.status, 201, acted.text);
    await until('its red edge', async () => {
      const [colour] = await meanColours(viewer.take().slice(-1), left);
      return (colour !== undefined && colour[0] > 180 && colour[1] < 60) || undefined;
    });
    await faces.untilMouth(viewer, await faces.mouth('b'), true);
    await viewer.close();
    await faces.end(id);
  });
});
