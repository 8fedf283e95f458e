import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { findFfmpeg } from '../../src/adapters/ffmpeg.js';
import { LiveEncoder } from '../../src/encoder/live-encoder.js';
import { OpusEncoder } from '../../src/encoder/opus-encoder.js';
import { VP8 } from '../../src/encoder/vp8-encoder.js';
import { isAppError } from '../../src/errors.js';
import { systemClock } from '../../src/lib/clock.js';
import { silentLog } from '../../src/lib/log.js';
import type { EncodedPicture } from '../../src/media/frame.js';
import { frameToSamples, msToSamples } from '../../src/media/timeline.js';
import { FanOut } from '../../src/session/viewers/fan-out.js';
import { Peer, type PeerOptions } from '../../src/session/viewers/peer.js';
import { createTransportHost } from '../../src/transport/create-transport-host.js';
import type { TransportHost } from '../../src/transport/peer-transport.js';
import { movingPicture, tone } from '../helpers/moving-picture.js';
import { WrtcClient } from '../helpers/wrtc-client.js';

const WIDTH_PX = 320;
const HEIGHT_PX = 240;
const FPS = 25;

/** A session in small: a moving picture and a tone at real pace, coded once, for any number of viewers. */
class Source {
  readonly keys: number[] = [];
  readonly fanOut: FanOut;
  readonly transport: TransportHost;
  #encoder: LiveEncoder;
  #opus = new OpusEncoder();
  #keyWanted = false;
  #stopped = false;
  #running: Promise<void>;

