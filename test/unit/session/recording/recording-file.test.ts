import assert from 'node:assert/strict';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { WebmWriter, type WebmTail } from '../../../../src/encoder/matroska/webm-writer.js';
import { RecordingFile, repairFile } from '../../../../src/session/recording/recording-file.js';
import { deferred } from '../../../helpers/deferred.js';
import { temporaryFolder } from '../../../helpers/media.js';
import { readWebm } from '../../../helpers/webm.js';

const FACTS = { widthPx: 64, heightPx: 48, fps: 25, delaySamples: 312, createdAtMs: 0 };

function pieces(pictures = 100): { pieces: Buffer[]; tail: WebmTail } {
  const made: Buffer[] = [];
  const writer = new WebmWriter(FACTS, (bytes) => made.push(bytes));
  for (let i = 0; i < pictures; i += 1) writer.picture(i * 40, i % 25 === 0, Buffer.alloc(1000, i));
  const tail = writer.end(pictures * 40);
  return { pieces: made, tail };
}

const noFault = { onFault: (fault: string) => assert.fail(fault) };

test('what is appended is on disk in its order, whole when it is closed', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.webm');
  const recording = await RecordingFile.create(file, noFault);
  const { pieces: made, tail } = pieces();
  for (const piece of made) recording.append(piece);
  const { sizeBytes } = await recording.close(tail);
  const bytes = await readFile(file);
  assert.equal(bytes.length, sizeBytes);
  const read = readWebm(bytes);
  assert.deepEqual([read.durationMs, read.blocks.length, read.cues.length], [4000, 100, 4]);
});

test('a file that is there is not written over', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.webm');
  await writeFile(file, 'mine');
  await assert.rejects(RecordingFile.create(file, noFault), { code: 'EEXIST' });
  assert.equal(await readFile(file, 'utf8'), 'mine');
});

test('a disk that does not keep up ends it at a bound, and what is written is made whole', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.webm');
  const handle = await open(file, 'wx');
  const hang = deferred<void>();
  const faults: string[] = [];
  const slow = {
    write: async (...args: [Buffer, number, number, number]) => {
      await hang.promise;
      return handle.write(...args);
    },
    close: () => handle.close(),
  };
  const recording = new RecordingFile(file, slow as unknown as typeof handle, {
    maxWaitingBytes: 50_000,
    onFault: (fault) => faults.push(fault),
  });
  const { pieces: made, tail } = pieces();
  const startedMs = performance.now();
  for (const piece of made) recording.append(piece);
  assert.ok(performance.now() - startedMs < 50, 'the session never waits');
  assert.deepEqual(faults, ['disk-slow']);
  hang.resolve();
  const { sizeBytes, durationMs } = await recording.close(tail);
  // The piece that was under way is all that is left: the head, without a picture.
  assert.deepEqual([sizeBytes, durationMs], [0, 0]);
});

test('a disk that fails in the middle of a piece leaves the whole ones before it', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.webm');
  const handle = await open(file, 'wx');
  const { pieces: made, tail } = pieces();
  const roomBytes = Buffer.concat(made.slice(0, 3)).length + 500;
  const full = {
    write: async (bytes: Buffer, from: number, length: number, at: number) => {
      if (at >= roomBytes) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      return handle.write(bytes, from, Math.min(length, roomBytes - at), at);
    },
    close: () => handle.close(),
  };
  const faults: [string, unknown][] = [];
  const recording = new RecordingFile(file, full as unknown as typeof handle, {
    onFault: (fault, error) => faults.push([fault, (error as NodeJS.ErrnoException).code]),
  });
  for (const piece of made) recording.append(piece);
  const { sizeBytes, durationMs } = await recording.close(tail);
  assert.deepEqual(faults, [['disk-failed', 'ENOSPC']]);
  const bytes = await readFile(file);
  assert.equal(bytes.length, sizeBytes);
  const read = readWebm(bytes);
  assert.equal(read.clusters.length, 2);
  assert.equal(read.durationMs, durationMs);
  assert.equal(read.durationMs, read.blocks.length * 40);
});

test('one that is sealed keeps what came before', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.webm');
  const recording = await RecordingFile.create(file, noFault);
  const { pieces: made, tail } = pieces();
  for (const piece of made.slice(0, 4)) recording.append(piece);
  recording.seal();
  for (const piece of made.slice(4)) recording.append(piece);
  await recording.close(tail);
  assert.equal(readWebm(await readFile(file)).clusters.length, 3);
});

test('repairing what holds nothing leaves it alone', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.webm');
  await writeFile(file, 'nothing');
  assert.equal(await repairFile(file), undefined);
  assert.equal(await readFile(file, 'utf8'), 'nothing');
});
