import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Clock } from '../../../../src/lib/clock.js';
import type { EncodedPicture, RenditionName } from '../../../../src/media/frame.js';
import { joinNalUnits } from '../../../../src/media/nal-units.js';
import {
  FanOut,
  type FanOutPeer,
  type PictureParts,
  type SoundPacket,
} from '../../../../src/session/viewers/fan-out.js';

class HandClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; callback: () => void }[] = [];
  now = (): number => this.#nowMs;
  wall = (): number => 1_000_000 + this.#nowMs;
  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  }
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter((timer) => timer.atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.#nowMs);
    for (const timer of due) timer.callback();
  }
}

class FakePeer implements FanOutPeer {
  readonly id: string;
  state: FanOutPeer['state'] = 'connected';
  rendition: RenditionName = 'high';
  wanted: RenditionName = 'high';
  wantsSlimSound = false;
  lossShare = 0;
  video: { renditions: readonly PictureParts[]; mediaSamples: number }[] = [];
  audio: number[] = [];
  reports: { mediaSamples: number; wallMs: number }[] = [];
  cuts = 0;
  constructor(id: string) {
    this.id = id;
  }
  sendPicture(renditions: readonly PictureParts[], mediaSamples: number): void {
    this.video.push({ renditions, mediaSamples });
  }
  sendSound(_sound: SoundPacket, mediaSamples: number): void {
    this.audio.push(mediaSamples);
  }
  cut(): void {
    this.cuts += 1;
  }
  sendSenderReports(mediaSamples: number, wallMs: number): void {
    this.reports.push({ mediaSamples, wallMs });
  }
}

