import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ID } from '../../../../src/encoder/matroska/ids.js';
import { repairOf } from '../../../../src/encoder/matroska/webm-repair.js';
import { WebmWriter } from '../../../../src/encoder/matroska/webm-writer.js';
import { readWebm, uint } from '../../../helpers/webm.js';

const FACTS = { widthPx: 64, heightPx: 48, fps: 25, delaySamples: 312, createdAtMs: Date.UTC(2026, 0, 2) };
const VIDEO = 1;
const AUDIO = 2;

/** A recording of so many pictures, a key picture every so often, sound ahead as it comes live. */
function write(pictures: number, { keyEvery = 10, fps = 25 } = {}) {
  const pieces: Buffer[] = [];
  const writer = new WebmWriter({ ...FACTS, fps }, (bytes) => pieces.push(bytes));
  let packets = 0;
  for (let i = 0; i < pictures; i += 1) {
    const atMs = (i * 1000) / fps;
    for (; packets * 20 <= atMs + 80; packets += 1) writer.sound(packets * 20, Buffer.from([packets & 0xff]));
    writer.picture(atMs, i % keyEvery === 0, Buffer.alloc(100, i));
  }
  return { pieces, writer, packets };
}

/** The file as it is on disk after its end. */
function ended(pieces: readonly Buffer[], { tail, front }: { tail: Buffer; front: Buffer }): Buffer {
  const file = Buffer.concat([...pieces, tail]);
  front.copy(file);
  return file;
}

describe('WebM writer', () => {
  it('ends as a file that can be sought: size, duration, seek head and cues are right to the byte', () => {
    const { pieces, writer } = write(100);
    const file = ended(pieces, writer.end(4000));
    const read = readWebm(file);
    assert.equal(read.durationMs, 4000);
    assert.equal(read.segmentBytes, file.length - read.segmentAt);
    assert.deepEqual(
      read.seeks.map(({ id, at }) => [id, file.readUInt32BE(at)]),
      [ID.info, ID.tracks, ID.cues].map((id) => [id, id]),
    );
    assert.deepEqual(
      read.cues.map(({ atMs }) => atMs),
      [0, 400, 800, 1200, 1600, 2000, 2400, 2800, 3200, 3600],
    );
    for (const { atMs, at } of read.cues) {
      const cluster = read.clusters.find((one) => one.at === at);
      const first = cluster?.blocks[0];
      assert.deepEqual([first?.track, first?.key, first?.atMs], [VIDEO, true, atMs]);
    }
  });

  it('tells tracks as players need them', () => {
    const { pieces, writer } = write(3);
    const [video, audio] = readWebm(ended(pieces, writer.end(120))).tracks;
    assert.equal(video?.get(ID.codecId)?.toString(), 'V_VP8');
    assert.deepEqual(
      [ID.pixelWidth, ID.pixelHeight, ID.defaultDuration].map((id) => uint(video!.get(id)!)),
      [64, 48, 40_000_000],
    );
    assert.equal(audio?.get(ID.codecId)?.toString(), 'A_OPUS');
    assert.deepEqual(
      [ID.codecDelay, ID.seekPreRoll, ID.channels].map((id) => uint(audio!.get(id)!)),
      [6_500_000, 80_000_000, 2],
    );
    const head = audio!.get(ID.codecPrivate)!;
    assert.equal(head.toString('latin1', 0, 8), 'OpusHead');
    assert.equal(head.readUInt16LE(10), 312);
  });

  it('keeps every picture and packet, in the order of their times, and cuts the sound at the end to the sample', () => {
    const { pieces, writer, packets } = write(100);
    const { blocks } = readWebm(ended(pieces, writer.end(4000)));
    const pictures = blocks.filter(({ track }) => track === VIDEO);
    assert.deepEqual(
      pictures.map(({ atMs, data }) => [atMs, data[0]]),
      Array.from({ length: 100 }, (_, i) => [i * 40, i]),
    );
    const sounds = blocks.filter(({ track }) => track === AUDIO);
    // What is decoded of a packet is heard 6.5 ms before its time stamp.
    const last = sounds.at(-1)!;
    assert.equal(last.atMs - 6.5 + 20 - last.discardNs / 1e6, 4000);
    assert.ok(sounds.length < packets, 'sound without pictures is left out');
    assert.ok(sounds.slice(0, -1).every(({ discardNs }) => discardNs === 0));
    assert.deepEqual(
      sounds.map(({ atMs }) => atMs),
      sounds.map((_, i) => i * 20),
    );
    const times = blocks.map(({ atMs }) => atMs);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
  });

  it('rounds times of other rates once, never adding up', () => {
    const { pieces, writer } = write(300, { fps: 30, keyEvery: 150 });
    const { blocks } = readWebm(ended(pieces, writer.end(10_000)));
    const pictures = blocks.filter(({ track }) => track === VIDEO);
    const offMs = pictures.map(({ atMs }, i) => Math.abs(atMs - (i * 1000) / 30));
    assert.ok(Math.max(...offMs) <= 0.5, `${Math.max(...offMs)} ms`);
  });

  it('hands out less than a second at a time, each piece whole', () => {
    const { pieces, writer } = write(200, { keyEvery: 1000 });
    for (let count = 1; count <= pieces.length; count += 1) {
      const { clusters } = readWebm(Buffer.concat(pieces.slice(0, count)));
      assert.equal(clusters.length, count - 1, 'what is written can be read without what follows');
    }
    const { clusters } = readWebm(Buffer.concat(pieces));
    const starts = clusters.map(({ startMs }) => startMs);
    starts.slice(1).forEach((start, i) => assert.ok(start - starts[i]! < 1000, `${start - starts[i]!} ms`));
    assert.ok(200 * 40 - starts.at(-1)! < 2000);
    assert.ok(writer.sizeBytes > 0);
  });

  it('knows its size before it has ended, within a hundredth', () => {
    const { pieces, writer } = write(100);
    const { sizeBytes } = writer;
    const file = ended(pieces, writer.end(4000));
    assert.ok(Math.abs(sizeBytes - file.length) < file.length / 100, `${sizeBytes} for ${file.length}`);
  });

  it('goes on without pictures, and shows those that come too late after what is written', () => {
    const pieces: Buffer[] = [];
    const writer = new WebmWriter(FACTS, (bytes) => pieces.push(bytes));
    writer.picture(0, true, Buffer.alloc(10));
    for (let i = 0; i < 150; i += 1) writer.sound(i * 20, Buffer.alloc(3));
    assert.ok(pieces.length >= 2, 'sound alone fills clusters');
    writer.picture(40, false, Buffer.alloc(10));
    writer.picture(80, true, Buffer.alloc(10));
    const { blocks, cues } = readWebm(ended(pieces, writer.end(2913.5)));
    const times = blocks.map(({ atMs }) => atMs);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    const [first, second, third] = blocks.filter(({ track }) => track === VIDEO);
    assert.equal(first?.atMs, 0);
    assert.ok(third!.atMs > second!.atMs && second!.atMs >= 900);
    assert.deepEqual(
      cues.map(({ atMs }) => atMs),
      [0, third!.atMs],
    );
  });
});

