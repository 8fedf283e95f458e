import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AppError } from '../../src/errors.js';
import { systemClock } from '../../src/lib/clock.js';
import { silentLog } from '../../src/lib/log.js';
import { Diagnoses, type Diagnosis, type DiagnosisOptions } from '../../src/session/viewers/diagnosis.js';
import { Peer } from '../../src/session/viewers/peer.js';
import { createTransportHost } from '../../src/transport/create-transport-host.js';
import type { TransportHost } from '../../src/transport/peer-transport.js';

/** What the server says of itself when something is broken: real peers over real sockets, one thing spoilt. */

/** Half the patience, as every one of these ends by a limit. */
const clock = {
  ...systemClock,
  after: (ms: number, callback: () => void) => systemClock.after(ms / 2, callback),
};

class BrokenServer {
  readonly peers = new Map<string, Peer>();
  readonly stopped: string[] = [];
  spoil = (answer: string): string => answer;
  readonly #transport: TransportHost;

  constructor(transport: TransportHost) {
    this.#transport = transport;
  }

  /** A session without pictures and sound. */
  readonly sessions: DiagnosisOptions['sessions'] = {
    create: () => Promise.resolve({ id: 's' }),
    addPeer: (_id, offerSdp) => {
      const peer = new Peer({
        ...{ id: `p${this.peers.size}`, offerSdp, transport: this.#transport, log: silentLog },
        ladder: [{ name: 'high', bps: 1_000_000 }],
        onKeyframeNeeded() {},
        onConnected() {},
        onClosed() {},
      });
      this.peers.set(peer.id, peer);
      return Promise.resolve({ peerId: peer.id, answerSdp: this.spoil(peer.answerSdp) });
    },
    removePeer: (_id, peerId) => {
      this.peers.get(peerId)?.close();
      return Promise.resolve();
    },
    stop: (id) => Promise.resolve(void this.stopped.push(id)),
  };

  diagnoses(more: Partial<DiagnosisOptions> = {}): Diagnoses {
    const { sessions } = this;
    return new Diagnoses({
      ...{ sessions, transport: this.#transport, clock, publicHosts: [], portIsFixed: true },
      ...more,
    });
  }
}

const stepOf = (found: Diagnosis, step: string): string[] =>
  found.checks
    .filter(({ name }) => name.endsWith(`.${step}`))
    .map(({ ok, detail }) => `${ok ? 'good' : 'bad'}: ${detail}`);

describe('the diagnosis of a broken server', () => {
  let transport: TransportHost;
  let server: BrokenServer;
  before(async () => {
    transport = await createTransportHost({ tcp: true, lite: false, publicHosts: [], log: silentLog });
    server = new BrokenServer(transport);
  });
  after(() => transport.ice.close());

  it('says that neither picture nor sound comes', async () => {
    server.spoil = (answer) => answer;
    const found = await server.diagnoses().run();
    for (const said of stepOf(found, 'dtls')) assert.match(said, /^good/);
    for (const said of stepOf(found, 'key-picture'))
      assert.match(
        said,
        /^bad: No whole key picture arrived over (UDP|TCP) over IPv[46] \(0 media packets did\)/,
      );
    for (const said of stepOf(found, 'sound')) assert.match(said, /^bad: No sound arrived/);
    assert.match(found.summary[0] ?? '', /No whole key picture/);
    assert.deepEqual(server.stopped, ['s'], 'the session was ended');
    assert.ok([...server.peers.values()].every(({ state }) => state === 'closed'));
  });

  it('says that no candidate pair works, on which port', async () => {
    // Nobody answers on the discard port.
    server.spoil = (answer) =>
      answer.replace(/^(a=candidate:.* )\d+( typ)/gm, (_, head: string, tail: string) => `${head}9${tail}`);
    const found = await server.diagnoses().run();
    const said = stepOf(found, 'pair');
    assert.ok(said.length >= 2);
    for (const one of said)
      assert.match(
        one,
        /^bad: No candidate pair for (UDP|TCP) over IPv[46]: none of .* on (UDP|TCP) port 9 /,
      );
    assert.match(said.join('\n'), /ECONNREFUSED/);
    assert.ok(stepOf(found, 'dtls').every((one) => one.startsWith('bad: Not tried')));
    assert.ok(found.candidates.every(({ ok }) => !ok));
  });

  it('says that the certificate is a wrong one', async () => {
    server.spoil = (answer) =>
      answer.replace(
        /^(a=fingerprint:sha-256 )(..)/gm,
        (_, head: string, first: string) => `${head}${first === '00' ? '01' : '00'}`,
      );
    const found = await server.diagnoses().run();
    for (const said of stepOf(found, 'dtls'))
      assert.match(said, /^bad: DTLS failed over .*certificate is not the one of its answer/);
  });

  it('says that a codec was refused', async () => {
    server.spoil = (answer) => answer.replace(/^m=video 9 /m, 'm=video 0 ');
    const found = await server.diagnoses().run();
    for (const said of stepOf(found, 'codec')) assert.match(said, /^bad: The answer refuses VP8 or Opus/);
  });

  it('says why there is no session, and ends one that comes too late', async () => {
    const refused = await server
      .diagnoses({
        sessions: {
          ...server.sessions,
          create: () =>
            Promise.reject(new AppError('no-capacity', 'all 8 sessions of this server are in use')),
        },
      })
      .run();
    assert.deepEqual(
      refused.checks.map(({ name, ok }) => [name, ok]),
      [['session', false]],
    );
    assert.match(refused.summary[0] ?? '', /all 8 sessions .* in use. Try again when a session has ended/);
    let come = (_: { id: string }): void => {};
    const late = await server
      .diagnoses({
        sessions: { ...server.sessions, create: () => new Promise((resolve) => (come = resolve)) },
      })
      .run();
    assert.match(late.summary[0] ?? '', /not ready after 5 s/);
    come({ id: 'late' });
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(server.stopped.includes('late'));
  });

  it('takes one at a time', async () => {
    let come = (_: { id: string }): void => {};
    const diagnoses = server.diagnoses({
      sessions: {
        ...server.sessions,
        create: () => new Promise((resolve) => (come = resolve)),
      },
    });
    server.spoil = (answer) => answer.replace(/^a=fingerprint.*$/gm, 'a=fingerprint:sha-256 00');
    const first = diagnoses.run();
    await assert.rejects(diagnoses.run(), { code: 'no-capacity' });
    come({ id: 's' });
    await first;
  });
});