describe('FanOut', () => {
  let clock: HandClock;
  let asked: number[];
  let errors: string[];
  let fanOut: FanOut;
  beforeEach(() => {
    clock = new HandClock();
    asked = [];
    errors = [];
    fanOut = new FanOut({
      clock,
      onKeyframeNeeded: () => asked.push(clock.now()),
      onPeerError: (id) => errors.push(id),
    });
  });
  const picture = (index: number, key = false, rendition: RenditionName = 'high'): EncodedPicture[] => [
    { index, key, data: new Uint8Array(2000), rendition },
  ];
  const sound = { full: new Uint8Array(3) };
  it("packetizes once for all viewers, at the picture's media time", () => {
    const [a, b] = [new FakePeer('a'), new FakePeer('b')];
    fanOut.add(a);
    fanOut.add(b);
    fanOut.sendPicture(picture(30, true), 30);
    assert.equal(a.video[0]?.renditions, b.video[0]?.renditions);
    assert.deepEqual([a.video[0]?.mediaSamples, a.video[0]?.renditions[0]?.key], [48_000, true]);
  });

  it('cuts H.264 and VP8 of one picture each in its own way', () => {
    const viewer = new FakePeer('a');
    fanOut.add(viewer);
    const units = joinNalUnits([Uint8Array.of(0x67, 1), Uint8Array.of(0x68, 2), Uint8Array.of(0x65, 3)]);
    const h264 = { index: 1, key: true, data: units, rendition: 'h264' } as const;
    fanOut.sendPicture([...picture(1), h264], 25);
    const [vp8, avc] = viewer.video[0]!.renditions;
    assert.equal(vp8?.parts.length, 2);
    assert.deepEqual([avc?.rendition, avc?.parts.map((part) => part[0]! & 0x1f)], ['h264', [24, 5]]);
  });

  it('asks for a key picture at once, then at most every 300 ms', () => {
    clock.advance(1000);
    for (let wish = 0; wish < 5; wish++) fanOut.requestKeyframe('high');
    assert.deepEqual(asked, [1000]);
    clock.advance(299);
    assert.deepEqual(asked, [1000]);
    clock.advance(1);
    assert.deepEqual(asked, [1000, 1300]); // the wishes inside the gap, as one
    clock.advance(1000);
    assert.deepEqual(asked, [1000, 1300]);
    fanOut.requestKeyframe('high');
    assert.deepEqual(asked, [1000, 1300, 2300]);
  });

  it('takes a key picture that passes as the answer to a waiting wish', () => {
    fanOut.requestKeyframe('high');
    fanOut.requestKeyframe('high');
    fanOut.sendPicture(picture(1), 25);
    fanOut.sendPicture(picture(2, true), 25);
    clock.advance(1000);
    assert.deepEqual(asked, [0]);
  });

  it('asks for each rendition by itself, and knows which ones are needed', () => {
    const other = new FakePeer('other');
    other.wanted = 'low';
    const away = new FakePeer('away');
    away.state = 'connecting';
    away.rendition = 'mid';
    fanOut.add(other);
    fanOut.add(away);
    assert.deepEqual([...fanOut.demand], ['high', 'low']);
    away.rendition = away.wanted = 'h264';
    assert.deepEqual([...fanOut.demand], ['high', 'low', 'h264']);
    const wishes: string[] = [];
    fanOut = new FanOut({ clock, onKeyframeNeeded: (rendition) => wishes.push(rendition) });
    fanOut.requestKeyframe('high');
    fanOut.requestKeyframe('low');
    fanOut.requestKeyframe('high');
    fanOut.sendPicture(picture(1, true, 'low'), 25); // no answer to the wish for `high`
    clock.advance(300);
    assert.deepEqual(wishes, ['high', 'low', 'high']);
  });

  it('has the pictures since the last key picture for who comes, as long as they are few', () => {
    const early = new FakePeer('early');
    fanOut.add(early);
    const caughtUp = (wanted: RenditionName = 'high'): number[] => {
      const late = new FakePeer('late');
      late.wanted = wanted;
      fanOut.catchUp(late);
      return late.video.map(({ mediaSamples }) => mediaSamples / 1920);
    };
    fanOut.sendPicture(picture(3), 25);
    assert.deepEqual(caughtUp(), [], 'no key picture yet');
    fanOut.sendPicture(picture(4, true), 25);
    fanOut.sendPicture(picture(5), 25);
    assert.deepEqual(caughtUp(), [4, 5]);
    assert.deepEqual(caughtUp('low'), []);
    for (let index = 6; index < 19; index += 1) fanOut.sendPicture(picture(index), 25);
    assert.equal(caughtUp().length, 15);
    fanOut.sendPicture(picture(19), 25);
    assert.deepEqual(caughtUp(), [], 'too long ago');
    fanOut.sendPicture(picture(20, true), 25);
    fanOut.remove('early');
    fanOut.sendPicture(picture(21), 25); // to nobody, so the row is broken
    assert.deepEqual(caughtUp(), []);
  });

  it('serves a large audience in slices, each viewer in order', async () => {
    const viewers = Array.from({ length: 20 }, (_, at) => new FakePeer(`v${at}`));
    for (const viewer of viewers) {
      const keep = viewer.sendSound.bind(viewer);
      viewer.sendSound = (packet, mediaSamples) => {
        clock.advance(1);
        keep(packet, mediaSamples);
      };
      fanOut.add(viewer);
    }
    for (const at of [0, 960, 1920]) fanOut.sendSound(sound, at);
    assert.equal(viewers.filter(({ audio }) => audio.length > 0).length, 5, 'one slice of 5 ms');
    while (viewers.some(({ audio }) => audio.length < 3))
      await new Promise((resolve) => setImmediate(resolve));
    for (const { audio } of viewers) assert.deepEqual(audio, [0, 960, 1920]);
  });

  it('sends nothing after a cut of what was handed over before it, and has nothing of it for who comes', async () => {
    const viewers = Array.from({ length: 5 }, (_, n) => new FakePeer(`${n}`));
    // Each takes 2 ms, so that the last ones wait for the next turn.
    for (const viewer of viewers) {
      fanOut.add(viewer);
      const send = viewer.sendPicture.bind(viewer);
      viewer.sendPicture = (...args) => {
        clock.advance(2);
        send(...args);
      };
    }
    fanOut.sendPicture(picture(1, true), 25);
    fanOut.sendSound(sound, 960);
    const before = viewers.map(({ video }) => video.length);
    assert.ok(before.includes(0), 'some wait');
    fanOut.cut();
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      viewers.map(({ video }) => video.length),
      before,
    );
    assert.ok(viewers.every(({ audio, cuts }) => audio.length === 0 && cuts === 1));
    const late = new FakePeer('late');
    fanOut.catchUp(late);
    assert.equal(late.video.length, 0);
    fanOut.sendPicture(picture(2, true), 25);
    assert.equal(viewers[0]?.video.length, (before[0] ?? 0) + 1);
  });

  it('sends nothing of a rendition that lost a picture to overload until its next key picture', async () => {
    const slow = new FakePeer('slow');
    const keep = slow.sendSound.bind(slow);
    slow.sendSound = (packet, mediaSamples) => {
      clock.advance(6); // a whole slice
      keep(packet, mediaSamples);
    };
    fanOut.add(slow);
    for (let at = 0; at < 160; at += 1) fanOut.sendSound(sound, at * 960);
    fanOut.sendPicture(picture(1), 25); // too much waits
    while (slow.audio.length < 160) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    fanOut.sendPicture(picture(2), 25);
    assert.equal(slow.video.length, 0);
    fanOut.sendPicture(picture(3, true), 25);
    fanOut.sendPicture(picture(4), 25);
    assert.equal(slow.video.length, 2);
    assert.ok(asked.length > 0);
  });

  it('gives a newcomer two reports within a moment, on one line of time', () => {
    const old = new FakePeer('old');
    fanOut.add(old);
    fanOut.sendSenderReports(48_000, clock.wall());
    clock.advance(400);
    const newcomer = new FakePeer('new');
    newcomer.state = 'connecting';
    fanOut.add(newcomer);
    const send = (): void => fanOut.sendSound(sound, 0);
    send();
    assert.equal(newcomer.reports.length, 0);
    newcomer.state = 'connected';
    for (let at = 0; at < 12; at++) {
      send();
      clock.advance(20);
    }
    assert.deepEqual(newcomer.reports, [
      { mediaSamples: 48_000 + 400 * 48, wallMs: 1_000_400 },
      { mediaSamples: 48_000 + 500 * 48, wallMs: 1_000_500 },
    ]);
  });

  it('serves the others when one viewer throws', () => {
    const bad = new FakePeer('bad');
    bad.sendSound = () => {
      throw new Error('broken');
    };
    const good = new FakePeer('good');
    fanOut.add(bad);
    fanOut.add(good);
    fanOut.sendSound(sound, 960);
    assert.deepEqual(good.audio, [960]);
    assert.deepEqual(errors, ['bad']);
  });

  it('forgets viewers and wishes when it closes', () => {
    fanOut.add(new FakePeer('a'));
    fanOut.requestKeyframe('high');
    fanOut.requestKeyframe('high');
    fanOut.close();
    clock.advance(1000);
    assert.deepEqual([fanOut.size, asked.length], [0, 1]);
  });
});
