import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { DatagramPath } from '../../../src/transport/datagram-path.js';
import { IceAgent, type IceAgentOptions } from '../../../src/transport/ice-agent.js';
import { readStun, writeStun, type StunFields, type StunMessage } from '../../../src/transport/stun.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const REMOTE = { ufrag: 'viewer', pwd: 'password-of-the-viewer' };

/** The viewer's end of one path: what came there, and whether it answers checks. */
class Way {
  readonly got: StunMessage[] = [];
  readonly sentAtMs: number[] = [];
  readonly path: DatagramPath;

  constructor(
    name: string,
    clock: ManualClock,
    onSend: (way: Way, message: StunMessage) => void,
    localPriority = 1000,
  ) {
    this.path = {
      ...{
        key: name,
        protocol: 'udp',
        localAddress: '192.0.2.1',
        remoteAddress: '192.0.2.9',
        remotePort: 5000,
      },
      localPriority,
      send: (data) => {
        const message = readStun(Buffer.from(data));
        assert.ok(message !== undefined);
        this.got.push(message);
        if (message.type === 'request') this.sentAtMs.push(clock.now());
        onSend(this, message);
      },
    };
  }

  get requests(): StunMessage[] {
    return this.got.filter(({ type }) => type === 'request');
  }
}

describe('ICE agent', () => {
  let clock: ManualClock;
  let selected: string[];
  let lost: string[];
  let owned: [string, boolean][];
  let answering: boolean;
  let agent: IceAgent;
  let ways: Map<string, Way>;

  const way = (name: string, localPriority?: number): Way => {
    const known = ways.get(name);
    if (known !== undefined) return known;
    const made = new Way(
      name,
      clock,
      (at, message) => {
        if (answering && message.type === 'request') answer(at, message);
      },
      localPriority,
    );
    ways.set(name, made);
    return made;
  };
  const answer = (at: Way, { transactionId }: StunMessage, more: Partial<StunFields> = {}): void => {
    const mappedAddress = { address: '192.0.2.1', port: 4000 };
    const reply = { type: 'success', transactionId, mappedAddress, password: REMOTE.pwd, ...more } as const;
    agent.onResponse(readStun(writeStun(reply)) as StunMessage, at.path);
  };
  const ask = (at: Way, more: Partial<StunFields> = {}): StunMessage | undefined => {
    const before = at.got.length;
    const request = writeStun({
      ...{
        type: 'request',
        transactionId: randomBytes(12),
        username: `${agent.local.ufrag}:${REMOTE.ufrag}`,
      },
      ...{
        priority: 100,
        controlling: { value: true, tieBreaker: randomBytes(8) },
        password: agent.local.pwd,
      },
      ...more,
    });
    agent.onRequest(readStun(request) as StunMessage, at.path);
    return at.got.slice(before).find(({ type }) => type !== 'request');
  };
  const start = (options: Partial<IceAgentOptions> = {}): void => {
    agent = new IceAgent({
      ...{ remote: REMOTE, remoteIsLite: false, lite: false, clock },
      pathsTo: ({ address, port }) => [way(`${address} ${port}`).path],
      onPath: (path, proven) => owned.push([path.key, proven]),
      onSelected: (path) => selected.push(path.key),
      onLost: (reason) => lost.push(reason),
      ...options,
    });
  };
  beforeEach(() => {
    clock = new ManualClock();
    [selected, lost, owned, ways, answering] = [[], [], [], new Map(), true];
    start();
  });

  afterEach(() => agent.close());

  it('has credentials as long as RFC 8445 section 5.3 asks, and new ones each time', () => {
    assert.match(agent.local.ufrag, /^[A-Za-z0-9+/]{4,}$/);
    assert.match(agent.local.pwd, /^[A-Za-z0-9+/]{22,}$/);
    const { ufrag } = agent.local;
    start();
    assert.notEqual(agent.local.ufrag, ufrag);
  });

  it('answers a right request with the address it came from, signed', () => {
    const reply = ask(way('a'));
    assert.equal(reply?.type, 'success');
    assert.deepEqual(reply.mappedAddress, { address: '192.0.2.9', port: 5000 });
    assert.ok(reply.hasIntegrity(agent.local.pwd));
  });

  it('answers a wrong password with 401, a missing one too, and learns nothing from it', () => {
    assert.equal(ask(way('a'), { password: 'wrong', useCandidate: true })?.errorCode, 401);
    const bare = { type: 'request', transactionId: randomBytes(12) } as const;
    agent.onRequest(readStun(writeStun(bare)) as StunMessage, way('a').path);
    assert.equal(way('a').got.at(-1)?.errorCode, 401);
    assert.deepEqual([owned, selected, way('a').requests.length], [[], [], 0]);
  });

  it('answers a viewer that wants to be controlled with 487, and a lite one that wants to control', () => {
    const tieBreaker = randomBytes(8);
    assert.equal(ask(way('a'), { controlling: { value: false, tieBreaker } })?.errorCode, 487);
    assert.deepEqual(owned, []);
    agent.close();
    start({ remoteIsLite: true });
    assert.equal(ask(way('a'), { controlling: { value: true, tieBreaker } })?.errorCode, 487);
  });

  it('uses a nominated path only after its own check was answered there', () => {
    answering = false;
    assert.equal(ask(way('a'), { useCandidate: true })?.type, 'success');
    assert.deepEqual(selected, [], 'the sender address of a request may be forged');
    const [check] = way('a').requests;
    assert.ok(check !== undefined && check.hasIntegrity(REMOTE.pwd));
    assert.equal(check.username, `${REMOTE.ufrag}:${agent.local.ufrag}`);
    assert.equal(check.controlling, false);
    answer(way('b'), check);
    assert.deepEqual(selected, [], 'an answer on another path proves nothing');
    answer(way('a'), check, { password: 'wrong' });
    assert.deepEqual(selected, [], 'nor does one without the password');
    answer(way('a'), check);
    assert.deepEqual(selected, ['a']);
    assert.deepEqual(owned, [
      ['a', false],
      ['a', true],
    ]);
  });

  it('keeps a proven stream where it is when a forged request nominates somebody else', () => {
    ask(way('a'), { useCandidate: true });
    assert.deepEqual(selected, ['a']);
    answering = false; // the victim has no password to answer with
    for (let n = 0; n < 20; n++) ask(way('victim'), { useCandidate: true, priority: 0xffff_ffff });
    clock.advance(8000);
    assert.deepEqual(selected, ['a']);
    assert.ok(way('victim').requests.length <= 30, `${way('victim').requests.length} checks to a victim`);
  });

  it('nominates: a better path at once, a worse one when it is named twice with the selected one silent', () => {
    ask(way('a'), { useCandidate: true, priority: 50 });
    ask(way('b'), { priority: 40 });
    ask(way('b'), { useCandidate: true, priority: 40 });
    ask(way('a'), { useCandidate: true, priority: 50 });
    ask(way('b'), { useCandidate: true, priority: 40 });
    assert.deepEqual(selected, ['a'], 'all pairs are nominated in turn: the best one stays');
    ask(way('b'), { useCandidate: true, priority: 40 });
    assert.deepEqual(selected, ['a', 'b'], 'the viewer moved');
    ask(way('c'), { useCandidate: true, priority: 900 });
    assert.deepEqual(selected, ['a', 'b', 'c']);
  });

  it('controls a lite viewer: nominates the path that answers', () => {
    agent.close();
    start({ remoteIsLite: true });
    agent.addCandidate({ address: '192.0.2.7', port: 9 });
    const [check] = way('192.0.2.7 9').requests;
    assert.deepEqual([check?.controlling, check?.useCandidate], [true, true]);
    assert.deepEqual(selected, ['192.0.2.7 9']);
  });

  it('gives a viewer up within 30 s of its last sign of life, and not before', () => {
    ask(way('a'), { useCandidate: true });
    clock.advance(60_000);
    assert.deepEqual(lost, [], 'answered checks are signs of life');
    assert.ok(way('a').requests.length >= 10, 'consent is asked for');
    answering = false;
    clock.advance(20_000);
    assert.deepEqual(lost, []);
    ask(way('b'));
    clock.advance(10_000);
    assert.equal(lost.length, 1, 'life on another path does not keep the selected one');
    assert.match(lost[0] ?? '', /no sign of life for 2[4-8] s/);
  });

  it('spaces its checks of a candidate and ends them', () => {
    answering = false;
    agent.addCandidate({ address: '192.0.2.7', port: 9 });
    clock.advance(120_000);
    const { sentAtMs } = way('192.0.2.7 9');
    assert.ok(sentAtMs.length >= 5 && sentAtMs.length <= 10, `${sentAtMs.length} checks`);
    const gaps = sentAtMs.slice(1).map((atMs, n) => atMs - (sentAtMs[n] ?? 0));
    assert.ok(
      gaps.every((gap, n) => gap >= 50 && gap >= (gaps[n - 1] ?? 0)),
      gaps.join(' '),
    );
  });

  it('proves a path late, too: each request is met by a check when the first round is over', () => {
    answering = false;
    ask(way('a'), { useCandidate: true });
    clock.advance(20_000);
    const before = way('a').requests.length;
    answering = true;
    ask(way('a'), { useCandidate: true });
    assert.equal(way('a').requests.length, before + 1);
    assert.deepEqual(selected, ['a']);
  });

  it('never asks as a lite agent, and believes nominations', () => {
    agent.close();
    start({ lite: true });
    agent.addCandidate({ address: '192.0.2.7', port: 9 });
    ask(way('a'), { useCandidate: true });
    assert.deepEqual(selected, ['a']);
    clock.advance(23_000);
    assert.deepEqual(lost, []);
    ask(way('a'));
    clock.advance(23_000);
    assert.deepEqual(lost, []);
    clock.advance(7_000);
    assert.equal(lost.length, 1);
    assert.equal([...ways.values()].flatMap(({ requests }) => requests).length, 0);
  });

  it('has limits for candidates and paths', () => {
    answering = false;
    for (let port = 1; port <= 500; port++) agent.addCandidate({ address: '192.0.2.7', port });
    for (let port = 1; port <= 500; port++) agent.addCandidate({ address: '192.0.2.7', port });
    assert.equal([...ways.values()].filter(({ requests }) => requests.length > 0).length, 32);
    let answered = 0;
    for (let n = 0; n < 500; n++) if (ask(way(`p${n}`)) !== undefined) answered += 1;
    assert.equal(answered, 32);
    assert.equal(owned.length, 32);
  });

  it('forgets a path that ended and takes the next one', () => {
    ask(way('a'), { useCandidate: true, priority: 90 });
    agent.forget(way('a').path);
    assert.equal(agent.selected, undefined);
    ask(way('b'), { useCandidate: true, priority: 10 });
    assert.deepEqual(selected, ['a', 'b']);
  });

  it('is silent once closed', () => {
    answering = false;
    agent.addCandidate({ address: '192.0.2.7', port: 9 });
    const check = way('192.0.2.7 9').requests[0] as StunMessage;
    agent.close();
    assert.equal(ask(way('a'), { useCandidate: true }), undefined);
    answer(way('192.0.2.7 9'), check);
    clock.advance(60_000);
    assert.deepEqual([selected, lost, way('192.0.2.7 9').requests.length], [[], [], 1]);
  });
});