describe('WebM repair', () => {
  const readerOf = (file: Buffer) => (at: number, length: number) =>
    Promise.resolve(file.subarray(at, at + length));

  it('makes the same of a file that nobody ended as its end would have', async () => {
    const { pieces, writer } = write(100);
    writer.end(4000);
    const file = Buffer.concat(pieces);
    const repair = await repairOf(readerOf(file), file.length);
    assert.equal(repair?.keptBytes, file.length);
    const read = readWebm(ended(pieces, repair));
    assert.equal(read.durationMs, 4000);
    assert.equal(read.cues.length, 10);
  });

  it('drops what is torn, wherever that is', async () => {
    const { pieces } = write(200, { keyEvery: 50 });
    const whole = Buffer.concat(pieces);
    const ends = pieces.map((_, i) => Buffer.concat(pieces.slice(0, i + 1)).length);
    for (let cut = ends[1]!; cut <= whole.length; cut += 997) {
      const torn = whole.subarray(0, cut);
      const repair = await repairOf(readerOf(torn), torn.length);
      assert.ok(repair !== undefined);
      assert.equal(
        repair.keptBytes,
        ends.findLast((end) => end <= cut),
      );
      const mended = ended([torn.subarray(0, repair.keptBytes)], repair);
      const read = readWebm(mended);
      const last = read.blocks.filter(({ track }) => track === VIDEO).at(-1)!;
      assert.ok(read.durationMs! >= last.atMs + 40 && read.durationMs! <= last.atMs + 40 + 80);
    }
  });

  it('also of one whose writer died while it ended it', async () => {
    const { pieces, writer } = write(50);
    const { tail } = writer.end(2000);
    const file = Buffer.concat([...pieces, tail]);
    const repair = await repairOf(readerOf(file), file.length);
    assert.equal(repair?.keptBytes, file.length - tail.length);
    assert.deepEqual(repair.tail, tail);
  });

  it('finds nothing in what is none, or holds nothing', async () => {
    const { pieces } = write(1);
    for (const file of [Buffer.alloc(0), Buffer.alloc(5000, 7), pieces[0]!, pieces[0]!.subarray(0, 300)])
      assert.equal(await repairOf(readerOf(file), file.length), undefined);
  });
});
