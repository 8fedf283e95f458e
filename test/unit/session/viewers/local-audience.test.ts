import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { silentLog } from '../../../../src/lib/log.js';
import { LocalAudience, type LocalAudienceOptions } from '../../../../src/session/viewers/local-audience.js';
import type { Peer } from '../../../../src/session/viewers/peer.js';
import { ViewerMetrics } from '../../../../src/session/viewers/viewer-metrics.js';
import { ViewerTally } from '../../../../src/session/viewers/viewer-tally.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

type Opened = Parameters<LocalAudienceOptions['openPeer']>[0];

class FakePeer {
  readonly id: string;
  readonly options: Opened;
  readonly metrics: ViewerMetrics;
  readonly calls: unknown[] = [];
  state = 'connecting';
  etag = '"1"';
  answerSdp = 'answer';
  rendition = 'high';
  wanted = 'high';
  wantsSlimSound = false;
  lossShare = 0;
  constructor(id: string, options: Opened, nowMs: () => number) {
    this.id = id;
    this.options = options;
    this.metrics = new ViewerMetrics(nowMs);
    this.metrics.offered();
  }
  setTop = (top: unknown): void => void this.calls.push(['top', top]);
  setLadder = (ladder: unknown): void => void this.calls.push(['ladder', ladder]);
  setPlayoutDelay = (delay: unknown): void => void this.calls.push(['delay', delay]);
  sendPicture = (_: unknown, samples: number): void => this.metrics.pictureSent(true, samples / 48);
  sendSound = (): void => {};
  sendSenderReports = (): void => {};
  addCandidates = (fragment: string): void => void this.calls.push(['trickle', fragment]);
  restartIce = (fragment: string): string => {
    this.etag = '"2"';
    return `answer to ${fragment}`;
  };
  close = (reason: string): void => this.options.onClosed(reason);
}

describe('LocalAudience', () => {
  let clock: ManualClock;
  let peers: FakePeer[];
  let told: string[];
  let audience: LocalAudience;
  beforeEach(() => {
    clock = new ManualClock();
    peers = [];
    told = [];
    audience = new LocalAudience({
      sessionId: 's',
      events: {
        onWish: () => told.push('wish'),
        onKeyframeWanted: (rendition) => told.push(`key ${rendition}`),
        onJoined: (id) => told.push(`${id} makes ${audience.size}`),
        onGone: (id) => told.push(`without ${id} ${audience.size}`),
      },
      openPeer: (options) => {
        const peer = new FakePeer(`v${peers.length + 1}`, options, () => clock.now());
        peers.push(peer);
        return peer as unknown as Peer;
      },
      clock,
      log: silentLog,
    });
  });

  it('answers an offer, gets a key picture ready and tells the number', async () => {
    assert.deepEqual(await audience.add('offer'), { id: 'v1', answerSdp: 'answer', etag: '"1"' });
    assert.equal(peers[0]?.options.offerSdp, 'offer');
    assert.deepEqual(told, ['wish', 'key high', 'v1 makes 1']);
  });

  it('tells a wish before it asks for the key picture, as the rendition may not be coded yet', async () => {
    await audience.add('offer');
    told.length = 0;
    peers[0]?.options.onKeyframeNeeded('low');
    assert.deepEqual(told, ['wish', 'key low']);
  });

  it('gives its settings to those who watch and to those who come', async () => {
    await audience.add('first');
    const ladder = [{ name: 'mid', bps: 1 }] as const;
    audience.configure({ ladder, top: 'mid', playoutDelayMs: [0, 100] });
    assert.deepEqual(peers[0]?.calls, [
      ['top', undefined],
      ['ladder', ladder],
      ['top', 'mid'],
      ['delay', [0, 100]],
    ]);
    await audience.add('second');
    assert.deepEqual(peers[1]?.options.playoutDelayMs, [0, 100]);
    assert.equal(peers[1].options.ladder, ladder);
    assert.deepEqual(peers[1].calls, [['top', 'mid']]);
  });

  it('has the fragments of a viewer answered by it, and knows no other', async () => {
    await audience.add('offer');
    await audience.trickle('v1', 'a');
    assert.deepEqual(peers[0]?.calls.at(-1), ['trickle', 'a']);
    assert.deepEqual(await audience.restartIce('v1', 'b'), { fragment: 'answer to b', etag: '"2"' });
    assert.equal(audience.etagOf('v1'), '"2"');
    await assert.rejects(audience.trickle('v2', 'a'), { code: 'peer-not-found' });
    assert.throws(() => audience.remove('v2'), { code: 'peer-not-found' });
    audience.remove('v1');
    assert.equal(audience.etagOf('v1'), undefined);
    assert.equal(told.at(-1), 'without v1 0');
  });

  it('adds viewers up, those who left included, and lists the oldest', async () => {
    for (const waitMs of [100, 200, 300]) {
      await audience.add('offer');
      clock.advance(waitMs);
      peers.at(-1)?.sendPicture([], 0);
    }
    audience.remove('v1');
    const { sums, viewers } = await audience.report(1);
    const { firstFrameMs } = ViewerTally.of(structuredClone(sums)).summary();
    assert.deepEqual([firstFrameMs?.count, firstFrameMs?.min, firstFrameMs?.max], [3, 100, 300]);
    assert.deepEqual(
      viewers.map(({ id, summary }) => [id, summary.firstFrameMs]),
      [['v2', 200]],
    );
  });

  it('closes its viewers without a word about their number', async () => {
    await audience.add('offer');
    told.length = 0;
    audience.close();
    assert.deepEqual([audience.size, told], [0, []]);
  });
});
