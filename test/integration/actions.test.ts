import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EventFollower } from '../helpers/event-follower.js';
import { makeMedia } from '../helpers/media.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';
import { joinWhep } from '../helpers/whep-join.js';
import { WrtcClient, type ReceivedPicture } from '../helpers/wrtc-client.js';

/** Clips that an avatar plays: uploaded, prepared, seen by a viewer while the lips go on. */

const PORTRAIT = 'web/public/demo/portrait.jpg';
/** Of the demo portrait, as shares of its sides. */
const MOUTH = { left: 0.4, right: 0.6, top: 0.52, bottom: 0.7 };

interface ActionBody {
  readonly name: string;
  readonly state: string;
  readonly durationMs?: number;
  readonly still?: boolean;
  readonly quality?: { framesUsed: number };
  readonly error?: object;
  readonly code?: string;
  readonly detail?: string;
}
interface Seen {
  readonly atMs: number;
  /** How green the left edge is: Cb and Cr far below the middle. */
  readonly green: boolean;
  readonly mouth: Uint8Array;
}

describe('actions', () => {
  let server: TestServer;
  let id: string;
  let viewer: WrtcClient;
  let events: EventFollower;
  const seen: Seen[] = [];

  before(async () => {
    server = await startTestServer(['--workers', '1', '--session-linger', '60', '--engine', 'cpu']);
    // The portrait as footage whose left edge is green: only lips move in it.
    await makeMedia([
      ...['-loop', '1', '-i', PORTRAIT, '-t', '1.2', '-r', '25', '-pix_fmt', 'yuv420p'],
      ...['-vf', 'drawbox=x=0:y=0:w=60:h=600:color=green:t=fill', '-c:v', 'mpeg4', '-q:v', '2'],
      path.join(server.dataDir, 'clip.mp4'),
    ]);
    id = String((await postJsonTo(server, '/v1/sessions', { avatar: 'demo' })).json['id']);
    events = new EventFollower(`${server.url}/v1/sessions/${id}`);
    viewer = new WrtcClient();
    viewer.onPicture = (picture) => seen.push(look(picture));
    await joinWhep(viewer, `${server.url}/whep/${id}`);
    await viewer.until('picture', ({ frames }) => frames > 5);
  });
  after(async () => {
    events?.close();
    viewer?.close();
    await server?.close();
  });

  function look({ widthPx, heightPx, data, atMs }: ReceivedPicture): Seen {
    const at = widthPx * heightPx + (heightPx >> 2) * (widthPx >> 1) + 6;
    const [cb, cr] = [data[at] ?? 128, data[at + ((widthPx * heightPx) >> 2)] ?? 128];
    const mouth: number[] = [];
    for (let y = Math.floor(MOUTH.top * heightPx); y < MOUTH.bottom * heightPx; y += 2)
      for (let x = Math.floor(MOUTH.left * widthPx); x < MOUTH.right * widthPx; x += 2)
        mouth.push(data[y * widthPx + x] ?? 0);
    return { atMs, green: cb < 110 && cr < 110, mouth: Uint8Array.from(mouth) };
  }

  const call = async (
    method: string,
    route: string,
    body?: object,
  ): Promise<{ status: number; body: ActionBody }> => {
    const init = {
      method,
      ...(body === undefined
        ? {}
        : body instanceof FormData
          ? { body }
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    };
    const response = await fetch(server.url + route, init);
    const text = await response.text();
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as ActionBody };
  };
  const play = (action: object) => call('POST', `/v1/sessions/${id}/actions`, action);
  const ready = (name: string): Promise<ActionBody> =>
    until(`action ${name}`, async () => {
      const { body } = await call('GET', `/v1/avatars/demo/actions/${name}`);
      assert.notEqual(body.state, 'failed', JSON.stringify(body));
      return body.state === 'ready' ? body : undefined;
    });
  /** ms from the first green picture to the last, of those since `fromMs`; all between are green. */
  function greenMs(fromMs: number): number {
    const since = seen.filter(({ atMs }) => atMs >= fromMs);
    const [first, last] = [since.findIndex(({ green }) => green), since.findLastIndex(({ green }) => green)];
    assert.ok(first >= 0, 'the action was seen');
    assert.ok(
      since.slice(first, last + 1).every(({ green }) => green),
      'without a break',
    );
    return since[last]!.atMs - since[first]!.atMs;
  }
  const lipsMove = (pictures: readonly Seen[]): number => {
    const steps = pictures.slice(1).map(({ mouth }, k) => {
      const before = pictures[k]!.mouth;
      return mouth.reduce((sum, value, i) => sum + Math.abs(value - before[i]!), 0) / mouth.length;
    });
    return steps.reduce((sum, value) => sum + value, 0) / steps.length;
  };

  it('are prepared like an avatar: uploaded, listed, described', async () => {
    const form = new FormData();
    form.set('name', 'wave');
    form.set('file', new Blob([await readFile(path.join(server.dataDir, 'clip.mp4'))]), 'clip.mp4');
    const begun = await call('POST', '/v1/avatars/demo/actions', form);
    assert.deepEqual([begun.status, begun.body.name, begun.body.state], [202, 'wave', 'preparing']);
    assert.equal((await play({ name: 'wave' })).body.code, 'action-not-found', 'not yet');
    const { durationMs, still, quality } = await ready('wave');
    assert.deepEqual([durationMs, still, quality?.framesUsed], [1200, false, 30]);
    const listed = await call('GET', '/v1/avatars/demo/actions');
    assert.deepEqual(
      (listed.body as unknown as { actions: ActionBody[] }).actions.map(({ name }) => name),
      ['wave'],
    );
    const { body } = await call('GET', '/v1/avatars');
    assert.deepEqual(
      (body as unknown as { avatars: { id: string }[] }).avatars.map((one) => one.id),
      ['demo'],
    );
  });

  it('are refused with a reason', async () => {
    const refused = async (
      answer: Promise<{ status: number; body: ActionBody }>,
      status: number,
      code: string,
    ) => {
      const { status: got, body } = await answer;
      assert.deepEqual([got, body.code], [status, code], body.detail);
      return body.detail ?? '';
    };
    const actions = '/v1/avatars/demo/actions';
    await refused(
      call('POST', '/v1/avatars/nobody/actions', { name: 'a', path: 'clip.mp4' }),
      404,
      'avatar-not-found',
    );
    await refused(call('POST', actions, { name: '../a', path: 'clip.mp4' }), 422, 'invalid-argument');
    await refused(call('POST', actions, { name: 'a', path: '../../etc/passwd' }), 403, 'path-outside-roots');
    await call('POST', actions, { name: 'sound', path: 'demo/speech.wav' });
    await until('its failure', async () => {
      const { body } = await call('GET', `${actions}/sound`);
      return body.state === 'failed' && (body.error as ActionBody).code === 'media-undecodable'
        ? true
        : undefined;
    });
    const other = new FormData();
    other.set('name', 'wave');
    other.set('file', new Blob([await readFile(path.join(server.dataDir, 'clip.mp4'))]), 'clip.mp4');
    assert.match(
      await refused(call('POST', actions, other), 409, 'avatar-exists'),
      /there is an action wave of avatar demo already/,
    );
    assert.match(
      await refused(call('GET', `${actions}/jump`), 404, 'action-not-found'),
      /there is no action jump of avatar demo/,
    );
    await refused(call('DELETE', `${actions}/jump`), 404, 'action-not-found');
    assert.match(
      await refused(play({ name: 'jump' }), 404, 'action-not-found'),
      /avatar demo has no action jump/,
    );
    await refused(play({ name: 'wave', times: 0 }), 422, 'invalid-argument');
    await refused(call('DELETE', `/v1/sessions/${id}/actions`), 404, 'action-not-found');
    await refused(call('POST', '/v1/sessions/none/actions', { name: 'wave' }), 404, 'session-not-found');
  });

  it('play once, cross-faded in and out, while the lips go on', async () => {
    await postJsonTo(server, `/v1/sessions/${id}/utterances`, { demo: true });
    await events.next('utterance.started');
    const fromMs = performance.now();
    const { status, body } = await play({ name: 'wave' });
    assert.equal(status, 201);
    const started = await events.next('action.started');
    const ended = await events.next('action.ended');
    assert.deepEqual([started.data['name'], ended.data['interrupted']], ['wave', false]);
    assert.equal(ended.data['actionId'], (body as unknown as { id: string }).id);
    // The fade out takes the clip's last 200 ms.
    assert.equal(Number(ended.data['mediaMs']) - Number(started.data['mediaMs']), 1000);
    await until('the avatar itself', () => (seen.slice(-10).every(({ green }) => !green) ? true : undefined));
    const green = seen.filter(({ atMs, green }) => atMs >= fromMs && green);
    assert.ok(greenMs(fromMs) > 700, `${greenMs(fromMs)} ms`);
    const speaking = lipsMove(green);
    await postJsonTo(server, `/v1/sessions/${id}/interrupt`, {});
    await events.next('session.state', ({ state }) => state === 'idle');

    const silentFromMs = performance.now();
    await play({ name: 'wave' });
    await events.next('action.ended');
    await until('the avatar itself', () => (seen.slice(-10).every(({ green }) => !green) ? true : undefined));
    const silent = lipsMove(seen.filter(({ atMs, green }) => atMs >= silentFromMs && green));
    assert.ok(speaking > 3 * silent, `lips move by ${speaking} a picture in speech, ${silent} in silence`);
  });

  it('play several times without a break, until they are ended', async () => {
    const twiceMs = performance.now();
    await play({ name: 'wave', times: 2 });
    const started = await events.next('action.started');
    const { data } = await events.next('action.ended');
    assert.equal(Number(data['mediaMs']) - Number(started.data['mediaMs']), 2000);
    await until('the avatar itself', () => (seen.slice(-10).every(({ green }) => !green) ? true : undefined));
    assert.ok(greenMs(twiceMs) > 1500);

    // Whoever asks for what is not there does not keep it from ending.
    await play({ name: 'wave' });
    await events.next('action.started');
    let ended = false;
    const over = events.next('action.ended').then(() => (ended = true));
    for (let asked = 0; !ended; asked += 1) {
      if (asked < 12) assert.equal((await play({ name: 'jump' })).status, 404);
      await new Promise((resolve) => setTimeout(resolve, 90));
    }
    await over;

    await play({ name: 'wave', times: 1000 });
    await events.next('action.started');
    const running = await call('GET', `/v1/sessions/${id}`);
    assert.equal((running.body as unknown as { action?: { name: string } }).action?.name, 'wave');
    assert.equal((await call('DELETE', `/v1/sessions/${id}/actions`)).status, 204);
    assert.equal((await events.next('action.ended')).data['interrupted'], true);
    await until('the avatar itself', () => (seen.slice(-10).every(({ green }) => !green) ? true : undefined));
  });

  it('play by themselves while nobody speaks, if a session is told so', async () => {
    const patch = (idleActions: object[]) => call('PATCH', `/v1/sessions/${id}`, { idleActions });
    assert.equal((await patch([{ name: 'jump', everyS: 1 }])).body.code, 'action-not-found');
    assert.equal((await patch([{ name: 'wave', everyS: 1 }])).status, 200);
    for (const expected of ['action.started', 'action.ended', 'action.started', 'action.ended'])
      assert.equal((await events.next(expected)).data['name'], 'wave');
    const { body } = await patch([]);
    assert.equal((body as unknown as { settings: { idleActions?: object } }).settings.idleActions, undefined);
  });

  it('end when another one or another avatar comes, and when they are deleted', async () => {
    await play({ name: 'wave', times: 1000 });
    await events.next('action.started');
    await play({ name: 'wave', times: 1000 });
    assert.equal((await events.next('action.ended')).data['interrupted'], true);
    await events.next('action.started');
    await makeMedia(['-i', PORTRAIT, path.join(server.dataDir, 'other.png')]);
    await call('POST', '/v1/avatars', { id: 'other', path: 'other.png' });
    await until('the other avatar', async () =>
      (await call('GET', '/v1/avatars/other')).body.state === 'ready' ? true : undefined,
    );
    await call('PATCH', `/v1/sessions/${id}`, { avatar: 'other' });
    assert.equal((await events.next('action.ended')).data['interrupted'], true);
    assert.match((await play({ name: 'wave' })).body.detail ?? '', /avatar other has no action wave/);
    await call('PATCH', `/v1/sessions/${id}`, { avatar: 'demo' });
    await play({ name: 'wave', times: 1000 });
    await events.next('action.started');
    assert.equal((await call('DELETE', '/v1/avatars/demo/actions/wave')).status, 204);
    await events.next('action.ended');
    await until('the avatar itself', () => (seen.slice(-10).every(({ green }) => !green) ? true : undefined));
    assert.equal((await play({ name: 'wave' })).status, 404);
  });
});
