import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../../../src/lib/clock.js';
import { silentLog } from '../../../../src/lib/log.js';
import { SenderPool } from '../../../../src/session/viewers/sender-pool.js';
import { ManualClock } from '../../../helpers/manual-clock.js';
import { CHROMIUM_OFFER } from '../../../helpers/offers.js';
import { until } from '../../../helpers/server.js';

const NO_EVENTS = { onWish() {}, onKeyframeWanted() {}, onJoined() {}, onGone() {} };
const transport = { tcp: false, lite: false, publicHosts: [] };

describe('sender threads', () => {
  let pool: SenderPool;
  const deaths: object[] = [];
  before(async () => {
    const log = { ...silentLog, error: (fields: object) => void deaths.push(fields) };
    pool = await SenderPool.create({ count: 2, transport, logLevel: 'warn', clock: systemClock, log });
  });
  after(() => pool.close());

  it('answer offers, each with a port of its own and all with one certificate', async () => {
    const audience = pool.openAudience('s', NO_EVENTS);
    const answers = [await audience.add(CHROMIUM_OFFER), await audience.add(CHROMIUM_OFFER)];
    const ports = pool.threads.map(({ port }) => port);
    assert.equal(new Set(ports).size, 2);
    for (const [at, { answerSdp, etag, id }] of answers.entries()) {
      assert.ok(answerSdp.includes(` ${ports[at]} typ host`), `not port ${ports[at]}: ${answerSdp}`);
      assert.ok(answerSdp.includes(`sha-256 ${pool.transport.identity.fingerprint}`));
      assert.equal(audience.etagOf(id), etag);
    }
    assert.deepEqual(
      pool.threads.map(({ load }) => load),
      [1, 1],
    );
    await assert.rejects(audience.add('nonsense'), { code: 'sdp-invalid' });
    const [first = ''] = answers.map(({ id }) => id);
    await assert.rejects(audience.restartIce(first, 'nonsense'), { code: 'sdp-invalid' });
    const { viewers } = await audience.report(10);
    assert.deepEqual(
      viewers.map(({ id, state }) => [id, state]),
      answers.map(({ id }) => [id, 'connecting']),
    );
    audience.close();
    assert.deepEqual([audience.size, pool.threads[0]?.load], [0, 0]);
  });

  it('take only their own viewers along when they die, and come again', async () => {
    const gone: string[] = [];
    const audience = pool.openAudience('s', { ...NO_EVENTS, onGone: (id) => gone.push(id) });
    const [one, two] = [await audience.add(CHROMIUM_OFFER), await audience.add(CHROMIUM_OFFER)];
    await pool.threads[0]?.kill();
    assert.deepEqual(gone, [one.id]);
    assert.deepEqual([audience.etagOf(one.id), audience.etagOf(two.id)], [undefined, two.etag]);
    assert.equal(deaths.length, 1);
    await audience.add(CHROMIUM_OFFER);
    assert.equal(pool.threads[1]?.load, 2, 'the other one serves meanwhile');
    await until('the thread again', () => pool.threads[0]?.ready || undefined);
    await audience.add(CHROMIUM_OFFER);
    assert.equal(pool.threads[0]?.load, 1);
    audience.close();
  });
});

it('a thread that gives no sign of life is ended and started again', async () => {
  const deaths: object[] = [];
  const clock = new ManualClock();
  const log = { ...silentLog, error: (fields: object) => void deaths.push(fields) };
  const pool = await SenderPool.create({ count: 1, transport, logLevel: 'warn', clock, log });
  // Eleven seconds in which its beats are not heard.
  clock.advance(11_000);
  await until('its end', () => (deaths.length > 0 ? true : undefined));
  assert.equal(pool.threads[0]?.ready, false);
  clock.advance(200);
  await until('the thread again', () => pool.threads[0]?.ready || undefined);
  await pool.close();
});

it('a pool whose ports are taken does not start, and leaves nothing behind', async () => {
  const holder = await SenderPool.create({
    ...{ count: 1, transport, logLevel: 'warn', clock: systemClock, log: silentLog },
  });
  const port = holder.threads[0]?.port ?? 0;
  const taken = { ...transport, portRange: [port, port] as const };
  await assert.rejects(
    SenderPool.create({
      ...{ count: 1, transport: taken, logLevel: 'warn', clock: systemClock, log: silentLog },
    }),
    { code: 'internal', message: /no UDP port/ },
  );
  await holder.close();
});