  private constructor(
    encoder: LiveEncoder,
    transport: TransportHost,
    onPicture: (send: (picture: EncodedPicture) => void) => void,
  ) {
    this.#encoder = encoder;
    this.transport = transport;
    this.fanOut = new FanOut({ onKeyframeNeeded: () => (this.#keyWanted = true) });
    onPicture((picture) => {
      if (picture.key) this.keys.push(picture.index);
      this.fanOut.sendPicture([picture], FPS);
    });
    this.#running = this.#run();
  }

  static async create(): Promise<Source> {
    let send = (_picture: EncodedPicture): void => {};
    const ffmpeg = await findFfmpeg({ log: silentLog });
    const encoder = await LiveEncoder.open(VP8, {
      ...{ ffmpeg, widthPx: WIDTH_PX, heightPx: HEIGHT_PX, fps: FPS, bitrateBps: 430_000 },
      onPicture: (picture) => send(picture),
      onFailed: (error) => assert.fail(error),
    });
    const transport = await createTransportHost({ tcp: true, lite: false, publicHosts: [], log: silentLog });
    return new Source(encoder, transport, (handler) => (send = handler));
  }

  async #run(): Promise<void> {
    const startMs = systemClock.now();
    const startWallMs = systemClock.wall();
    const buffer = new Uint8Array((WIDTH_PX * HEIGHT_PX * 3) / 2);
    let sound = 0;
    let second = -1;
    for (let index = 0; !this.#stopped; index++) {
      const due = frameToSamples(index, FPS);
      const waitMs = startMs + due / 48 - systemClock.now();
      if (waitMs > 0) await new Promise<void>((resolve) => systemClock.after(waitMs, resolve));
      const key = this.#keyWanted;
      this.#keyWanted = false;
      await this.#encoder.push(movingPicture(WIDTH_PX, HEIGHT_PX, index, buffer), index, key);
      for (; sound < due; sound += 960)
        this.fanOut.sendSound({ full: this.#opus.encode(tone(sound)) }, sound);
      const elapsedMs = systemClock.now() - startMs;
      if (Math.floor(elapsedMs / 1000) > second) {
        second = Math.floor(elapsedMs / 1000);
        this.fanOut.sendSenderReports(msToSamples(elapsedMs), startWallMs + elapsedMs);
      }
    }
  }

  async peer(
    client: WrtcClient,
    more: Partial<PeerOptions> = {},
  ): Promise<{ peer: Peer; closed: Promise<string> }> {
    const offerSdp = more.offerSdp ?? (await client.offer());
    let tell: (reason: string) => void = () => {};
    const closed = new Promise<string>((resolve) => (tell = resolve));
    const peer: Peer = new Peer({
      ...{ id: `viewer-${this.fanOut.size}`, log: silentLog, transport: this.transport },
      ladder: [{ name: 'high', bps: 1_000_000 }],
      onKeyframeNeeded: (rendition) => this.fanOut.requestKeyframe(rendition),
      onConnected() {},
      onClosed: (reason: string) => {
        this.fanOut.remove(peer.id);
        tell(reason);
      },
      ...more,
      offerSdp,
    });
    this.fanOut.add(peer);
    await client.answer(peer.answerSdp);
    return { peer, closed };
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#encoder.close();
    this.fanOut.close();
    await this.transport.ice.close();
  }
}

describe('peer', () => {
  let source: Source;
  before(async () => {
    source = await Source.create();
  });
  after(() => source.close());

  it('shows picture and sound to libwebrtc, and the right picture', async () => {
    const client = new WrtcClient();
    const { peer, closed } = await source.peer(client);
    assert.match(peer.etag, /^"[0-9a-f]{32}"$/);
    await client.until(
      '60 pictures and sound',
      ({ frames, audioSamples, audioPeak }) => frames >= 60 && audioSamples > 48_000 && audioPeak > 8000,
    );
    const { lastPicture } = client;
    assert.deepEqual([lastPicture?.widthPx, lastPicture?.heightPx], [WIDTH_PX, HEIGHT_PX]);
    const row = lastPicture?.data.subarray(48 * WIDTH_PX, 49 * WIDTH_PX) ?? new Uint8Array();
    assert.ok(Math.max(...row) > 200, 'the bright box is missing');
    assert.ok(Math.abs((lastPicture?.data[WIDTH_PX * HEIGHT_PX] ?? 0) - 110) < 8, 'U is off');
    assert.equal(await client.inbound('video', 'packetsLost'), 0);
    const stats = peer.metrics.summary();
    assert.ok(stats.picturesSent > 50 && stats.soundsSent > 50, JSON.stringify(stats));
    assert.ok((stats.sentBps ?? 0) > 50_000, JSON.stringify(stats));
    peer.close('done');
    assert.equal(await closed, 'done');
    assert.equal(peer.state, 'closed');
    client.close();
  });

  it('gives a late joiner a picture at once, by a key picture made for it', async () => {
    const early = new WrtcClient();
    const first = await source.peer(early);
    await early.until('10 pictures', ({ frames }) => frames >= 10);
    source.fanOut.sendSound({ full: new Uint8Array([0xfc, 0xff, 0xfe]) }, 0); // one odd packet harms nobody
    const keysBefore = source.keys.length;
    const late = new WrtcClient();
    let connectedAtMs = 0;
    const second = await source.peer(late, { onConnected: () => (connectedAtMs = performance.now()) });
    await late.until('10 pictures', ({ frames }) => frames >= 10);
    assert.ok(source.keys.length > keysBefore, 'no key picture was made');
    const waitMs = (late.firstPictureAtMs ?? Infinity) - connectedAtMs;
    console.log(`late joiner: connected to first picture ${waitMs.toFixed(0)} ms`);
    assert.ok(waitMs < 1500, `${waitMs} ms`);
    first.peer.close();
    second.peer.close();
    early.close();
    late.close();
  });

  it('makes a key picture when a picture is lost for good', async () => {
    const client = new WrtcClient();
    const offerSdp = (await client.offer()).replace(/^a=rtcp-fb:\d+ nack\r\n/gm, ''); // no retransmission can help
    const { peer } = await source.peer(client, { offerSdp });
    await client.until('20 pictures', ({ frames }) => frames >= 20);
    const keysBefore = source.keys.length;
    const { keyframesRequested } = peer.metrics.summary();
    // A hole: pictures go to everyone else, and this viewer's numbering shows that they are missing.
    const send = peer.sendPicture.bind(peer);
    let hole = 6;
    peer.sendPicture = (renditions, mediaSamples) => {
      const torn = renditions.map((one) => ({ ...one, parts: [new Uint8Array([0x01])] }));
      send(hole-- > 0 ? torn : renditions, mediaSamples);
    };
    await client.until(
      'a picture after the hole',
      ({ frames }) => frames >= 50 && source.keys.length > keysBefore,
      8000,
    );
    assert.ok(peer.metrics.summary().keyframesRequested.pli > keyframesRequested.pli);
    peer.close();
    client.close();
  });

  it('serves sound alone and picture alone', async () => {
    const listener = new WrtcClient(['audio']);
    const watcher = new WrtcClient(['video']);
    const a = await source.peer(listener);
    const b = await source.peer(watcher, { id: 'watcher' });
    assert.doesNotMatch(a.peer.answerSdp, /^m=video/m);
    await listener.until('sound', ({ audioPeak }) => audioPeak > 8000);
    await watcher.until('pictures', ({ frames }) => frames >= 10);
    a.peer.close();
    b.peer.close();
    listener.close();
    watcher.close();
  });

  it('answers completely: candidates, one stream, send only', async () => {
    const client = new WrtcClient();
    const transport = await createTransportHost({
      ...{ portRange: [42_000, 42_100], publicHosts: ['203.0.113.9'] },
      ...{ tcp: true, lite: false, log: silentLog },
    });
    const { peer } = await source.peer(client, { transport });
    const { answerSdp } = peer;
    assert.match(answerSdp, /^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 42(0\d\d|100) typ host/m);
    assert.doesNotMatch(answerSdp, /typ srflx/);
    if (/typ host/.test(answerSdp.replaceAll(/^a=candidate.* 127\.0\.0\.1 .*$/gm, '')))
      assert.match(answerSdp, /203\.0\.113\.9/);
    assert.equal(answerSdp.match(/^a=sendonly/gm)?.length, 2);
    const streams = new Set([...answerSdp.matchAll(/^a=msid:(\S+)/gm)].map((found) => found[1]));
    assert.equal(streams.size, 1, answerSdp);
    assert.match(answerSdp, /^a=rtcp-fb:\d+ nack pli/m);
    assert.match(answerSdp, /^a=rtpmap:\d+ rtx\/90000/m);
    assert.match(answerSdp, /^a=candidate:\S+ 1 tcp \d+ 127\.0\.0\.1 42\d\d\d typ host tcptype passive/m);
    await client.until('pictures', ({ frames }) => frames >= 5);
    peer.close();
    client.close();
    await transport.ice.close();
  });

  it('connects by trickled candidates alone', async () => {
    const client = new WrtcClient();
    const candidates: string[] = [];
    const offerSdp = await client.offer((candidate) => candidates.push(candidate));
    assert.doesNotMatch(offerSdp, /^a=candidate/m);
    const { peer } = await source.peer(client, { offerSdp });
    const ufrag = /^a=ice-ufrag:(\S+)/m.exec(offerSdp)?.[1] ?? '';
    assert.throws(() => peer.addCandidates('a=ice-ufrag:other\r\na=ice-pwd:x\r\n'), {
      code: 'not-supported',
    });
    assert.throws(() => peer.addCandidates('nonsense'), { code: 'sdp-invalid' });
    await client.until(
      'candidates',
      () => candidates.length > 0 || client.pc.iceGatheringState === 'complete',
    );
    const lines = candidates.map((candidate) => `a=${candidate}`).join('\r\n');
    peer.addCandidates(
      `a=ice-ufrag:${ufrag}\r\na=ice-pwd:x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n${lines}\r\na=candidate:broken\r\n`,
    );
    await client.until('pictures', ({ frames }) => frames >= 5);
    peer.close();
    client.close();
  });

  it('lets go of a viewer who leaves, and tells a viewer that it ends', async () => {
    const leaver = new WrtcClient();
    const { peer, closed } = await source.peer(leaver);
    await leaver.until('pictures', ({ frames }) => frames >= 5);
    leaver.close(); // says so over DTLS
    assert.match(await closed, /encryption was closed|fell silent/);
    assert.equal(peer.state, 'closed');

    const stayer = new WrtcClient();
    const other = await source.peer(stayer);
    await stayer.until('pictures', ({ frames }) => frames >= 5);
    const startedMs = performance.now();
    other.peer.close();
    await stayer.until('the end', ({ dtlsState }) => dtlsState === 'closed', 3000);
    assert.ok(performance.now() - startedMs < 3000);
    stayer.close();
  });

  it('refuses what it cannot answer', async () => {
    const client = new WrtcClient();
    const good = await client.offer();
    const refused = (offerSdp: string): string => {
      try {
        new Peer({
          id: 'x',
          log: silentLog,
          transport: source.transport,
          ladder: [],
          offerSdp,
          onKeyframeNeeded() {},
          onConnected() {},
          onClosed() {},
        });
      } catch (error) {
        if (isAppError(error)) return error.code;
        throw error;
      }
      return 'accepted';
    };
    assert.equal(refused(''), 'sdp-invalid');
    assert.equal(refused('{"sdp": 1}'), 'sdp-invalid');
    assert.equal(refused('v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n'), 'sdp-invalid');
    assert.equal(refused(good.replaceAll(/^a=ice-ufrag.*\r\n/gm, '')), 'sdp-invalid');
    assert.equal(refused(good.replaceAll('a=recvonly', 'a=sendonly')), 'sdp-unsupported');
    assert.equal(refused(good.replaceAll('a=recvonly', 'a=inactive')), 'sdp-unsupported');
    assert.equal(refused(good.replaceAll('VP8/90000', 'VP7/90000')), 'sdp-unsupported');
    assert.equal(refused(good.replaceAll('opus/48000', 'oups/48000')), 'sdp-unsupported');
    client.close();
  });
});
