import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transferBar } from '../../../src/cli/transfer-bar.js';

function bar(isTTY: boolean) {
  const written: string[] = [];
  const out = { isTTY, write: (text: string) => written.push(text) };
  const show = transferBar('[1/2] a.onnx', () => 'all: 1', out);
  const at = (receivedBytes: number, totalBytes: number | undefined, remainingS?: number) =>
    show({ receivedBytes, totalBytes, bytesPerS: 12_300_000, remainingS });
  return { written, at };
}

test('elsewhere than on a terminal: a line every tenth', () => {
  const { written, at } = bar(false);
  for (let bytes = 0; bytes <= 1000; bytes += 1) at(bytes, 1000, 61);
  assert.equal(written.length, 11);
  assert.equal(
    written[4],
    `[1/2] a.onnx  [${'#'.repeat(9)}${'-'.repeat(15)}] 40 % of 1.0 kB  12.3 MB/s  61 s left  all: 1\n`,
  );
  assert.match(written[10]!, /100 % of 1.0 kB {2}12.3 MB\/s {2}checking/);
});

test('on a terminal one line is drawn again and again', () => {
  const { written, at } = bar(true);
  at(0, 1000);
  at(500, 1000, 10_000);
  assert.ok(written.every((text) => text.startsWith('\r') && text.endsWith('\u001b[K')));
  assert.match(written[1]!, /50 %.*2 h 47 min left/);
});

test('without a length the bytes are told, now and then', () => {
  const { written, at } = bar(false);
  for (let bytes = 0; bytes <= 250e6; bytes += 1e6) at(bytes, undefined);
  assert.equal(written.length, 3);
  assert.match(written[2]!, /a.onnx {2}200 MB {2}12.3 MB\/s {2}all/);
});
