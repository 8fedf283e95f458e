import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H264 } from '../../src/encoder/h264-encoder.js';
import { LiveEncoder } from '../../src/encoder/live-encoder.js';
import { silentLog } from '../../src/lib/log.js';
import type { EncodedPicture } from '../../src/media/frame.js';
import { FanOut } from '../../src/session/viewers/fan-out.js';
import { Peer, type PeerOptions } from '../../src/session/viewers/peer.js';
import { createTransportHost } from '../../src/transport/create-transport-host.js';
import { createIdentity } from '../../src/transport/dtls-endpoint.js';
import { BareViewer } from '../helpers/bare-viewer.js';
import { decodeH264, rejoined } from '../helpers/h264.js';
import { testFfmpeg } from '../helpers/media.js';
import { movingPicture } from '../helpers/moving-picture.js';
import { until } from '../helpers/server.js';

const [WIDTH_PX, HEIGHT_PX, FPS] = [320, 240, 25];
const H264_TYPE = 102;
const LADDER = [
  { name: 'high', bps: 1_000_000 },
  { name: 'low', bps: 200_000 },
  { name: 'h264', bps: 1_000_000 },
] as const;
const yes = (condition: boolean): true | undefined => condition || undefined;

test('a viewer without VP8 is sent H.264 that another implementation puts together and decodes', async (t) => {
  const transport = await createTransportHost({ tcp: false, lite: false, publicHosts: [], log: silentLog });
  t.after(() => transport.ice.close());
  const viewer = await BareViewer.create(await createIdentity());
  t.after(() => viewer.close());
  const ffmpeg = await testFfmpeg();

  const asked: string[] = [];
  const fanOut = new FanOut({ onKeyframeNeeded: (rendition) => asked.push(rendition), keyframeGapMs: 0 });
  const options: PeerOptions = {
    ...{ id: 'viewer', transport, log: silentLog, ladder: LADDER },
    offerSdp: viewer.offerSdp.replaceAll('VP8', 'AV1'),
    onKeyframeNeeded: (rendition) => fanOut.requestKeyframe(rendition),
    onConnected() {},
    onClosed() {},
  };
  assert.throws(() => new Peer({ ...options, ladder: LADDER.slice(0, 2) }), {
    code: 'sdp-unsupported',
    message: /codes no H\.264/,
  });
  const peer = new Peer(options);
  fanOut.add(peer);
  t.after(() => peer.close());
  assert.deepEqual([...fanOut.demand], ['h264'], 'it is coded while the viewer connects');

  const payloads: Buffer[] = [];
  const pictures = new Map<number, number>();
  let lastNumber: number | undefined;
  viewer.onPacket = (packet) => {
    if ((packet.readUInt8(1) & 0x7f) !== H264_TYPE) return;
    const number = packet.readUInt16BE(2);
    assert.equal(number, ((lastNumber ?? number - 1) + 1) & 0xffff);
    lastNumber = number;
    const extended = (packet.readUInt8(0) & 0x10) !== 0;
    payloads.push(packet.subarray(extended ? 16 + 4 * packet.readUInt16BE(14) : 12));
    const marked = (packet.readUInt8(1) & 0x80) !== 0;
    pictures.set(packet.readUInt32BE(4), marked ? payloads.length : 0);
  };
  await viewer.join(peer.answerSdp);
  await until('the connection', () => yes(viewer.dtlsDone && peer.state === 'connected'));
  assert.deepEqual(new Set(asked), new Set(['h264']));

  let tell = (_: EncodedPicture): void => {};
  const encoder = await LiveEncoder.open(H264, {
    ...{ ffmpeg, widthPx: WIDTH_PX, heightPx: HEIGHT_PX, fps: FPS, bitrateBps: 1_500_000 },
    onPicture: (picture) => tell(picture),
    onFailed: (error) => assert.fail(error),
  });
  t.after(() => encoder.close());
  const vp8 = { rendition: 'high', key: true, data: new Uint8Array(100) } as const;
  for (let index = 0; index < 30; index += 1) {
    if (index === 20) {
      const before = asked.length;
      viewer.sendRtcp(Buffer.from('81ce00020000000100000002', 'hex'));
      await until('the PLI', () => yes(asked.length > before));
      assert.equal(asked.at(-1), 'h264');
    }
    const coded = new Promise<EncodedPicture>((resolve) => (tell = resolve));
    await encoder.push(movingPicture(WIDTH_PX, HEIGHT_PX, index), index, index === 20);
    fanOut.sendPicture(
      [
        { ...vp8, index },
        { ...(await coded), rendition: 'h264' },
      ],
      FPS,
    );
    await until('the picture', () => yes(pictures.size === index + 1));
  }
  await until('the end of the last picture', () => yes([...pictures.values()].every((at) => at > 0)));
  assert.ok(payloads.length > 40, `${payloads.length} packets: no picture was cut`);
  assert.equal(payloads.filter((payload) => (payload.readUInt8(0) & 0x1f) === 24).length, 2, 'STAP-A');
  const ticks = [...pictures.keys()];
  assert.ok(ticks.every((tick, at) => at === 0 || (tick - ticks[at - 1]!) >>> 0 === 90_000 / FPS));

  const decoded = await decodeH264(ffmpeg, rejoined(payloads));
  const sizeBytes = (WIDTH_PX * HEIGHT_PX * 3) / 2;
  assert.equal(decoded.length, 30 * sizeBytes);
  for (const index of [0, 19, 20, 29]) {
    const drawn = movingPicture(WIDTH_PX, HEIGHT_PX, index).data;
    let sum = 0;
    for (let at = 0; at < sizeBytes; at += 1) sum += Math.abs(decoded[index * sizeBytes + at]! - drawn[at]!);
    assert.ok(sum / sizeBytes < 6, `picture ${index} differs by ${(sum / sizeBytes).toFixed(1)}`);
  }
});
