import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { AppError, isAppError } from '../../../../src/errors.js';
import type { FromSender, SenderCall, ToAudience } from '../../../../src/session/viewers/sender-messages.js';
import { SenderService } from '../../../../src/session/viewers/sender-service.js';
import { ThreadAudience, type ThreadLink } from '../../../../src/session/viewers/thread-audience.js';
import { ViewerTally } from '../../../../src/session/viewers/viewer-tally.js';
import { FakeAudience } from '../../../helpers/fake-audience.js';

/** Both ends of a sender thread without the thread: what is posted is cloned, as on the way to a thread. */
describe('ThreadAudience and SenderService', () => {
  let service: SenderService;
  let twins: FakeAudience[];
  let posted: ToAudience[];
  let told: string[];
  let calls: Map<number, { resolve(result: unknown): void; reject(error: AppError): void }>;
  let audience: ThreadAudience;

  const receive = (given: FromSender): void => {
    const message = structuredClone(given);
    if (message.type === 'audience') audience.receive(message.message);
    else if (message.type === 'answer') calls.get(message.callId)?.resolve(message.result);
    else if (message.type === 'refusal')
      calls.get(message.callId)?.reject(new AppError(message.code, message.message));
  };

  beforeEach(() => {
    twins = [];
    posted = [];
    told = [];
    calls = new Map();
    service = new SenderService({
      openAudience: (sessionId, events) => {
        const twin = new FakeAudience(`${sessionId}-`, events);
        twins.push(twin);
        return twin;
      },
      post: receive,
    });
    const post = (message: ToAudience): void => {
      posted.push(message);
      service.receive(1, structuredClone(message));
    };
    const link: ThreadLink = {
      ...{ ready: true, load: 0, post, close() {} },
      call: (method, args) =>
        new Promise((resolve, reject) => {
          calls.set(calls.size, { resolve: resolve as (result: unknown) => void, reject });
          post({ type: 'call', callId: calls.size - 1, call: { method, args } as SenderCall });
        }),
    };
    audience = new ThreadAudience('s', link, {
      onWish: () => told.push('wish'),
      onKeyframeWanted: (rendition) => told.push(`key ${rendition}`),
      onJoined: (id) => told.push(`${id} makes ${audience.size}`),
      onGone: (id) => told.push(`without ${id} ${audience.size}`),
    });
  });

  const picture = (index: number) => [{ index, key: false, data: Uint8Array.of(index) }];

  it('costs the thread nothing before the first viewer, who finds settings and times there', async () => {
    audience.configure({ ladder: [], top: 'mid', playoutDelayMs: [0, 10] });
    audience.sendPicture(picture(0), 25);
    audience.sendSound({ full: Uint8Array.of(1) }, 0);
    audience.sendSenderReports(960, 5000);
    assert.deepEqual(posted, []);
    const { id, answerSdp } = await audience.add('offer');
    assert.deepEqual([id, answerSdp], ['s-1', 'answer to offer']);
    assert.deepEqual(twins[0]?.told, [
      ['configure', { ladder: [], top: 'mid', playoutDelayMs: [0, 10] }],
      ['reports', 960, 5000],
    ]);
    assert.deepEqual(told, ['s-1 makes 1']);
  });

  it('tells the thread of a cut, between what came before and after it', async () => {
    await audience.add('offer');
    audience.sendPicture(picture(0), 25);
    audience.cut();
    audience.sendPicture(picture(1), 25);
    assert.deepEqual(twins[0]?.told.map(([what]) => what).slice(-3), ['picture', 'cut', 'picture']);
  });

  it('takes pictures and sound over, without the buffer that they lie in', async () => {
    await audience.add('offer');
    const view = new Uint8Array(1000).subarray(10, 13);
    audience.sendPicture([{ index: 3, key: true, data: view, rendition: 'low' }], 25);
    audience.sendSound({ full: view, slim: view }, 1920);
    const sent = posted.slice(-2) as [ToAudience & { type: 'picture' }, ToAudience & { type: 'sound' }];
    assert.equal(sent[0].renditions[0]?.data.buffer.byteLength, 3);
    assert.equal(sent[1].sound.full.buffer.byteLength, 3);
    assert.deepEqual(twins[0]?.told, [
      ['picture', [{ index: 3, key: true, data: new Uint8Array(3), rendition: 'low' }], 25],
      ['sound', { full: new Uint8Array(3), slim: new Uint8Array(3) }, 1920],
    ]);
  });

  it('sends one picture after the last viewer, who leaves a gap, and then none', async () => {
    const { id } = await audience.add('offer');
    audience.sendPicture(picture(1), 25);
    audience.remove(id);
    assert.deepEqual([audience.size, audience.etagOf(id), told.at(-1)], [0, undefined, 'without s-1 0']);
    for (const index of [2, 3, 4]) audience.sendPicture(picture(index), 25);
    assert.equal(posted.filter(({ type }) => type === 'picture').length, 2);
    assert.equal(told.length, 2, 'that it is gone is told once');
  });

  it('answers for its viewers alone, with the codes of the thread', async () => {
    const { id } = await audience.add('offer');
    await audience.trickle(id, 'candidates');
    assert.deepEqual(twins[0]?.told.at(-1), ['trickle', id, 'candidates']);
    assert.deepEqual(await audience.restartIce(id, 'f'), { fragment: 'answer to f', etag: '"2"' });
    assert.equal(audience.etagOf(id), '"2"');
    await assert.rejects(audience.trickle('other', 'c'), { code: 'peer-not-found' });
    await assert.rejects(audience.add('bad'), (error) => isAppError(error) && error.message === 'bad offer');
    assert.equal(audience.size, 1);
  });

  it('tells a demand when it changed, and a wish at once', async () => {
    await audience.add('offer');
    const twin = twins[0];
    assert.ok(twin);
    twin.demand = { renditions: new Set(['mid'] as const), slimSound: true, worstLossShare: 0.1 };
    service.tellDemand();
    assert.deepEqual([...audience.demand.renditions, audience.demand.slimSound], ['mid', true]);
    assert.equal(told.length, 1);
    twin.demand = { ...twin.demand, renditions: new Set(['low'] as const) };
    twin.events.onWish();
    twin.events.onKeyframeWanted('low');
    assert.deepEqual([[...audience.demand.renditions], told.slice(1)], [['low'], ['wish', 'key low']]);
  });

  it('loses its viewers with the thread, and opens anew in the next one', async () => {
    await audience.add('offer');
    audience.lost();
    assert.deepEqual([audience.size, told.at(-1)], [0, 'without s-1 0']);
    audience.sendPicture(picture(1), 25);
    assert.equal(posted.at(-1)?.type, 'call');
    await audience.add('offer');
    assert.deepEqual([twins.length, audience.size], [2, 1]);
  });

  it('reports what the thread measured', async () => {
    assert.deepEqual((await audience.report(5)).viewers, []);
    await audience.add('offer');
    const { sums, viewers } = await audience.report(5);
    assert.deepEqual([ViewerTally.of(sums).soundsSent, viewers[0]?.id], [1, 's-1']);
  });

  it('refuses who comes after the end', async () => {
    await audience.add('offer');
    audience.close();
    assert.deepEqual(twins[0]?.told.at(-1), ['close']);
    service.receive(1, { type: 'call', callId: 99, call: { method: 'report', args: { listed: 1 } } });
    assert.equal(audience.size, 0);
  });
});
