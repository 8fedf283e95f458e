import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IceAgent } from '../../../src/transport/ice-agent.js';
import type { DatagramPath } from '../../../src/transport/datagram-path.js';
import { readStun, writeStun, type StunMessage } from '../../../src/transport/stun.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const REMOTE = { ufrag: 'them', pwd: 'a password of the viewer' };

/** A viewer on one path that answers checks while it lives, and asks every 2.5 s as browsers do. */
class Viewer {
  readonly clock = new ManualClock();
  readonly lost: string[] = [];
  alive = true;
  asked = 0;
  readonly agent: IceAgent;
  readonly #path: DatagramPath = {
    key: 'udp a b 1',
    protocol: 'udp',
    localAddress: '192.0.2.1',
    remoteAddress: '192.0.2.2',
    remotePort: 1,
    localPriority: 2 ** 30,
    send: (data) => this.#receive(readStun(Buffer.from(data))),
  };

  constructor(lite: boolean) {
    this.agent = new IceAgent({
      remote: REMOTE,
      remoteIsLite: false,
      lite,
      clock: this.clock,
      pathsTo: () => [],
      onPath: () => {},
      onSelected: () => {},
      onLost: (reason) => {
        this.lost.push(reason);
        this.agent.close();
      },
    });
  }

  ask(): void {
    if (!this.alive) return;
    const request = writeStun({
      type: 'request',
      transactionId: Buffer.alloc(12, ++this.asked),
      username: `${this.agent.local.ufrag}:${REMOTE.ufrag}`,
      priority: 1,
      controlling: { value: true, tieBreaker: Buffer.alloc(8) },
      useCandidate: true,
      password: this.agent.local.pwd,
    });
    const message = readStun(request);
    assert.ok(message);
    this.agent.onRequest(message, this.#path);
  }

  #receive(message: StunMessage | undefined): void {
    if (message?.type !== 'request' || !this.alive) return;
    const { transactionId } = message;
    const answer = readStun(
      writeStun({
        type: 'success',
        transactionId: Buffer.from(transactionId),
        mappedAddress: { address: '192.0.2.1', port: 2 },
        password: REMOTE.pwd,
      }),
    );
    assert.ok(answer);
    // Later, as over a network: the agent is in the middle of sending now.
    this.clock.after(1, () => this.agent.onResponse(answer, this.#path));
  }
}

describe('consent', () => {
  for (const lite of [false, true])
    it(`of a ${lite ? 'lite' : 'full'} agent keeps a living viewer and loses a vanished one within 30 s`, () => {
      // Whenever it vanishes between two looks.
      for (let offsetMs = 0; offsetMs < 4_000; offsetMs += 250) {
        const viewer = new Viewer(lite);
        viewer.ask();
        viewer.clock.advance(10);
        assert.ok(viewer.agent.selected, 'a path is selected');
        for (let n = 0; n < 24; n++) {
          viewer.clock.advance(2_500);
          viewer.ask();
        }
        viewer.clock.advance(offsetMs);
        assert.deepEqual(viewer.lost, [], 'a minute with a living viewer');
        viewer.ask();
        viewer.alive = false;
        viewer.clock.advance(20_000);
        assert.deepEqual(viewer.lost, [], 'lost checks for 20 s do not end it');
        viewer.clock.advance(10_000);
        assert.equal(viewer.lost.length, 1, `offset ${offsetMs}`);
        viewer.agent.close();
      }
    });

  it('of a full agent lives by the answers to its own checks', () => {
    const viewer = new Viewer(false);
    viewer.ask();
    viewer.clock.advance(300_000);
    assert.deepEqual(viewer.lost, []);
    viewer.agent.close();
  });
});
